"""Making rows, many at a time: on threads of this process, or on the connected cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from atldld_xr.collection.row import Wanted, make_row
from atldld_xr.compute.client import connected_client
from atldld_xr.compute.in_turn import in_turn
from atldld_xr.compute.lost_workers import cluster_errors
from atldld_xr.compute.threads import ending_threads, threads_at_most
from atldld_xr.errors import ServiceError, StoreError
from atldld_xr.export.run.on_threads import Job
from atldld_xr.settings import as_int, setting
from atldld_xr.store.ledger_entries import SectionEntry

_MOST_DEATHS = 20
"""Workers that may die with one data set before it is taken for the cause."""

LOST = "data set"
"""By which the ledger has why a row, or a part of it, could not be counted."""


_MOST_LOST = 20
"""Data sets in a row that fail as the service is gone, before no more are tried."""


class Made(NamedTuple):
    """A row that is made.

    Attributes
    ----------
    entry : SectionEntry
        What is to be entered of it.
    is_gone : bool
        Whether the service could not be reached, which says nothing about the data set.
    """

    entry: SectionEntry
    is_gone: bool


@dataclass(frozen=True)
class RowTask:
    """Makes rows and writes them; sent to workers.

    Attributes
    ----------
    job : Job
        Where they go.
    wanted : Wanted
        What they are of.
    shape : tuple of int
        Of one measure.
    threads : int
        That make one row.
    """

    job: Job
    wanted: Wanted
    shape: tuple[int, ...]
    threads: int = 1

    def __call__(self, at: int, dataset_id: int) -> Made:
        """Return what is to be entered of a row, all of which is in the store by then."""
        with threads_at_most(self.threads):
            row = make_row(dataset_id, self.wanted, self.shape)
        place = (at, *(0 for _ in self.shape))
        written = tuple(
            self.job.write(name, place, values[np.newaxis]) for name, values in row.numbers.items()
        )
        failures = {LOST: row.lost} if row.lost else {}
        return Made(SectionEntry(at, row.facts, failures, written), row.is_gone)


def make_rows(rows: Iterable[tuple[int, int]], task: RowTask) -> Iterator[SectionEntry]:
    """Make rows, and tell of each as it is done, in any order.

    As many are under way as there may be connections, on a cluster as it has threads: a row waits
    for the service most of the time. The connections are shared among them.

    Parameters
    ----------
    rows : iterable of (int, int)
        The place and the data set of each, taken as there is room.
    task : RowTask
        What makes one.

    Raises
    ------
    StoreError
        If what is made cannot be written, or the cluster is gone.
    ServiceError
        If one after the other fails as the service cannot be reached.
    """
    client = connected_client()
    if client is None:
        yield from _while_there(_on_threads(rows, task))
        return
    with cluster_errors(client):
        yield from _while_there(_on_cluster(client, rows, task))


def _while_there(rows: Iterable[Made]) -> Iterator[SectionEntry]:
    """Yield what is to be entered; of rows that the service was gone for, once it is back.

    So where it stays away none of them is entered, and the next run makes them.
    """
    waiting: list[SectionEntry] = []
    for entry, is_gone in rows:
        waiting.append(entry)
        if not is_gone:
            yield from waiting
            waiting.clear()
        elif len(waiting) == _MOST_LOST:
            raise ServiceError(
                f"the service could not be reached for {len(waiting)} data sets in a row "
                f"({entry.failures[LOST]}). No more were tried; the same command or call goes on "
                "where this one ended"
            )
    yield from waiting


def _on_threads(rows: Iterable[tuple[int, int]], task: RowTask) -> Iterator[Made]:
    count = setting("http.connections", as_int)
    rest = iter(rows)
    running: set[Future[Made]] = set()
    with ending_threads(count, "atldld-row") as pool:
        while True:
            while len(running) < count and (row := next(rest, None)) is not None:
                running.add(pool.submit(task, *row))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


def _on_cluster(client: Any, rows: Iterable[tuple[int, int]], task: RowTask) -> Iterator[Made]:
    from distributed.scheduler import KilledWorker

    # On a disk it costs nothing: workers die, and are replaced, without a word to us.
    job = replace(task.job, may_overwrite=task.job.may_overwrite or task.job.store.is_local)

    def submit(row: tuple[int, int], connections: int) -> Any:
        make = replace(task, job=job, threads=connections)
        return client.submit(make, *row, pure=False, retries=0)

    try:
        with closing(in_turn(client, rows, submit, most_deaths=_MOST_DEATHS)) as futures:
            for (_, dataset_id), future in futures:
                if isinstance(error := future.exception(), KilledWorker):
                    raise StoreError(
                        f"{_MOST_DEATHS} workers died while they counted section data set "
                        f"{dataset_id}: see their logs; they may need more memory"
                    ) from error
                yield future.result()
    except BaseException:
        with suppress(StoreError):  # lost, which tells them too
            task.job.lease.leave_behind()
        raise
