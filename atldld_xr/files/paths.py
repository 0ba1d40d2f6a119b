"""Paths as people give them, checked before anything is computed; and names of files beside."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

_LONGEST_NAME = 255  # bytes, where the system does not tell
_LONGEST_PATH = 4095  # bytes; Linux has no longer ones, macOS shorter
_LONGEST_BESIDE = 200  # bytes: a temporary name of such a name is longer still

# file:/path, file:///path and file://localhost/path are one place; file://path is fsspec's relative
# one. fsspec, Zarr and xarray take "%20" as it is, and so it stays.
# Before a path's first folder: half an address, and hardly ever a name.
_HALF = re.compile(r"(file|local|memory|s3a?|gc?s|az|abfss?|https?):(?!//)", re.IGNORECASE)
_SCHEME = re.compile(r"(?:file|local):(?://(?:localhost(?=/))?|(?=/))", re.IGNORECASE)


def without_scheme(address: str) -> str:
    """Return a path where an address is one of a file, and any other as it is."""
    return _SCHEME.sub("", address, count=1) if _SCHEME.match(address) else address


def is_path(address: str) -> bool:
    """Whether an address is a path on this machine, and no URL nor a chain of them."""
    return "://" not in address and "::" not in address


def absolute(path: str) -> str:
    """Return a path of this machine, made absolute.

    Raises
    ------
    InvalidArgumentError
        If no file can have such a path.
    """
    if half := _HALF.match(path):
        scheme = half[1].lower()
        raise InvalidArgumentError(
            f"{short(path)} is no address, which would begin with {scheme}://, and hardly a path: "
            f"./{scheme}:... is a file of such a name"
        )
    whole = os.path.abspath(os.path.expanduser(path))
    try:
        names = os.fsencode(whole).split(os.fsencode(os.sep))
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"{short(path)} has characters that no file name has") from None
    if sum(map(len, names)) + len(names) > _LONGEST_PATH:
        raise InvalidArgumentError(
            f"the path {short(path)} has more than the {_LONGEST_PATH} bytes that one can have"
        )
    longest = _longest_name(whole)
    for name in names:
        if len(name) > longest:
            told = short(os.fsdecode(name))
            raise InvalidArgumentError(
                f"the name {told} has {len(name)} bytes, and a file's can have {longest}"
            )
    return whole


def local_file(given: str | os.PathLike[str]) -> Path:
    """Return the path of a file to write or read, as it was given.

    Raises
    ------
    InvalidArgumentError
        If it is no path on this machine, or no file can have it.
    """
    path = without_scheme(os.fspath(given))
    if not is_path(path) or "\0" in path:
        raise InvalidArgumentError(f"{short(given)} is no path on this machine")
    absolute(path)
    return Path(path)


def name_beside(name: str, before: str, after: str) -> str:
    """Return a name made of another; of one that is long, by its start and a digest."""
    if len(os.fsencode(before + name + after)) <= _LONGEST_BESIDE:
        return f"{before}{name}{after}"
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return f"{before}{name[:40]}-{digest}{after}"


def _longest_name(path: str) -> int:
    folder = os.path.dirname(path)
    while folder != os.path.dirname(folder) and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        return _LONGEST_NAME
