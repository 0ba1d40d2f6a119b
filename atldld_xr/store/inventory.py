"""Inventory: what files a store is to have besides its chunks, and what its root is to say."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from atldld_xr.arrays.failures import UNREAD
from atldld_xr.files.file_store import FileStore
from atldld_xr.store.consolidated import CONSOLIDATED, consolidated, is_metadata, same
from atldld_xr.store.lease import LEASE
from atldld_xr.store.ledger import LEDGER
from atldld_xr.store.ledger_pages import numbered
from atldld_xr.store.replace import MARK
from atldld_xr.store.store_plan import (
    LINK,
    METADATA,
    OME_KEY,
    PLAN,
    ROOTS,
    STATE,
    read_attributes,
    read_document,
)


def unexpected_files(
    keys: Iterable[str], plan: Mapping[str, Any], chunks: Collection[str]
) -> Iterator[str]:
    """Yield the files that no export wrote; or that were left half written. Pure.

    Parameters
    ----------
    keys : iterable of str
        The keys of all files.
    plan : mapping
        The store's.
    chunks : collection of str
        The keys of all chunks that there are to be.
    """
    zarr_format = plan["zarr format"]
    expected = {PLAN, LEDGER, LEASE, MARK, ROOTS[zarr_format], CONSOLIDATED[zarr_format]}
    expected |= {*plan["crc32c of files"], *_array_files(plan), *chunks}
    for key in keys:
        is_folder = not key or key.endswith("/")  # as some object stores have them
        if not (key in expected or is_folder or numbered([key]) or _is_of_values(key, plan)):
            yield key


def root_problems(
    store: FileStore, plan: Mapping[str, Any], changed: Collection[str], *, unread: str | None
) -> Iterator[str]:
    """Yield what is wrong with the files that speak of the whole store.

    Parameters
    ----------
    store : FileStore
        The store.
    plan : mapping
        Its plan.
    changed : collection of str
        Files that are not as they were written: nothing is said of them again.
    unread : str or None
        What is said of sections that could not be read; None if there are none.
    """
    zarr_format = plan["zarr format"]
    root, gathered = ROOTS[zarr_format], CONSOLIDATED[zarr_format]
    attributes = read_attributes(store, zarr_format)
    if not attributes:
        yield f"{root} is missing or damaged"
        return
    complete = attributes.get(STATE) == "complete"
    planned = dict(plan["dataset"])
    # The version that wrote format 2 told of them in values; who goes on with it, here as well.
    is_told = plan["format"] > 2 or UNREAD in attributes
    if unread is not None and complete and OME_KEY not in planned and is_told:
        planned[UNREAD] = unread
    # An OME-Zarr's own attribute tells of sections that could not be read.
    not_compared = {STATE, LINK, *((OME_KEY,) if unread is not None else ())}
    if any(key.startswith("section_image_id/") for key in changed):
        not_compared.add(UNREAD)  # it cannot be told what it should be
    compared = (
        {k: v for k, v in some.items() if k not in not_compared} for some in (attributes, planned)
    )
    if not same(*compared):
        yield f"{root} has other attributes than were written"
    if not complete:
        return
    stored = read_document(store, gathered)
    group = {"attributes": attributes, "zarr_format": 3, "node_type": "group"}
    files = _array_files(plan) | {root: group if zarr_format == 3 else attributes}
    for key in plan["crc32c of files"]:
        if is_metadata(key, zarr_format):
            # What a damaged one said is known from nowhere else.
            is_known = key not in changed
            files[key] = read_document(store, key) if is_known else _copy(stored, key, zarr_format)
    if not stored:
        yield f"{gathered} is missing or damaged"
    elif not same(stored, consolidated(files, zarr_format)):
        yield f"{gathered} has other consolidated metadata than was written"


def _copy(stored: Mapping[str, Any], key: str, zarr_format: int) -> dict[str, Any]:
    """Return what consolidated metadata has of a file; empty if it has none."""
    try:
        nodes = (stored if zarr_format == 2 else stored["consolidated_metadata"])["metadata"]
        node = nodes[key if zarr_format == 2 else key.removesuffix(f"/{METADATA[3]}")]
    except (KeyError, TypeError):
        return {}
    return node if isinstance(node, dict) else {}


def _array_files(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of the arrays that are written by chunks, by key."""
    name = METADATA[plan["zarr format"]]
    return {f"{array}/{name}": metadata for array, metadata in plan["arrays"].items()}


def _is_of_values(key: str, plan: Mapping[str, Any]) -> bool:
    """Return whether a file may be of one of the arrays that are written at the end."""
    name, _, place = key.rpartition("/c")
    if name not in plan["values"] or not re.fullmatch(r"(/\d{1,9})?", place):
        return False
    return bool(int(place[1:] or 0) < max(plan["values"][name][1], 1))
