"""Costs: what is told before a run is what the run then takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import xarray as xr

from atldld_xr.datasets.costs import estimate_costs
from atldld_xr.datasets.fetching import JPEG_BYTES_PER_PIXEL
from atldld_xr.datasets.open_dataset import open_dataset
from atldld_xr.datasets.plan_dataset import plan_dataset
from atldld_xr.testing import AllenServer, Phantom
from noise import DATASET_ID, NoiseSource

# Tier 0 is wider than what is fetched in one piece: it comes in tiles.
TILED = Phantom(id=900000003, count=4, resolution=3.5)


def needed_tiles(plan):
    """Return every tile that a plan's blocks need, once."""
    return [
        section.tile(*place) for section in plan.sections for place in section.tiles(plan.whole)
    ]


read = []


class RecordingSource(NoiseSource):
    """Keeps what was read; not in a function, as Dask would make a copy of a class in there."""

    def read(self, image, tile, view):
        pixels = super().read(image, tile, view)
        read.append(pixels)
        return pixels


@pytest.fixture(scope="module")
def server():
    with AllenServer(phantoms=[TILED]) as server:
        yield server


@pytest.mark.parametrize(
    "options",
    [
        {"resolution": 50},
        {"resolution": 25, "expression": True, "chunks": 100},
        {"resolution": 20, "tier": 0, "expression": "intensity", "on_error": "fill"},
    ],
    ids=["one request a section", "with masks", "tiles"],
)
def test_planned_requests_are_those_made(server, tmp_path, options):
    options = {"source": server.url} | options
    costs = estimate_costs(plan_dataset(TILED.id, **options))
    server.clear_log()
    report = open_dataset(TILED.id, **options).atldld.to_zarr(tmp_path / "a.zarr")
    assert costs.requests == server.image_requests
    assert costs.chunks == report.blocks
    assert costs.output_bytes == report.nbytes
    back = xr.open_zarr(tmp_path / "a.zarr")
    large = [back[name] for name in back.data_vars if back[name].ndim > 2]
    assert costs.output_bytes == sum(variable.nbytes for variable in large)
    if "tier" in options:
        assert costs.requests > 2 * costs.sections * 10, "the case is to be one with many tiles"


def test_pixels_are_those_read():
    # Sections that reach beyond the reference space, at an angle: not all of their tiles are read.
    source = RecordingSource(width=1500, height=1100, tile=8)
    options = {"source": source, "resolution": 40, "expression": "intensity", "chunks": 20}
    planned = plan_dataset(DATASET_ID, **options)
    costs = estimate_costs(planned)
    plan = planned.plans["image"]
    assert len(needed_tiles(plan)) < sum(
        rows * columns for rows, columns in (s.tile_grid for s in plan.sections)
    )
    assert not read
    open_dataset(DATASET_ID, **options)[["image", "expression"]].compute()
    assert len(read) == costs.requests
    assert sum(pixels.nbytes for pixels in read) == costs.decoded_bytes
    assert sum(pixels.shape[0] * pixels.shape[1] for pixels in read) == costs.source_pixels
    assert costs.estimated_jpeg_bytes == round(costs.source_pixels * JPEG_BYTES_PER_PIXEL)
    # The second section has no mask: nothing is read of it.
    assert costs.tiers == {"image": {2: 3}, "intensity": {2: 2}}


def test_excluded_sections_are_counted_apart():
    costs = estimate_costs(plan_dataset("phantom", resolution=100))
    assert (costs.sections, costs.excluded) == (17, 1)
    assert costs.tiers == {"image": {4: 17}}


def test_chunks_change_the_chunks_and_no_pixels():
    one, many = (
        estimate_costs(plan_dataset("phantom", resolution=50, chunks=chunks)) for chunks in (-1, 40)
    )
    assert one.chunks == 2 * 17
    assert many.chunks == 2 * 17 * (160 // 40) * -(-228 // 40)
    assert one.output_bytes == many.output_bytes
    assert one.source_pixels == many.source_pixels


def test_a_tile_is_needed_once():
    plan = plan_dataset(DATASET_ID, source=NoiseSource(), resolution=20, chunks=30).plans["image"]
    needed = [needed_tiles(replace(plan, sections=(section,))) for section in plan.sections]
    assert needed_tiles(plan) == [tile for tiles in needed for tile in tiles]
    for tiles, section in zip(needed, plan.sections, strict=True):
        assert len(set(tiles)) == len(tiles) > 10
        asked = [place for block in plan.blocks() for place in section.tiles(block)]
        assert len(asked) > len(tiles), "the case is to be one of tiles that blocks share"
