"""Threads that end with what they work for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_threads: ContextVar[int | None] = ContextVar("threads", default=None)


@contextmanager
def ending_threads(count: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """Give threads that end with this, what they have not begun undone.

    After an interrupt they are not waited for: they may have a slow service to ask again for
    minutes. The program's end waits for them, if nobody ends it otherwise.
    """
    pool = ThreadPoolExecutor(count, thread_name_prefix=name)
    wait = True
    try:
        yield pool
    except KeyboardInterrupt:
        wait = False
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)


def in_order(
    pool: ThreadPoolExecutor,
    jobs: Iterable[tuple[T, Callable[[], R]]],
    is_full: Callable[[int], bool],
) -> Iterator[tuple[T, R]]:
    """Have threads do jobs, and yield each one's name and result, in order.

    Jobs are taken, by this thread, while there is room beside those that are not yielded yet. What
    is done is yielded before more are taken.
    """
    rest, waiting = iter(jobs), deque[tuple[T, Future[R]]]()
    while True:
        is_next_done = bool(waiting) and waiting[0][1].done()
        if not is_next_done and not is_full(len(waiting)) and (job := next(rest, None)) is not None:
            waiting.append((job[0], pool.submit(job[1])))
        elif waiting:
            name, future = waiting.popleft()
            yield name, future.result()
        else:
            return


@contextmanager
def own_threads() -> Iterator[dict[str, Any]]:
    """Give arguments of `dask.compute` with which its threads are ours, where it would use its own.

    They end with this: after an error Dask leaves the tasks under way to themselves, and they would
    go on writing. And there is one for each connection: most of their time is waiting for a tile.
    """
    import dask.config
    from dask.base import get_scheduler

    from atldld_xr.compute.client import can_have_scheduler
    from atldld_xr.compute.processors import processors
    from atldld_xr.settings import as_int, setting

    own = _threads.get()
    if own == 1:
        yield {"scheduler": "sync"}
        return
    if own is not None:
        with ending_threads(own, "atldld-dask") as pool:
            yield {"scheduler": pool}
        return
    others = can_have_scheduler() and get_scheduler() is not None
    if others or dask.config.get("pool", None) is not None:
        yield {}
        return
    count = max(processors(), setting("http.connections", as_int))
    with ending_threads(count, "atldld-dask") as pool:
        yield {"scheduler": pool}


@contextmanager
def threads_at_most(count: int) -> Iterator[None]:
    """Have `own_threads` of this thread give so many, whatever Dask is told; of one, itself."""
    token = _threads.set(count)
    try:
        yield
    finally:
        _threads.reset(token)
