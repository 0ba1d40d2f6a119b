"""Threads of our own for what Dask computes here."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import dask
from dask.system import CPU_COUNT

from atldld_xr.settings import as_int, setting


@contextmanager
def own_threads() -> Iterator[dict[str, Any]]:
    """Give arguments of `dask.compute` with which its threads are ours, where it would use its own.

    They end with this: after an error Dask leaves the tasks under way to themselves, and they would
    go on writing. And there is one for each connection: most of their time is waiting for a tile.
    """
    from dask.base import get_scheduler

    if dask.config.get("pool", None) is not None or get_scheduler() is not None:
        yield {}
        return
    pool = ThreadPoolExecutor(max(CPU_COUNT, setting("http.connections", as_int)))
    wait = True
    try:
        yield {"scheduler": pool}
    except KeyboardInterrupt:
        wait = False  # the program's end waits for them, if nobody ends it otherwise
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)
