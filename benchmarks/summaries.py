"""Contestants over numbers per structure: a summary, and only reading what it counts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import cv2
import dask
import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

import atldld_xr
from atldld_xr.allen.structures import Structures, parse_structures
from atldld_xr.compute.threads import own_threads
from atldld_xr.testing import AllenServer, Phantom
from benchmarks import ours
from benchmarks.tilted import DATASET_ID, PIXEL

Facts = Mapping[str, Any]

IMPORTED = (cv2, ours)
THREADS = 2
_READ = ["image", "coverage", "expression", "expression_coverage"]
_BRANCHES = 10  # children of each structure, at most


def _ontology(count: int) -> Structures:
    """Return structures 1 to `count` below a root, each a child of the one at a tenth of its id."""
    records: list[dict[str, Any]] = [
        {
            "id": n or count + 1,
            "acronym": f"S{n}",
            "name": f"structure {n}",
            "color_hex_triplet": "808080",
            "graph_order": n,
            "st_level": len(str(n)),
            "parent_structure_id": None,
            "children": [],
        }
        for n in range(count + 1)
    ]
    for n in range(1, count + 1):
        records[n // _BRANCHES]["children"].append(records[n])
        records[n]["parent_structure_id"] = records[n // _BRANCHES]["id"]
    return parse_structures(records[0])


def structures(
    server: str, out: str, sections: int, structures: int, resolution: float, turns: int
) -> Iterator[Facts]:
    """Summarise sections whose tiles are in the cache, in turns with only reading them.

    Parameters
    ----------
    server, out : str
        Not used.
    sections : int
        How many.
    structures : int
        How many; all have labels of their own.
    resolution : float
        Of the sections, in micrometres.
    turns : int
        How often.
    """
    # With the failed one there is one more.
    phantom = Phantom(DATASET_ID, resolution=PIXEL, count=sections + 1, spacing=6, first=30)
    with AllenServer([phantom]) as own, dask.config.set(num_workers=THREADS):
        ds = atldld_xr.open_dataset(
            DATASET_ID, resolution=resolution, source=own.url, expression="intensity"
        )
        labels = _labels(ds, structures)
        tree = _ontology(structures)
        ways: dict[str, Callable[[], Any]] = {
            "reading": lambda: _read(ds),
            "summary": lambda: ds.atldld.structure_summary(labels, ontology=tree),
        }
        _, rows = (way() for way in ways.values())
        own.clear_log()
        yield {}
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(turns):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                times[name].append(time.perf_counter() - start)
        yield {}
        requests = len(own.log)
    yield {
        **{name: statistics.median(values) for name, values in times.items()},
        "over reading": statistics.median(
            a / b for a, b in zip(times["summary"], times["reading"], strict=True)
        ),
        "sections": ds.sizes["coronal"],
        "structures": int(np.isfinite(rows.sum_pixels).sum()),
        "requested": requests,
    }


def _read(ds: xr.Dataset) -> None:
    """Read blocks as a summary does, and keep a value of each."""
    arrays = [ds[name].data for name in _READ]
    kept = []
    for array in arrays:
        chunks = tuple((1,) * n for n in array.numblocks)
        kept.append(da.map_blocks(_first, array, dtype=array.dtype, chunks=chunks))
    with own_threads() as where:
        dask.compute(*kept, **where)


def _first(block: NDArray[Any]) -> NDArray[Any]:
    return block[(slice(1),) * block.ndim].copy()


def _label(
    p: NDArray[Any], i: NDArray[Any], r: NDArray[Any], structures: int
) -> NDArray[np.uint32]:
    """Return labels of an ellipsoid that is cut into cells; they are all there are."""
    inside = ((p - 6600) / 5800) ** 2 + ((i - 4000) / 3500) ** 2 + ((r - 5700) / 5200) ** 2 < 1
    cell = (p // 700 * 23 + i // 350) * 19 + r // 600
    out: NDArray[np.uint32] = ((cell % structures + 1) * inside).astype(np.uint32)
    return out


def _labels(ds: xr.Dataset, structures: int) -> xr.DataArray:
    axes = "coronal", "y", "x"
    p, i, r = np.meshgrid(*(ds[axis].values for axis in axes), indexing="ij", sparse=True)
    return xr.DataArray(_label(p, i, r, structures), {axis: ds[axis].values for axis in axes})
