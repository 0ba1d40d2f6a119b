"""Which rows of a table are still to be made."""

from __future__ import annotations

import numpy as np

from atldld_xr.collection.columns import FACTS
from atldld_xr.files.file_store import FileStore
from atldld_xr.store.ledger import Ledger
from atldld_xr.store.resume import Mode, is_replaced, mark_lost
from atldld_xr.store.store_plan import Layout, read_plan


def row_parts(layout: Layout) -> set[str]:
    """Return what a row has a part of."""
    return {*layout.arrays, *FACTS}


def missing_rows(layout: Layout, ledger: Ledger) -> list[int]:
    """Return the rows of which something is not in the store."""
    done = np.ones(layout.plan["sections"]["count"], bool)
    for array in ledger.done.values():
        done &= array.reshape(done.size, -1).all(axis=1)
    return [
        at
        for at in range(done.size)
        if not (done[at] and all(at in ledger.values[name] for name in layout.values))
    ]


def look(place: FileStore, layout: Layout, mode: Mode, *, retry_failed: bool) -> Ledger:
    """Return what is done of a table, of which nothing is touched.

    Parameters
    ----------
    place : FileStore
        Where it is, or is to be.
    layout : Layout
        What it is to be.
    mode : {"w-", "w"}
        As of `open_for_writing`.
    retry_failed : bool
        Whether rows that failed are not done.

    Raises
    ------
    StoreError
        If there is something else, or it cannot be read.
    """
    place = place.real()
    ledger = Ledger(place, layout.arrays, layout.plan)
    if not is_replaced(place, layout, mode) and read_plan(place) is not None:
        ledger.read()
        ledger.compare(place.sizes())
        mark_lost(layout, ledger, row_parts(layout), (), as_one=True, retry_failed=retry_failed)
    return ledger
