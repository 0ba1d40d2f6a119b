"""The atldld package, run as it is; only the address of its requests is another."""

from __future__ import annotations

import importlib
import time
import types
from collections.abc import Iterator, Mapping
from typing import Any

import requests
import zarr

Facts = Mapping[str, Any]

# By name, as it has no types.
_SYNC: Any = importlib.import_module("atldld.sync")
_ASKING: Any = [importlib.import_module(f"atldld.{name}") for name in ("requests", "utils")]


def export(
    server: str,
    out: str,
    dataset: int,
    count: int,
    resolution: int,
    tier: int,
    codec: Facts | None,
    side: int | None = None,
) -> Iterator[Facts]:
    """Register the sections of a data set, and write them to a Zarr array.

    Parameters
    ----------
    server : str
        The service's address.
    out : str
        The array's path.
    dataset : int
        The data set's id.
    count : int
        How many sections.
    resolution : int
        Output pixel size, in micrometres: its ``downsample_ref``.
    tier : int
        Of the images: its ``downsample_img``, which is 0 unless it is told.
    codec : mapping, optional
        A Zarr v3 codec.
    side : int, optional
        Of the chunks. Default: a section is a chunk.
    """

    def get(url: str, *args: Any, **kwargs: Any) -> requests.Response:
        _, api, path = url.partition("://api.brain-map.org/api/v2")
        assert api, url
        return requests.get(server + path, *args, **kwargs)

    for module in _ASKING:
        module.requests = types.SimpleNamespace(get=get)
    yield {}
    downloader = _SYNC.DatasetDownloader(dataset, downsample_ref=resolution, downsample_img=tier)
    downloader.fetch_metadata()
    downloader.metadata["images"] = downloader.metadata["images"][-count:]
    array: Any = None
    writing = 0.0
    for index, (_, _, image, _, field) in enumerate(downloader.run()):
        registered = field.warp(image, c=(255, 255, 255))
        start = time.perf_counter()
        if array is None:
            rows, columns = registered.shape[:2]
            chunks = (1, *(min(side or s, s) for s in (rows, columns)), 3)
            array = zarr.create_array(
                out,
                shape=(count, rows, columns, 3),
                chunks=chunks,
                dtype="uint8",
                compressors=codec,
                fill_value=255,
            )
        array[index] = registered
        writing += time.perf_counter() - start
    yield {}
    yield {"mean": float(array[:, :: max(rows // 64, 1)].mean()), "writing": writing}
