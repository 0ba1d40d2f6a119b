"""Beginning an export, or going on with one: which store it is, and what is done of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Literal

from atldld_xr.errors import InvalidArgumentError, StoreError
from atldld_xr.export.lease import LEASE, Lease, lease
from atldld_xr.export.ledger import Ledger
from atldld_xr.export.place import PARTIAL, Place
from atldld_xr.export.records import (
    RECORDS,
    STATE,
    Layout,
    changed_files,
    differences,
    is_complete,
    read_attributes,
    read_plan,
)

Mode = Literal["w-", "w"]


@contextmanager
def begun(place: Place, layout: Layout, mode: Mode) -> Iterator[tuple[Place, Ledger, Lease]]:
    """Give the store to write to, with what is done of it, for as long as the export runs.

    A store that is to be replaced on a local disk is made beside the old one, which it replaces
    when all is written: the data may come from the old one, and a failing export leaves it alone.
    An object store has no renaming: there the old one is removed first.

    Parameters
    ----------
    place : Place
        Where the store is to be.
    layout : Layout
        What it is to be.
    mode : {"w-", "w"}
        Whether a finished or another store may be replaced.

    Raises
    ------
    StoreError
        If something is there that is neither this export, unfinished, nor may be replaced; or if
        another export is writing there.
    """
    if mode not in ("w-", "w"):
        raise InvalidArgumentError(f'mode must be "w-" (new) or "w" (replace), not {mode!r}')
    place.check_writable()
    what = place.what()
    if what == "file":
        raise StoreError(f"{place.url} is a file; nothing was written")
    if what == "other":
        raise StoreError(f"{place.url} holds something that is no Zarr store; nothing was written")
    plan = read_plan(place) if what == "zarr" else None
    aside = place.beside(f".{os.path.basename(place.url)}.new")
    swaps = mode == "w" and place.is_local and (what == "zarr" or aside.what() == "zarr")
    if what == "zarr" and mode == "w-" and plan is None and not _is_begun(place):
        raise StoreError(_exists(place.url, "is no export of this package"))
    if plan is not None and mode == "w-":
        _check_plan(place.url, plan, layout)
    store = aside if swaps else place
    with lease(store) as held:
        yield store, _open(store, layout, mode), held
        if swaps:
            held.check()
    if swaps:
        _swap(store, place)


def _open(store: Place, layout: Layout, mode: Mode) -> Ledger:
    """Create the store or go on with it, and return what is done of it."""
    ledger = Ledger(store, layout.plan)
    plan = read_plan(store) if mode == "w-" or not is_complete(store) else None
    if mode == "w" and plan != layout.plan:
        plan = None
    if plan is None:
        store.clear(keep=LEASE)
        # The root first, so that an interrupted beginning is known for one; the records last.
        store.put(layout.root, layout.files[layout.root])
        for key, content in layout.files.items():
            store.put(key, content)
        return ledger
    _check_plan(store.url, plan, layout)
    sizes = store.sizes()
    store.remove(key for key in sizes if key.endswith(PARTIAL))
    _check_files(store, layout)
    ledger.read()
    for name, place in list(ledger.missing_files(sizes)):
        ledger.take_back(name, place)
    return ledger


def _check_plan(url: str, plan: dict[str, Any], layout: Layout) -> None:
    found = list(islice(differences(plan, layout.plan), 4))
    if found:
        more = "; and more" if len(found) > 3 else ""
        raise StoreError(_exists(url, f"is of another plan: {'; '.join(found[:3])}{more}"))


def _check_files(store: Place, layout: Layout) -> None:
    """Refuse a store whose metadata is not what this export wrote."""
    for key in changed_files(store, layout.plan):
        raise StoreError(
            _exists(store.url, f"cannot be gone on with: {key} is not as it was written")
        )


def _exists(url: str, why: str) -> str:
    return f'{url} exists and {why}. Nothing was written; mode="w" (--mode w) replaces it'


def _is_begun(store: Place) -> bool:
    """Return whether a store without records is an export that was interrupted at its beginning."""
    if any(key.startswith(f"{RECORDS}/") for key in store.sizes(RECORDS)):
        return True
    return STATE in (read_attributes(store) or {})


def _swap(new: Place, place: Place) -> None:
    old = place.beside(f".{os.path.basename(place.url)}.old")
    old.clear()
    new.replace(place, old)
    old.clear()
