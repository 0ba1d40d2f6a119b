"""Contestants that need no server: the kernel, the graph, and long series of small sections."""

from __future__ import annotations

import pickle
import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any

import cv2
import dask
import dask.array
import numpy as np
import zarr

import atldld_xr
import atldld_xr.export
from atldld_xr.datasets.plan_dataset import plan_dataset
from atldld_xr.plan.load_plan import Block
from atldld_xr.warp.kernel import render
from benchmarks import ours
from benchmarks.in_memory import DATASET_ID, MemorySource

Facts = Mapping[str, Any]

THREADS = 2
IMPORTED = (cv2, zarr, atldld_xr.export, ours)
_SERIES_RESOLUTION = 200
_SERIES_PIXEL = 100.0


def kernel(server: str, out: str, side: int) -> Iterator[Facts]:
    """Warp a square in the middle of a section, from tiles in memory, on one thread.

    Parameters
    ----------
    server, out : str
        Not used.
    side : int
        Of the square, in output pixels of 1 um.
    """
    source = MemorySource(1, 1.049)
    plan = plan_dataset(DATASET_ID, source=source, resolution=1, tier=0).plans["image"]
    (section,) = plan.sections
    top, left = ((size - side) // 2 for size in plan.shape)
    square = Block(top, top + side, left, left + side)
    random = np.random.default_rng(0)
    tiles = {
        place: random.integers(0, 256, (tile.height, tile.width, 3), dtype=np.uint8)
        for place in section.tiles(square)
        for tile in [section.tile(*place)]
    }

    def made(rows: int, columns: int) -> tuple[np.ndarray[Any, Any], float]:
        out = np.empty((side, side, 3), np.uint8)
        start = time.perf_counter()
        for y in range(0, side, rows):
            for x in range(0, side, columns):
                below, right = min(y + rows, side), min(x + columns, side)
                block = Block(top + y, top + below, left + x, left + right)
                out[y:below, x:right] = render(section, block, tiles, fill_value=255)
        return out, time.perf_counter() - start

    chunkings = {"blocks of 512": (512, 512), "whole": (side, side)}
    odd = {"37 x 1001": (37, 1001), "1001 x 37": (1001, 37)}
    yield {}
    times: dict[str, list[float]] = {name: [] for name in chunkings}
    results = []
    for _ in range(4):
        for name, chunks in chunkings.items():
            pixels, seconds = made(*chunks)
            times[name].append(seconds)
            results.append(pixels)
    yield {}
    results += [made(*chunks)[0] for chunks in odd.values()]
    yield {
        "identical": all(np.array_equal(results[0], other) for other in results[1:]),
        "spread": float(results[0].std()),
        **{name: side**2 / 1e6 / statistics.median(t) for name, t in times.items()},
    }


def graph(server: str, out: str, sections: int) -> Iterator[Facts]:
    """Open a data set at 1 um, pickle its image and cull one section.

    Parameters
    ----------
    server, out : str
        Not used.
    sections : int
        How many; each has 352 chunks.
    """
    source = MemorySource(sections, 1.049)
    source.dataset_record(DATASET_ID)
    yield {}
    start = time.perf_counter()
    image = atldld_xr.open_dataset(DATASET_ID, source=source, resolution=1).image
    opened = time.perf_counter()
    data = pickle.dumps(image.data)
    pickled = time.perf_counter()
    (culled,) = dask.optimize(image.isel(coronal=sections // 2).data)
    tasks = len(dict(culled.dask))
    done = time.perf_counter()
    yield {}
    yield {
        "chunks": image.data.npartitions,
        "built": opened - start,
        "pickled_mb": len(data) / 1e6,
        "pickling": pickled - opened,
        "culling": done - pickled,
        "tasks": tasks,
    }


def series(server: str, out: str, count: int, what: str = "export") -> Iterator[Facts]:
    """Put many small sections through the graph.

    Parameters
    ----------
    server, out : str
        The first is not used; the path of the store.
    count : int
        How many sections.
    what : {"export", "reduce"}
        Whether they are written to Zarr, or reduced to their means in one computation.
    """
    source = MemorySource(count, _SERIES_PIXEL)
    source.dataset_record(DATASET_ID)
    with dask.config.set(scheduler="threads", num_workers=THREADS):
        yield {}
        start = time.perf_counter()
        opened = atldld_xr.open_dataset(DATASET_ID, source=source, resolution=_SERIES_RESOLUTION)
        opening = time.perf_counter() - start
        if what == "export":
            opened[["image"]].atldld.to_zarr(out)
        else:
            opened.image.mean(["y", "x"]).compute()
        seconds = time.perf_counter() - start
        yield {}
    yield {
        "opening": opening,
        "ms_each": 1e3 * seconds / count,
        "chunks": opened.image.data.npartitions,
    }


def dask_alone(server: str, out: str, count: int) -> Iterator[Facts]:
    """Take the means that `series` does, of ones in as many blocks: what Dask itself needs.

    Parameters
    ----------
    server, out : str
        Not used.
    count : int
        How many blocks.
    """
    opened = atldld_xr.open_dataset(
        DATASET_ID, source=MemorySource(1, _SERIES_PIXEL), resolution=_SERIES_RESOLUTION
    )
    shape = opened.image.shape[1:]
    with dask.config.set(scheduler="threads", num_workers=THREADS):
        yield {}
        ones = dask.array.ones((count, *shape), dtype=np.uint8, chunks=(1, *shape))
        ones.mean((1, 2)).compute()
        yield {}
    yield {}
