"""explain: what is told before anything is fetched is what is asked for then, to the request."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.datasets.fetching import JPEG_BYTES_PER_PIXEL
from atldld_xr.datasets.plan_dataset import plan_dataset
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.testing import AllenServer, Phantom

# Tier 0 is wider than what is fetched in one piece: sections come in many tiles.
LARGE = Phantom(id=900000004, count=3, resolution=2.1)
TILED = {"resolution": 8, "tier": 0}
WHOLE = {"resolution": 25}

PARTS = {
    "all": {},
    "sections": {"coronal": slice(1, None)},
    "a list of them": {"coronal": [0]},
    "one section": {"coronal": 1},
    "a window": {"coronal": 1, "y": slice(400, 460), "x": slice(600, 680)},
    "a window of a stack": {"coronal": [1], "y": slice(400, 460), "x": slice(600, 680)},
    "a large window": {"y": slice(100, 700), "x": slice(300, 900)},
    "steps": {"coronal": [1], "y": slice(100, 900, 3), "x": slice(1200, 300, -5)},
    "a column": {"coronal": 0, "x": 500},
    "a section twice": {"coronal": [0, 0]},
}
WAYS = {"images": {}, "filled, with masks": {"on_error": "fill", "expression": True}}


@pytest.fixture(scope="module")
def server():
    with AllenServer(phantoms=[LARGE]) as server:
        yield server


@pytest.fixture(autouse=True)
def anew(server):
    TILES.reset()
    with atldld_xr.config.set({"cache.enabled": False}):
        yield


def open_large(server, **options):
    return atldld_xr.open_dataset(LARGE.id, source=server.url, **(TILED | options))


def explained(server, data, **options):
    """Explain without a request."""
    server.clear_log()
    found = data.atldld.explain(**options)
    assert not server.log
    return found


def check_export(server, data, path):
    found = explained(server, data)
    report = data.atldld.to_zarr(path / "a.zarr")
    assert server.image_requests == found.requests
    assert (report.blocks, report.nbytes) == (found.chunks, found.output_bytes)
    assert found.to_dataframe()["requests"].sum() == found.requests
    asked = {r.image_id for r in server.log if r.image_id is not None}
    assert asked == {s.section_image_id for s in found.sections if s.requests}
    return found


def check_computing(server, data):
    by = {"by": "compute"} if isinstance(data, xr.Dataset) else {}
    found = explained(server, data, **by)
    TILES.reset()
    data.compute()
    assert server.image_requests == found.requests
    return found


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("way", WAYS)
def test_an_export_asks_for_what_was_explained(server, tmp_path, way, part):
    data = open_large(server, **WAYS[way]).isel(PARTS[part])
    assert check_export(server, data, tmp_path).requests


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("way", WAYS)
def test_computing_asks_for_what_was_explained(server, way, part):
    assert check_computing(server, open_large(server, **WAYS[way]).isel(PARTS[part])).requests


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("way", WAYS)
def test_loading_without_dask_asks_for_what_was_explained(server, way, part):
    data = open_large(server, chunks=None, **WAYS[way]).isel(PARTS[part])
    assert check_computing(server, data).requests
    again = explained(server, data, by="compute")
    assert again.requests, "explaining has loaded nothing in its place, nor counts what is kept"


@pytest.mark.parametrize("names", [["image"], ["coverage"], ["expression", "expression_coverage"]])
@pytest.mark.parametrize("part", ["all", "a window of a stack"])
def test_some_variables(server, tmp_path, names, part):
    for name, way in WAYS.items():
        data = open_large(server, **(way | {"expression": "intensity"}))[names]
        data = data.isel(PARTS[part])
        (tmp_path / name).mkdir()
        found = check_export(server, data, tmp_path / name)
        check_computing(server, data)
        assert bool(found.requests) == (names != ["coverage"] or "on_error" in way)


@pytest.mark.parametrize("chunks", ["auto", None])
def test_arrays(server, chunks):
    image = open_large(server, chunks=chunks).image
    for part in (image, image[1], image[1, 400:460, 600:680, 0], image[:, 100:700:2]):
        found = check_computing(server, part)
        assert found.requests
        assert found.output_bytes == part.nbytes


def test_whole_images(server, tmp_path):
    data = open_large(server, **(WHOLE | {"tier": "auto"}))
    found = check_export(server, data, tmp_path)
    assert found.requests == found.images == data.sizes["coronal"]
    check_computing(server, data)
    check_computing(server, open_large(server, chunks=None, **(WHOLE | {"tier": "auto"})))


def mean(data):
    return data.image.mean("coronal").to_dataset()


def brighter(data):
    return (data[["image"]] * 2).isel(coronal=[0], y=slice(300, 700))


def rechunked(data):
    return data[["image", "coverage"]].chunk(y=700, x=700)


def masked(data):
    return data.atldld.masked[["image"]].isel(y=slice(0, 900))


def uneven(data):
    return data.isel(y=slice(100, 900)).set_coords("coverage")


@pytest.mark.parametrize("more", [uneven, mean, brighter, rechunked, masked])
def test_of_what_more_is_done_the_graph_is_looked_at(server, tmp_path, more):
    data = more(open_large(server))
    assert check_export(server, data, tmp_path).requests
    assert check_computing(server, data).requests


def test_chunks_that_xarray_has_made(server):
    with dask.config.set(scheduler="synchronous"):
        data = open_large(server, chunks=None)[["image"]].chunk(coronal=1, y=700, x=700)
        assert check_computing(server, data).requests
        assert check_computing(server, data.isel(coronal=[0], y=slice(400, 460))).requests
        doubled = data * 2
        assert check_computing(server, doubled.isel(coronal=[0], y=slice(400, 460))).requests


def test_memory_that_is_too_small_for_a_section_is_counted(server):
    data = open_large(server, chunks=None, on_error="fill")
    with atldld_xr.config.set({"http.connections": 1}):
        enough = explained(server, data, by="compute")
        with atldld_xr.config.set({"memory.limit": 1_000_000}):
            assert check_computing(server, data).requests > enough.requests


def test_rows_are_the_sections(server):
    data = open_large(server, on_error="fill", expression=True)
    table = data.atldld.explain().to_dataframe()
    assert table.columns.to_list() == [
        "section_image_id",
        "section_number",
        "coordinate",
        "tier",
        "expression_tier",
        "requests",
        "pixels",
        "estimated_bytes",
        "blocks",
        "blocks_without_pixels",
    ]
    assert table.section_image_id.to_list() == data.section_image_id.values.tolist()
    assert table.section_number.to_list() == data.section_number.values.tolist()
    assert table.coordinate.to_list() == data.coronal.values.tolist()
    assert set(table.tier) == set(table.expression_tier) == {0}
    geometry = data[["displacement"]].atldld.explain()
    assert geometry.to_dataframe().tier.isna().all()
    assert (geometry.requests, geometry.seconds, geometry.images) == (0, 0, 0)
    one = data.image[1].atldld.explain().to_dataframe()
    assert one.section_image_id.to_list() == [int(data.section_image_id[1])]
    assert one.coordinate.to_list() == [float(data.coronal[1])]


@pytest.mark.parametrize("chunks", ["auto", None])
def test_blocks_without_pixels_are_those_that_are_fill(chunks):
    options = {"resolution": 100, "chunks": {"y": 8, "x": 8}}
    data = atldld_xr.open_dataset("phantom", **options)
    covered = data.coverage.coarsen(y=8, x=8, boundary="pad").max().values
    blank = np.count_nonzero(~covered.astype(bool), axis=(1, 2))
    plan = plan_dataset("phantom", **options).plans["image"]
    expected = [sum(not s.tiles(block) for block in plan.blocks()) for s in plan.sections]
    assert sum(expected)
    assert (blank >= expected).all()
    opened = data
    if chunks is None:
        lazy = atldld_xr.open_dataset("phantom", resolution=100, chunks=None)
        opened = lazy.chunk(coronal=1, y=8, x=8)
    for found in (
        opened[["image"]].atldld.explain(),
        opened[["coverage"]].atldld.explain(),
        opened.image.atldld.explain(),
    ):
        told = found.to_dataframe()
        assert told.blocks_without_pixels.to_list() == expected
        assert set(told.blocks) == {data.image.data.numblocks[1] * data.image.data.numblocks[2]}


def test_what_is_loaded_takes_nothing(server):
    data = open_large(server).isel(coronal=[0], y=slice(0, 50), x=slice(0, 50)).load()
    for by in ("to_zarr", "compute"):
        found = explained(server, data, by=by)
        assert (found.requests, found.pixels, found.seconds) == (0, 0, 0)


@pytest.mark.parametrize("chunks", ["auto", None])
def test_an_export_of_nothing_is_refused_as_it_would_be(server, tmp_path, chunks):
    data = open_large(server, chunks=chunks).isel(coronal=slice(2, 2))
    for way in (data.atldld.explain, lambda: data.atldld.to_zarr(tmp_path / "a.zarr")):
        with pytest.raises(InvalidArgumentError, match="is empty, of shape"):
            way()


def test_totals_and_time(server):
    data = open_large(server)
    found = data.atldld.explain()
    assert found.decoded_bytes == 3 * found.pixels
    assert found.estimated_bytes == round(found.pixels * JPEG_BYTES_PER_PIXEL)
    assert found.tiers == {"image": {0: data.sizes["coronal"]}}
    rounds = -(-found.requests // 8)
    assert found.seconds == pytest.approx(0.2 * rounds + found.estimated_bytes / 32e6)
    near = data.atldld.explain(seconds_per_request=0, bytes_per_second=1e6)
    assert near.seconds == pytest.approx(found.estimated_bytes / 8e6)
    with atldld_xr.config.set({"http.requests_per_second": 0.5}):
        slow = data.atldld.explain()
    assert slow.seconds == 2 * slow.requests
    assert "at most 0.5 requests a second" in str(slow)


def test_the_explanation_is_shown(server):
    found = open_large(server).atldld.explain()
    assert str(found) == repr(found)
    assert f"{found.requests} for images" in str(found)
    html = found._repr_html_()
    assert f"{found.requests} for images" in html
    assert str(found.sections[0].section_image_id) in html


@pytest.mark.parametrize(
    "options",
    [
        {"by": "to_nrrd"},
        {"seconds_per_request": -1},
        {"seconds_per_request": "1"},
        {"bytes_per_second": 0},
        {"bytes_per_second": float("nan")},
    ],
)
def test_what_cannot_be_is_refused(options):
    data = atldld_xr.open_dataset("phantom", resolution=200)
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        data.atldld.explain(**options)
    with pytest.raises(InvalidArgumentError, match='by is "compute"'):
        data.image.atldld.explain(by="to_zarr")


def test_info_and_explain_are_one_computation(server):
    options = {"resolution": 8, "tier": 0, "expression": True, "on_error": "fill"}
    info = atldld_xr.info(LARGE.id, source=server.url, **options)
    costs = info.costs
    assert f"{costs.blocks_without_pixels:,} of them without pixels" in str(info)
    assert "time to fetch" in str(info)
    found = open_large(server, **options).atldld.explain()
    assert costs.requests == found.requests
    assert costs.source_pixels == found.pixels
    assert costs.decoded_bytes == found.decoded_bytes
    assert costs.estimated_jpeg_bytes == found.estimated_bytes
    assert costs.output_bytes == found.output_bytes
    assert costs.chunks == found.chunks == found.blocks
    assert costs.blocks_without_pixels == found.blocks_without_pixels
    assert costs.tiers == found.tiers
    assert costs.estimated_seconds == pytest.approx(found.seconds, abs=1e-3)
