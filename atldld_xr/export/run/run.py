"""Running an export: sections are made where Dask computes, and entered in the ledger when done."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar

import dask

from atldld_xr.compute.client import connected_client
from atldld_xr.compute.processors import processors
from atldld_xr.compute.progress import Callback, progress_bar
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export.run.on_cluster import make_on_cluster
from atldld_xr.export.run.on_threads import Job, make_on_threads
from atldld_xr.export.run.section_tasks import SectionTask
from atldld_xr.files.file_store import FileStore
from atldld_xr.messages.repeating import short
from atldld_xr.settings import as_int, setting
from atldld_xr.store.lease import Lease
from atldld_xr.store.ledger import Ledger
from atldld_xr.store.ledger_entries import ChunkEntry, SectionEntry, ValuesEntry
from atldld_xr.store.store_plan import Layout

Event = ChunkEntry | ValuesEntry | SectionEntry

# Seconds between entries in the ledger: what a kill costs at most, besides sections in work.
_ENTERED = 2.0

_limits: ContextVar[tuple[int, int] | None] = ContextVar("limits", default=None)


def make(
    section_tasks: Iterable[SectionTask], job: Job
) -> Generator[ChunkEntry | SectionEntry, None, None]:
    """Make section tasks on the cluster whose client is connected, or on threads."""
    todo = (
        section_task
        for section_task in section_tasks
        if section_task.chunk_tasks or section_task.values
    )
    client = connected_client()
    if client is not None:
        yield from make_on_cluster(client, todo, job)
        return
    compute_threads, connections = _limits.get() or _own_limits()
    yield from make_on_threads(todo, job, compute_threads=compute_threads, connections=connections)


@contextmanager
def limited(compute_threads: int, connections: int) -> Iterator[None]:
    """Have exports of this thread use no more threads and connections."""
    token = _limits.set((compute_threads, connections))
    try:
        yield
    finally:
        _limits.reset(token)


def _own_limits() -> tuple[int, int]:
    """Return how many threads make chunks, as Dask's settings say, and how many fetch tiles."""
    compute_threads = dask.config.get("num_workers", None)
    if compute_threads is not None and (
        not isinstance(compute_threads, int) or compute_threads < 1
    ):
        raise InvalidArgumentError(
            f"Dask's num_workers is {short(compute_threads)}; it is a number from 1"
        )
    if dask.config.get("scheduler", None) in ("sync", "synchronous", "single-threaded"):
        return 1, 1
    return compute_threads or processors(), setting("http.connections", as_int)


def write_missing(
    events: Generator[Event, None, None],
    layout: Layout,
    store: FileStore,
    ledger: Ledger,
    lease: Lease,
    *,
    progress: bool,
    callback: Callback | None = None,
) -> int:
    """Write what is missing of a store that has been begun, and finish it.

    Parameters
    ----------
    events : iterator
        Makes and writes all that the ledger does not have, and tells of it.
    layout : Layout
        Of the store.
    store, ledger, lease
        As `open_for_writing` gives them.
    progress : bool
        Whether to show a progress bar.
    callback : callable, optional
        Told how many chunks are written and entered in the ledger, by the thread that calls this.

    Returns
    -------
    int
        How many chunks were written.
    """
    missing = sum(ledger.chunks.values()) - sum(ledger.written.values())
    if missing:
        store.stage()
    with (
        progress_bar(
            "exporting", missing, enabled=progress, what="chunk", callback=callback
        ) as advance,
        closing(events),
        closing(_recorded(events, ledger, lease)) as recorded,
    ):
        for event in recorded:
            advance(_chunks_of(event))
    values = {name: ledger.all_values(name) for name in layout.values}
    lease.check()
    if missing:  # who still works on it, taken for dead as it may be, comes too late
        lease.leave_behind()
        store.end_stage()
    ledger.gather()
    for key, content in layout.finished(values, ledger.failures).items():
        store.update(key, content)
    return missing


def _recorded(
    events: Iterator[Event], ledger: Ledger, lease: Lease
) -> Generator[Event, None, None]:
    """Enter events in the ledger as they come, and what was entered in the store now and then."""
    entered = time.monotonic()
    try:
        for event in events:
            ledger.enter(event)
            if time.monotonic() - entered > _ENTERED:
                lease.check()
                ledger.flush(lease.check)
                ledger.gather_many()
                entered = time.monotonic()
            yield event
    finally:
        lease.check()
        ledger.flush(lease.check)


def _chunks_of(event: Event) -> int:
    if isinstance(event, SectionEntry):
        return len(event.written)
    return int(isinstance(event, ChunkEntry))
