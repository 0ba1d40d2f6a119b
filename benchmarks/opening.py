"""Contestants that measure imports and opening; this module itself imports next to nothing."""

from __future__ import annotations

import importlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

Facts = Mapping[str, Any]


def importing(server: str, out: str) -> Iterator[Facts]:
    """Import this project after what it rests on."""
    import dask.array
    import xarray

    yield {}
    _ = importlib.import_module("atldld_xr").open_dataset  # its module comes when it is used
    yield {}
    yield {"after": [dask.__name__, xarray.__name__]}


def cached(server: str, out: str, dataset: int) -> Iterator[Facts]:
    """Open a data set whose metadata are in the cache, for the first time in this process."""
    call = f"atldld_xr.open_dataset({dataset}, source={server!r})"
    subprocess.run([sys.executable, "-c", f"import atldld_xr; {call}"], check=True)
    import dask.array
    import xarray

    from atldld_xr import open_dataset

    yield {}
    opened = open_dataset(dataset, source=server)
    yield {}
    again = []
    for _ in range(7):
        start = time.perf_counter()
        open_dataset(dataset, source=server)
        again.append(time.perf_counter() - start)
    yield {
        "again": statistics.median(again),
        "sections": opened.sizes["coronal"],
        "after": [dask.__name__, xarray.__name__],
    }
