"""Tasks on a cluster, one after the other as there is room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from atldld_xr.compute.lost_workers import deaths
from atldld_xr.settings import as_int, setting

T = TypeVar("T")


def in_turn(
    client: Any,
    items: Iterable[T],
    submit: Callable[[T, int], Any],
    *,
    most_deaths: int = 0,
) -> Generator[tuple[T, Any], None, None]:
    """Yield each item with its future, which is done; at the end, cancel those that are not.

    As many are under way as the cluster has threads, and at most ``http.connections``, which are
    shared among them. Workers come and go: who is there is asked each time.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    items : iterable
        Distinct ones, taken as there is room.
    submit : callable
        Takes an item and its share of the connections, and returns its future.
    most_deaths : int
        Workers that may die with an item before it is not submitted again.
    """
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    connections = setting("http.connections", as_int)
    rest = iter(items)
    running: dict[Any, T] = {}
    again: list[T] = []
    died: Counter[T] = Counter()
    done = as_completed()
    try:
        while True:
            room = max(min(sum(client.nthreads().values()), connections), 1)
            while len(running) < room:
                try:
                    item = again.pop() if again else next(rest)
                except StopIteration:
                    break
                future = submit(item, max(connections // room, 1))
                running[future] = item
                done.add(future)
            if not running:
                return
            future = next(done)
            item = running.pop(future)
            if most_deaths and isinstance(error := future.exception(), KilledWorker):
                died[item] += deaths(error)
                if died[item] < most_deaths:
                    again.append(item)
                    continue
            yield item, future
    finally:
        cancel(client, list(running))


def cancel(client: Any, futures: list[Any]) -> None:
    """Cancel what a cluster is asked for; one that is gone has nothing to be cancelled."""
    from distributed.client import ClosedClientError

    with suppress(ClosedClientError, OSError):
        client.cancel(futures)
