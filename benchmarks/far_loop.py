"""The hand-written loop for a service that is far away: many connections, the best window size.

As `hand_loop`, it has no retries, no checks and no cache. What is fetched goes into one array for
each image, and a block is warped as soon as the windows that it needs are there.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import product
from typing import Any

Facts = Mapping[str, Any]

CONNECTIONS = 8


def export(
    server: str,
    out: str,
    dataset: int,
    count: int,
    resolution: int,
    tier: int,
    side: int,
    codec: Facts | None,
    fresh: bool = False,
) -> Iterator[Facts]:
    """Write the first sections of a data set, registered, to a Zarr array.

    Parameters
    ----------
    server, out, dataset, count, resolution, tier, codec
        As for `hand_loop.export`.
    side : int
        Of the windows that are asked for, in pixels of the tier; 0 asks for whole images.
    fresh : bool
        Whether the clock runs while all but xarray and dask.array is imported.
    """
    if fresh:
        import dask.array
        import xarray as xr

        assert {xr.__name__, dask.array.__name__} <= sys.modules.keys()
        yield {}
    import cv2
    import numpy as np
    import requests
    import zarr

    from benchmarks import geometry, hand_loop

    if not fresh:
        yield {}
    cv2.setNumThreads(1)
    fetching, making = ThreadPoolExecutor(CONNECTIONS), ThreadPoolExecutor(hand_loop.THREADS)
    own = threading.local()
    url = f"{server}/data/SectionDataSet/{dataset}.json"
    include = {"include": "alignment3d,section_images(alignment2d)"}
    record = requests.get(url, params=include).json()["msg"][0]
    images = record["section_images"][:count]
    rows, columns = (um // resolution for um in (geometry.ROWS_UM, geometry.COLUMNS_UM))
    block = hand_loop.BLOCK if columns > 4 * hand_loop.BLOCK else max(rows, columns)
    array: Any = zarr.create_array(
        out,
        shape=(len(images), rows, columns, 3),
        chunks=(1, min(block, rows), min(block, columns), 3),
        dtype="uint8",
        compressors=codec,
        fill_value=255,
    )

    def fetch(image: Any, source: Any, left: int, top: int) -> None:
        if not hasattr(own, "session"):
            own.session = requests.Session()
        place = {"downsample": tier}
        if side:
            height, width = source[top : top + side, left : left + side].shape[:2]
            place |= {
                "left": image["x"] + (left << tier),
                "top": image["y"] + (top << tier),
                "width": width,
                "height": height,
            }
        pixels = hand_loop.fetch(own.session, server, image["id"], place, None)
        source[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels

    def make(index: int, source: Any, windows: Mapping[Any, Future[None]], at: Any) -> None:
        matrix = geometry.affine(record, images[index], resolution, tier)
        top, left = at
        bottom, right = min(top + block, rows), min(left + block, columns)
        height, width = source.shape[:2]
        found = geometry.window(matrix, (top, bottom), (left, right), (width, height))
        if found is None:
            return
        step = side or max(width, height)
        for y in range(found[1] // step, (found[3] - 1) // step + 1):
            for x in range(found[0] // step, (found[2] - 1) // step + 1):
                windows[y, x].result()
        pixels = hand_loop.warp(source, matrix, (top, bottom), (left, right))
        if pixels is not None:
            array[index, top:bottom, left:right] = pixels

    jobs: list[Any] = []
    for index, image in enumerate(images):
        width, height = (image[name] >> tier for name in ("width", "height"))
        source = np.empty((height, width, 3), np.uint8)
        step = side or max(width, height)
        windows = {
            (top // step, left // step): fetching.submit(fetch, image, source, left, top)
            for top, left in product(range(0, height, step), range(0, width, step))
        }
        tops, lefts = range(0, rows, block), range(0, columns, block)
        jobs += [making.submit(make, index, source, windows, at) for at in product(tops, lefts)]
    for job in jobs:
        job.result()
    yield {}
    yield {"mean": float(array[:, :: max(rows // 64, 1)].mean())}


def ours(server: str, out: str, dataset: int, count: int, resolution: int) -> Iterator[Facts]:
    """Write the same by this project; the clock runs while all but xarray is imported."""
    import dask.array
    import xarray as xr

    yield {}
    import atldld_xr

    opened = atldld_xr.open_dataset(dataset, source=server, resolution=resolution)
    opened.isel(coronal=slice(count))[["image"]].atldld.to_zarr(out)
    yield {}
    array: Any = xr.open_zarr(out).image.data
    assert isinstance(array, dask.array.Array)
    yield {"mean": float(array[:, :: max(array.shape[1] // 64, 1)].mean().compute())}
