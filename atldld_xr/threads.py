"""Threads of our own for Dask's local scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import dask
from dask.system import CPU_COUNT

from atldld_xr.settings import as_int, setting


@contextmanager
def own_threads() -> Iterator[None]:
    """Have Dask's threads be ours, where it would use its own.

    They end with this: after an error Dask leaves the tasks under way to themselves, and they would
    go on writing. And there is one for each connection: most of their time is waiting for a tile.
    """
    if dask.config.get("pool", None) is not None:
        yield
        return
    pool = ThreadPoolExecutor(max(CPU_COUNT, setting("http.connections", as_int)))
    wait = True
    try:
        with dask.config.set(pool=pool):
            yield
    except KeyboardInterrupt:
        wait = False  # for a try at a dead service it could be a minute
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)
