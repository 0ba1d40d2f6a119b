"""What is where a store is to be; and removing a store."""

from __future__ import annotations

from typing import Literal

from atldld_xr.files.atomic import PARTIAL
from atldld_xr.files.file_store import FileStore
from atldld_xr.foreign_json import parse_json
from atldld_xr.store.lease import LEASE
from atldld_xr.store.store_plan import MOST, PLAN, RECORDS

_ROOTS = ("zarr.json", ".zgroup", ".zarray")  # files that show that a folder is a store


def occupant(place: FileStore) -> Literal["nothing", "file", "other", "zarr"]:
    """Return what is there; a Zarr store may be unfinished."""
    top = place.top()
    if top != "folder":
        return top
    if place.get(PLAN, 1) is not None or any(_is_zarr(place, key) for key in _ROOTS):
        return "zarr"
    return "nothing" if _is_hardly_begun(place) else "other"


def clear(place: FileStore, keep: str = "") -> None:
    """Remove everything but one file: the plan first, and last what shows that it is a store."""
    place.clear(keep, order=lambda key: (key != PLAN, key in _ROOTS))


def _is_zarr(place: FileStore, key: str) -> bool:
    """Return whether a file is what Zarr has at a store's root: others use its name too."""
    try:
        return "zarr_format" in parse_json(place.get(key, MOST) or b"null")
    except (ValueError, TypeError):
        return False


def _is_hardly_begun(place: FileStore) -> bool:
    """Return whether all there is was made before the first file of an export."""
    return set(place.names()) <= {RECORDS} and all(
        key.endswith((PARTIAL, LEASE)) for key in place.sizes(RECORDS)
    )
