"""Beginning an export, or going on with one: which store it is, and what is done of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from atldld_xr.compute.client import check_connected
from atldld_xr.errors import InvalidArgumentError, StoreError
from atldld_xr.files.atomic import PARTIAL
from atldld_xr.files.file_store import FileStore
from atldld_xr.messages.repeating import short
from atldld_xr.store.chunk_encoding import ChunkPlace
from atldld_xr.store.compare_plans import (
    adds_failure_report,
    changed,
    difference,
    equal_except_on_error,
)
from atldld_xr.store.consolidated import CONSOLIDATED
from atldld_xr.store.lease import LEASE, Lease, lease
from atldld_xr.store.ledger import Ledger
from atldld_xr.store.occupant import clear, occupant
from atldld_xr.store.replace import MARK, exchange, is_begun, recover, staging_store
from atldld_xr.store.store_plan import (
    PLAN,
    RECORDS,
    Layout,
    RecordsError,
    changed_files,
    is_complete,
    read_plan,
)

Mode = Literal["w-", "w"]

Unproven = Callable[[Callable[[str, ChunkPlace], bool]], Iterable[tuple[str, ChunkPlace]]]


@contextmanager
def open_for_writing(
    place: FileStore, layout: Layout, mode: Mode, *, may_read: bool, unproven: Unproven
) -> Iterator[tuple[FileStore, Ledger, Lease]]:
    """Give the store to write to, with what is done of it, for as long as the export runs.

    A store that is to be replaced on a local disk is made beside the old one, which it replaces
    when all is written: the data may come from the old one, and a failing export leaves it alone.
    An object store has no renaming: there the old one is removed first.

    Parameters
    ----------
    place : FileStore
        Where the store is to be.
    layout : Layout
        What it is to be.
    mode : {"w-", "w"}
        Whether a finished or another store may be replaced.
    may_read : bool
        Whether what is written may be read from the store that is replaced.
    unproven : callable
        Of what is done, that which a run under "raise" took for right as all could be read.

    Raises
    ------
    StoreError
        If something is there that is neither this export, unfinished, nor may be replaced; or if
        another export is writing there.
    """
    if mode not in ("w-", "w"):
        raise InvalidArgumentError(f'mode must be "w-" (new) or "w" (replace), not {short(mode)}')
    place.check_writable()
    check_connected()
    place = place.real()
    is_replaced(place, layout, mode)  # what cannot be is refused before anything is written
    with lease(place) as held:
        recover(place)
        replaced = is_replaced(place, layout, mode)
        swaps = place.is_movable and (replaced or (mode == "w" and is_begun(place)))
        if replaced and may_read and not swaps:
            raise StoreError(
                f"{place.url} was not replaced: this Dataset may be read from it, and there is no "
                "renaming there, so the old store would go first. Write it to another place"
            )
        target = staging_store(place) if swaps else place
        with target.staged(RECORDS, held.check) as store:
            anew = store.get(MARK) is None if swaps else replaced
            ledger = _opened(store, layout, mode, unproven, anew=anew)
            if swaps and anew:
                store.put(MARK, b"", durable=True)
            yield store, ledger, held
        if swaps:
            held.check()
            exchange(place, target)


def is_replaced(place: FileStore, layout: Layout, mode: Mode) -> bool:
    """Return whether there is a store that has to go.

    Raises
    ------
    StoreError
        If there is something that may not.
    """
    what = occupant(place)
    if what == "file":
        raise StoreError(f"{place.url} is a file; nothing was written")
    if what == "other":
        raise StoreError(f"{place.url} holds something that is no Zarr store; nothing was written")
    if what == "nothing":
        return False
    if mode == "w":
        try:
            return is_complete(place) or not _is_begun(place, read_plan(place), layout)
        except RecordsError:
            return True
    plan = read_plan(place)
    if plan is None:
        raise StoreError(_exists(place.url, "was not written by this package"))
    _check_plan(place, plan, layout)
    return False


def _is_begun(store: FileStore, plan: Mapping[str, Any] | None, layout: Layout) -> bool:
    """Return whether a store is what is to be made, or can become it."""
    if plan is None or equal_except_on_error(plan, layout.plan):
        return plan is not None
    return adds_failure_report(plan, layout.plan) and not is_complete(store)


def invalidate(
    store: FileStore,
    layout: Layout,
    ledger: Ledger,
    parts: Collection[str],
    others: Collection[str],
    *,
    as_one: bool,
    retry_failed: bool,
) -> None:
    """Forget what is to be made again, see `mark_lost`, before any of it is touched."""
    mark_lost(layout, ledger, parts, others, as_one=as_one, retry_failed=retry_failed)
    _forget(store, layout, ledger)


def mark_lost(
    layout: Layout,
    ledger: Ledger,
    parts: Collection[str],
    others: Collection[str],
    *,
    as_one: bool,
    retry_failed: bool,
) -> None:
    """Enter what is to be made again, which is not in the store before the ledger is flushed.

    Parameters
    ----------
    layout, ledger
        Of the export.
    parts, others : collection of str
        Arrays that are made section by section, and all others.
    as_one : bool
        Whether a section of these is made again as one, where something of it is lost.
    retry_failed : bool
        Whether sections are made again that could not be read.
    """
    axis, failures = layout.plan["sections"]["axis"], ledger.failures
    again = set(failures) if retry_failed else set()
    for name, place in ledger.missing:
        ledger.mark_chunk_missing(name, place)
        if name in parts and (as_one or place[axis] in failures):
            again.add(place[axis])
    if again & set(failures):
        for name in others:  # any of it may be made of a section's fill
            ledger.mark_array_missing(name)
    for at in sorted(again):
        ledger.mark_section_missing(at, parts)


def _forget(store: FileStore, layout: Layout, ledger: Ledger) -> None:
    """Put in the store what is forgotten; first of all, that it is not finished."""
    if not ledger.has_news:
        return
    zarr_format = layout.plan["zarr format"]
    if is_complete(store, zarr_format):
        if CONSOLIDATED[zarr_format] != layout.root:
            store.remove([CONSOLIDATED[zarr_format]])
        store.put(layout.root, layout.files[layout.root], durable=True)
    ledger.flush()


def _opened(
    store: FileStore, layout: Layout, mode: Mode, unproven: Unproven, *, anew: bool
) -> Ledger:
    """Create the store or go on with it, and return what is done of it."""
    if not anew:
        try:
            return _resumed(store, layout, unproven)
        except RecordsError:
            if mode != "w":
                raise
    clear(store, keep=LEASE)
    return _resumed(store, layout, unproven)


def _resumed(store: FileStore, layout: Layout, unproven: Unproven) -> Ledger:
    """Read what is done, and make the files that an earlier try had no time for."""
    plan = layout.plan
    ledger = Ledger(store, layout.arrays, plan)
    sizes = store.sizes()
    stored_plan = read_plan(store)
    if stored_plan is not None:
        _check_plan(store, stored_plan, layout)
        _check_files(store, layout, sizes)
        ledger.read()
        if (stored_plan["on_error"], plan["on_error"]) == ("raise", "fill"):
            for name, at in list(unproven(ledger.is_done)):
                ledger.mark_chunk_missing(name, at)
            _forget(store, layout, ledger)
        store.update(PLAN, layout.files[PLAN])
    elif not all(key.endswith((PARTIAL, LEASE)) for key in sizes):
        raise RecordsError(_exists(store.url, "was not written by this package"))
    store.remove(key for key in sizes if key.endswith(PARTIAL))
    if not is_complete(store):
        for key, content in layout.files.items():
            if key not in sizes:
                store.put(key, content, durable=True)
    ledger.compare(sizes)
    return ledger


def _check_plan(store: FileStore, plan: Mapping[str, Any], layout: Layout) -> None:
    if _is_begun(store, plan, layout):
        return
    if adds_failure_report(plan, layout.plan):
        why = 'is finished, by a run with on_error="raise" (--on-error raise), which fills nothing'
        raise RecordsError(_exists(store.url, why))
    differing = difference(plan, layout.plan)
    if not differing and plan["format"] != layout.plan["format"]:
        made, asked = plan["made of"], layout.plan["made of"]
        names = ", ".join(sorted(n for n in made if made[n] != asked.get(n))) or "coordinates"
        differing = (
            f"{names}: begun by an earlier version of this package, from other sections or pixels, "
            "or computed in a way that it no longer is"
        )
    differing = differing or (
        f"{', '.join(changed(plan, layout.plan))}: of the same shape, but from other sections, "
        "pixels or values, or with another on_error"
    )
    raise RecordsError(_exists(store.url, f"was made otherwise ({differing})"))


def _check_files(store: FileStore, layout: Layout, sizes: Mapping[str, int]) -> None:
    """Refuse a store whose metadata is not what this export wrote, as far as it did."""
    complete = is_complete(store)
    changed = (
        key
        for key in changed_files(store, layout.plan)
        if complete or store.get(key, 1) is not None
    )
    # A link to a folder counts as a file: what is written there would be elsewhere.
    folders = {key.rpartition("/")[0] for key in layout.files} | {f"{n}/c" for n in layout.arrays}
    for key in (*sorted(folders & sizes.keys()), *changed):
        raise RecordsError(
            _exists(store.url, f"cannot be gone on with: {key} is not as it was written")
        )


def _exists(url: str, why: str) -> str:
    return f'{url} exists and {why}. Nothing was written; mode="w" (--mode w) replaces it'
