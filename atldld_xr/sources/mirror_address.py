"""The address of a mirror: a path that all processes understand, or a URL that tells no secret."""

from __future__ import annotations

import os
from typing import Any

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.files.credentials import holds_credentials
from atldld_xr.files.paths import absolute, is_path, without_scheme
from atldld_xr.messages.repeating import short


def mirror_address(given: Any) -> str:
    """Return where a mirror is.

    Raises
    ------
    InvalidArgumentError
        If that is no path or URL, or one that holds a password, a signature or a query.
    """
    given = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not isinstance(given, str):
        raise InvalidArgumentError(f"{short(given)} is no path or URL of a mirror")
    path = without_scheme(given)
    if is_path(path):
        # Since other processes may have another working directory.
        path = absolute(path)
    elif holds_credentials(path):
        raise InvalidArgumentError(
            "the mirror's address holds a password, a token or a signature; give it in "
            "storage_options"
        )
    elif path.startswith(("http://", "https://")) and "?" in path:
        # The names of files are put after it; and such queries are signatures.
        raise InvalidArgumentError(
            "the mirror's address holds a query (?...), after which no file can be named"
        )
    return path.rstrip("/") or path
