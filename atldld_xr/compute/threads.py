"""Threads that end with what they work for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


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

    others = can_have_scheduler() and get_scheduler() is not None
    if others or dask.config.get("pool", None) is not None:
        yield {}
        return
    count = max(processors(), setting("http.connections", as_int))
    with ending_threads(count, "atldld-dask") as pool:
        yield {"scheduler": pool}
