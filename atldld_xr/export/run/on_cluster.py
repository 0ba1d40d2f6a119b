"""Making section tasks on a Dask cluster: a section is one task, so that no pixel crosses workers.

A worker's nanny has the C library give memory back at once, by default, which makes large arrays
cost more to get than to fill: see ``distributed.nanny.pre-spawn-environ`` in Dask's configuration.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from atldld_xr.compute.in_turn import cancel
from atldld_xr.compute.lost_workers import cluster_errors, deaths
from atldld_xr.errors import StoreError
from atldld_xr.export.run.on_threads import Job, make_on_threads
from atldld_xr.export.run.section_tasks import SectionTask
from atldld_xr.settings import as_int, setting
from atldld_xr.store.ledger_entries import ChunkEntry, SectionEntry

# Small sections go to workers several at a time, as each trip takes some milliseconds; fewer at
# first, so that a small data set has something for each.
_CHUNKS, _FIRST_CHUNKS = 64, 4
_MOST_DEATHS = 20
"""Workers that may die with one section before it is taken for the cause."""

_MOST_RESTARTS = 20
"""Times that a section may be cancelled, as when the cluster is restarted."""

# Seconds between two looks at who is there, and for which tasks are waited for that are to stop.
_LOOKED, _WAITED = 1.0, 60.0


def make_on_cluster(
    client: Any, section_tasks: Iterable[SectionTask], job: Job
) -> Iterator[ChunkEntry | SectionEntry]:
    """Make section tasks on a cluster, and tell of each chunk and section task as it is done.

    The scheduler holds at most one task for each worker's thread, whatever there is to do; each has
    its share of ``config["http.connections"]``, which so holds across the cluster.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    section_tasks : iterable of SectionTask
        Taken one after the other, as there is room.
    job : Job
        Where they go.

    Raises
    ------
    StoreError
        If workers die of the same section again and again, or the cluster is gone.
    """
    with cluster_errors(client):
        yield from _make(client, section_tasks, job)


def _make(
    client: Any, section_tasks: Iterable[SectionTask], job: Job
) -> Iterator[ChunkEntry | SectionEntry]:
    from distributed import CancelledError
    from distributed.client import ClosedClientError
    from distributed.scheduler import KilledWorker

    connections = setting("http.connections", as_int)
    threads = max(min(_threads_of(client), connections), 1)
    groups = _groups(_spread(section_tasks, threads), threads)
    retries: deque[_Group] = deque()
    running: dict[Any, _Group] = {}
    try:
        while True:
            # Workers come and go: who is there is asked each time.
            room = max(min(_threads_of(client), connections), 1)
            share = max(connections // room, 1)
            while sum(group.connections for group in running.values()) + share <= connections:
                group = retries.popleft() if retries else next(groups, None)
                if group is None:
                    break
                group.connections = share
                # On a disk it costs nothing: workers die, and are replaced, without a word to us.
                is_again = job.may_overwrite or group.is_again or job.store.is_local
                target = replace(job, may_overwrite=is_again)
                task = _Task(group.section_tasks, target, share)
                running[client.submit(_make_group, task, pure=False, retries=0)] = group
            if not running:
                return
            _wait(client, running, _LOOKED, return_when="FIRST_COMPLETED")
            for future in [future for future in running if future.done()]:
                group = running.pop(future)
                if future.status == "finished":
                    yield from future.result()
                    continue
                if future.cancelled():  # as when the cluster is restarted
                    group.restarts += 1
                    if group.restarts > _MOST_RESTARTS:
                        raise CancelledError(f"{group.restarts} times")
                elif isinstance(error := future.exception(), KilledWorker):
                    group.deaths += deaths(error)
                    if group.deaths >= _MOST_DEATHS:
                        raise StoreError(_deadly(group)) from error
                else:
                    raise error
                retries.append(group)
    except KeyboardInterrupt:
        with suppress(StoreError):  # lost, which tells them too
            job.lease.leave_behind()
        raise
    except BaseException:
        # Cancelled tasks that run would go on writing: they are told, and waited for.
        with suppress(StoreError):
            job.lease.leave_behind()
        with suppress(ClosedClientError, OSError):
            _wait(client, running, _WAITED)
        raise
    finally:
        cancel(client, list(running))


def _wait(client: Any, futures: Iterable[Any], seconds: float, **when: str) -> None:
    """Wait for some tasks, for a while; those that were cancelled are done, too."""
    from distributed import CancelledError, wait
    from distributed.client import ClosedClientError

    # As the current one, or, closed meanwhile, there is none to wait with.
    with suppress(TimeoutError, CancelledError), client.as_current():
        wait(list(futures), timeout=seconds, **when)
    if client.status in ("closing", "closed"):
        raise ClosedClientError("it was closed in the middle of an export")


@dataclass
class _Group:
    section_tasks: tuple[SectionTask, ...]
    deaths: int = 0
    restarts: int = 0
    connections: int = 0

    @property
    def is_again(self) -> bool:
        return self.deaths + self.restarts > 0


@dataclass(frozen=True)
class _Task:
    """What a task gets: one object, which Dask does not look into."""

    section_tasks: tuple[SectionTask, ...]
    job: Job
    connections: int


def _make_group(task: _Task) -> list[ChunkEntry | SectionEntry]:
    return list(
        make_on_threads(
            task.section_tasks, task.job, compute_threads=1, connections=task.connections
        )
    )


def _spread(section_tasks: Iterable[SectionTask], threads: int) -> Iterator[SectionTask]:
    """Yield section tasks, cut into bands of rows if there are fewer than threads.

    Bands share the tiles along their border. The lower one starts with these, the upper one comes
    to them last: where workers share a cache they are fetched once, else once for each band.
    """
    rest = iter(section_tasks)
    first = list(islice(rest, threads))
    bands = -(-threads // max(len(first), 1))
    for section_task in first:
        if bands == 1 or section_task.is_whole or len(section_task.chunk_tasks) < 2 * bands:
            yield section_task
            continue
        for n in range(bands):
            start, stop = (len(section_task.chunk_tasks) * k // bands for k in (n, n + 1))
            yield replace(section_task, chunk_tasks=section_task.chunk_tasks[start:stop])
    yield from rest


def _groups(section_tasks: Iterable[SectionTask], threads: int) -> Iterator[_Group]:
    group: list[SectionTask] = []
    count = chunk_tasks = 0
    for section_task in section_tasks:
        group.append(section_task)
        chunk_tasks += max(len(section_task.chunk_tasks), 1)
        if chunk_tasks >= min(_FIRST_CHUNKS << min(count // threads, 8), _CHUNKS):
            yield _Group(tuple(group))
            group, chunk_tasks, count = [], 0, count + 1
    if group:
        yield _Group(tuple(group))


def _threads_of(client: Any) -> int:
    return sum(client.nthreads().values())


def _deadly(group: _Group) -> str:
    ids = _image_ids(group.section_tasks)
    return (
        f"{group.deaths} workers died while they made section images {ids}: see their logs; "
        "they may need more memory"
    )


def _image_ids(section_tasks: Sequence[SectionTask]) -> str:
    ids = dict.fromkeys(
        tile_input.section.image.id
        for section_task in section_tasks
        for tile_input in section_task.inputs
    )
    return ", ".join(map(str, ids))
