"""Addresses of stores that cannot be, refused before anybody is asked. Pure."""

from __future__ import annotations

import os

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.files.paths import absolute, without_scheme
from atldld_xr.messages.repeating import short


def checked(url: object) -> str:
    """Return a store's address; a path is made absolute.

    Raises
    ------
    InvalidArgumentError
        If it names no place, or holds what does not belong there.
    """
    url = os.fspath(url) if isinstance(url, os.PathLike) else url
    if not isinstance(url, str) or not url.strip() or "\0" in url:
        raise InvalidArgumentError(f"{short(url)} is no path or URL of a store")
    if "::" in url:  # with who knows whose password in it
        raise InvalidArgumentError('an address with "::" is a chain: a store is in one place')
    url = without_scheme(url)
    protocol, colon, rest = url.partition("://")
    if not colon:  # Zarr, fsspec and pathlib each take "~" and "." differently
        return absolute(url)
    user, at, _ = rest.split("/")[0].rpartition("@")
    if at and (":" in user or protocol in ("s3", "gs", "gcs", "https")):
        raise InvalidArgumentError(
            f"a {protocol}:// address holds a user name or password; give them as storage_options"
        )
    if not protocol or not rest.strip("/"):
        raise InvalidArgumentError(f"{protocol}:// names no place for a store: say what follows")
    if "?" in rest:  # and may be a signature: it is not repeated
        raise InvalidArgumentError(
            f"a {protocol}:// address has a query, which cannot be that of each file of a store; "
            "give signatures and the like as storage_options"
        )
    return url.rstrip("/")
