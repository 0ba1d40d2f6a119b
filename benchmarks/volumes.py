"""Contestants that make volumes: the kernel, planes, exports, and a forward scatter beside them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Literal

import cv2
import dask
import dask.array
import numpy as np
import zarr

import atldld_xr
import atldld_xr.export
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.arrays.fetch import fetch_tile
from atldld_xr.datasets.plan_dataset import plan_dataset
from atldld_xr.datasets.plan_volume import plan_volume
from atldld_xr.plan.load_plan import SectionPlan
from atldld_xr.plan.volume_plan import METHODS, Box, VolumePlan
from atldld_xr.warp.kernel import coverage, render
from atldld_xr.warp.volume_kernel import volume_coverage, volume_pixels
from benchmarks import ours
from benchmarks.scatter import scatter
from benchmarks.tilted import DATASET_ID, TilesInMemory, tilted

Facts = Mapping[str, Any]

THREADS = 2
IMPORTED = (cv2, zarr, atldld_xr.export, ours)
_ACROSS = {"coronal": 6600.0, "sagittal": 3700.0}  # um: where sections cut the most of the brain


def voxels(
    server: str,
    out: str,
    plane: Literal["coronal", "sagittal"],
    turn: Sequence[float],
    resolution: float,
    planes: int,
    turns: int,
) -> Iterator[Facts]:
    """Make some planes of a volume and some sections of a stack, on one thread, tiles in memory.

    Parameters
    ----------
    server, out : str
        Not used.
    plane : {"coronal", "sagittal"}
        Of the sections.
    turn : sequence of float
        Degrees that they are turned by.
    resolution : float
        Of volume and stack, in micrometres.
    planes : int
        How many, in the middle.
    turns : int
        How often.
    """
    source = tilted(plane, turn)
    asked: Any = {"resolution": resolution, "source": source}
    stack = plan_dataset(DATASET_ID, **asked).plans["image"]
    volumes: dict[str, VolumePlan] = {
        method: plan_volume(DATASET_ID, method=method, **asked).volumes["image"]
        for method in METHODS
    }
    _, rows, columns = volumes["nearest"].shape
    middle = round(_ACROSS[plane] / resolution)
    first = middle - planes // 2
    box = Box(first, first + planes, 0, rows, 0, columns)
    sections = [one.section for one in volumes["nearest"].sections]
    needed = {n for volume in volumes.values() for n in volume.needs(box)}
    tiles = {n: _tiles(source, sections[n]) for n in sorted(needed)}
    by_image = {sections[n].image.id: own for n, own in tiles.items()}
    flat = [section for section in stack.sections if section.image.id in by_image]
    counts = {"stack": sum(int(coverage(section, stack.whole).sum()) for section in flat)} | {
        method: int(volume_coverage(plan, box, {}).sum()) for method, plan in volumes.items()
    }

    def make(what: str) -> float:
        start = time.perf_counter()
        if what == "stack":
            for section in flat:
                render(section, stack.whole, by_image[section.image.id], fill_value=255)
        else:
            volume_pixels(volumes[what], box, tiles, fill_value=255, channels=(3,))
        return 1e9 * (time.perf_counter() - start) / counts[what]

    for what in counts:
        make(what)
    yield {}
    times = [{what: make(what) for what in counts} for _ in range(turns)]
    yield {}
    medians = {f"{what}, ns": statistics.median(one[what] for one in times) for what in counts}
    yield medians | {
        method: statistics.median(one[method] / one["stack"] for one in times) for method in METHODS
    } | {"sections": len(flat)}  # fmt: skip


def _tiles(source: TilesInMemory, section: SectionPlan) -> dict[tuple[int, int], Any]:
    rows, columns = map(range, section.tile_grid)
    places = product(rows, columns)
    return {at: fetch_tile(source, section, at, "image", "raise") for at in places}


def filled(
    server: str, out: str, turn: Sequence[float], resolution: float, planes: int, by: str
) -> Iterator[Facts]:
    """Make planes of a volume of coronal sections on two threads, tiles in memory.

    Parameters
    ----------
    server, out : str
        Not used.
    turn : sequence of float
        Degrees that sections are turned by.
    resolution : float
        Of the voxels, in micrometres.
    planes : int
        How many, in the middle.
    by : {"volume", "scatter"}
        This project's volume, "linear", or a forward scatter that fills the voxels it covers.
    """
    source = tilted("coronal", turn)
    asked: Any = {"resolution": resolution, "source": source, "method": "linear"}
    plan = plan_volume(DATASET_ID, **asked).volumes["image"]
    middle = round(_ACROSS["coronal"] / resolution)
    first = middle - planes // 2
    box = replace(plan.whole, z0=first, z1=first + planes)
    tiers = {}
    for n in plan.needs(box):
        section = plan.sections[n].section
        tiles, (rows, columns) = _tiles(source, section), section.tile_grid
        lines = [np.hstack([tiles[r, c] for c in range(columns)]) for r in range(rows)]
        tiers[section.image.id] = np.vstack(lines), section.sampled_tier
    data = parse_dataset(source.dataset_record(DATASET_ID))
    covered = volume_coverage(plan, box, {})  # coronal: in the order (p, i, r)
    with dask.config.set(scheduler="threads", num_workers=THREADS):
        yield {}
        if by == "scatter":
            pixels = scatter(data, tiers, covered, box.z0, resolution, THREADS)
        else:
            opened = atldld_xr.open_volume(DATASET_ID, **asked)
            pixels = opened.image.isel(coronal=slice(box.z0, box.z1)).values
        yield {}
    yield {"voxels": int(covered.sum()), "mean": float(pixels[covered].mean())}


def export(
    server: str, out: str, turn: Sequence[float], resolution: float, share: float
) -> Iterator[Facts]:
    """Write a volume to Zarr, from tiles that take no time.

    Parameters
    ----------
    server, out : str
        The first is not used; the path of the store.
    turn : sequence of float
        Degrees that sections are turned by.
    resolution : float
        Of the voxels, in micrometres.
    share : float
        Of the planes, those in the middle.
    """
    source = tilted("coronal", turn)
    source.dataset_record(DATASET_ID)
    with dask.config.set(scheduler="threads", num_workers=THREADS):
        yield {}
        opened = atldld_xr.open_volume(
            DATASET_ID, resolution=resolution, source=source, method="linear"
        )
        planes = opened.sizes["coronal"]
        first = round(planes * (1 - share) / 2)
        opened[["image"]].isel(coronal=slice(first, planes - first)).atldld.to_zarr(out)
        yield {}
    yield {"planes": planes - 2 * first}


def plane(
    server: str,
    out: str,
    turn: Sequence[float],
    resolution: float,
    tier: int,
    chunks: Literal["auto"] | None,
) -> Iterator[Facts]:
    """Read a plane of a volume along its sagittal sections, and count the tiles.

    Parameters
    ----------
    server, out : str
        Not used.
    turn : sequence of float
        Degrees that sections are turned by.
    resolution : float
        Of the voxels, in micrometres.
    tier : int
        That they are read at, fine enough for a section to be of several tiles.
    chunks : "auto" or None
        Whether with Dask.
    """
    source = tilted("sagittal", turn)
    opened = atldld_xr.open_volume(
        DATASET_ID, resolution=resolution, tier=tier, source=source, chunks=chunks
    )
    image = opened.image.sel(x=_ACROSS["sagittal"], method="nearest")
    explained = image.to_dataset().atldld.explain(by="compute")
    with dask.config.set(scheduler="threads", num_workers=THREADS):
        yield {}
        image.load()
        yield {}
    asked = source.asked
    yield {
        "read": len(asked),
        "tiles": len(set(asked)),
        "explained": explained.requests,
        "sections": len({image_id for image_id, _ in asked}),
    }
