"""Whether all in a store is as it was written."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from typing import Any

import numpy as np

from atldld_xr.compute.progress import progress_bar
from atldld_xr.compute.threads import ending_threads, in_order
from atldld_xr.files.file_store import FileStore
from atldld_xr.messages.html import AsHtml
from atldld_xr.store.inventory import root_problems, unexpected_files
from atldld_xr.store.ledger import Ledger
from atldld_xr.store.small_arrays import read_small
from atldld_xr.store.status import entries_of, excluded_of, open_records
from atldld_xr.store.store_plan import changed_files, is_complete

_AT_A_TIME = 64


@dataclass(frozen=True)
class Verification(AsHtml):
    """What was found in a store.

    Attributes
    ----------
    url : str
        The store.
    chunks : int
        How many were read and are as they were written.
    nbytes : int
        Their size in the store, in bytes.
    problems : tuple of str
        What is missing or damaged, in words; a file each.
    excluded : mapping of int
        As `StoreStatus` has it.
    """

    url: str
    chunks: int
    nbytes: int
    problems: tuple[str, ...]
    excluded: Mapping[str, int] = field(default_factory=dict)


def verify(
    url: str | PathLike[str],
    *,
    storage_options: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> Verification:
    """Read every file of a store, and compare it with the checksum recorded when it was written.

    The service is not asked. Files that nobody wrote are found where there are listings, which web
    servers have none of.

    Parameters
    ----------
    url : str or path
        A path or any fsspec URL.
    storage_options : mapping, optional
        For the file system.
    progress : bool
        Whether to show a progress bar on standard error.

    Returns
    -------
    Verification
        What was read, and what is missing or damaged.

    Raises
    ------
    StoreError
        If no export of this package is there, it cannot be read, or its records are damaged.

    Examples
    --------
    >>> import atldld_xr
    >>> ds = atldld_xr.open_dataset("phantom", resolution=100).isel(coronal=[8, 9])
    >>> report = ds.atldld.to_zarr("phantom.zarr")
    >>> atldld_xr.verify("phantom.zarr").problems
    ()
    """
    store, plan, ledger = open_records(url, storage_options)
    listing = store.listing()
    changed = [*changed_files(store, plan)]
    problems = [f"{key} is not as it was written" for key in changed]
    failures = ledger.failures
    unread = json.dumps(entries_of(store, plan, failures)) if failures else None
    problems += root_problems(store, plan, changed, unread=unread)
    if is_complete(store, plan["zarr format"]):
        problems += _value_problems(store, ledger, changed)
    checks = list(_checks(ledger))
    chunk_keys = {key for key, _, _ in checks}
    problems += [
        f"{key} was not written by an export"
        for key in unexpected_files(listing or (), plan, chunk_keys)
    ]
    chunks = nbytes = 0
    with (
        ending_threads(8, "atldld-verify") as pool,
        progress_bar("verifying", len(checks), enabled=progress) as advance,
    ):
        jobs = ((check, partial(_problem, store, listing, *check)) for check in checks)
        for (_, size, _), problem in in_order(pool, jobs, lambda waiting: waiting >= _AT_A_TIME):
            advance(1)
            if problem:
                problems.append(problem)
            else:
                chunks += 1
                nbytes += size or 0
    return Verification(store.url, chunks, nbytes, tuple(problems), excluded_of(plan))


def _checks(ledger: Ledger) -> Iterator[tuple[str, int | None, int]]:
    """Yield each chunk's key, size and checksum; no size for one that is not written."""
    for name, spec in ledger.arrays.items():
        for place in map(tuple, np.argwhere(ledger.needed[name]).tolist()):
            size = int(ledger.sizes[name][place]) if ledger.done[name][place] else None
            yield spec.key(place), size, int(ledger.checksums[name][place])


def _problem(
    store: FileStore, listing: Mapping[str, int] | None, key: str, size: int | None, recorded: int
) -> str | None:
    if size is None:
        return f"{key} is not written yet"
    if size == 0:
        is_there = listing is not None and key in listing
        return f"{key} is there, where there was nothing to be written" if is_there else None
    if listing is not None and key not in listing:
        return f"{key} is missing"
    if listing is not None and listing[key] != size:
        return f"{key} has {listing[key]} bytes of {size}"
    computed = store.checksum(key, size)
    if computed is None:
        return f"{key} is missing"
    return None if computed == recorded else f"{key} is damaged: its checksum is another"


def _value_problems(store: FileStore, ledger: Ledger, changed: Collection[str]) -> Iterator[str]:
    for name in ledger.values:
        if f"{name}/zarr.json" in changed:
            continue
        stored = read_small(store, name)
        recorded = ledger.all_values(name)
        if stored is None:
            yield f"{name} is damaged"
            continue
        expected = np.array(recorded, dtype=stored.dtype).reshape(-1)
        if not np.array_equal(stored.reshape(-1), expected, equal_nan=stored.dtype.kind == "f"):
            yield f"{name} has other values than were written"
