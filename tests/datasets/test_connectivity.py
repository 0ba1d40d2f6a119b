"""Connectivity: 16 bits by ranges, and masks of projections, on all executors."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize

import atldld_xr
from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.errors import InvalidArgumentError, MetadataError, SectionImageError
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.testing import (
    CORONAL,
    FLUORESCENT,
    AllenServer,
    FluorescentPhantom,
    draw,
    draw_values,
    pictures,
)

OTHER = (0, 400, 100, 700, 0, 4095)
UNMASKED = FluorescentPhantom(id=900000005, count=4, unmasked=(2,))
PLAIN = FluorescentPhantom(id=900000006, count=3, range=None)
DRAWN = PhantomSource((FLUORESCENT, UNMASKED, PLAIN))
IDS = [image["id"] for image in FLUORESCENT.record["section_images"]]


@pytest.fixture(scope="module")
def server():
    with AllenServer([FLUORESCENT, UNMASKED, PLAIN, CORONAL]) as server:
        yield server


@pytest.fixture(autouse=True)
def anew():
    TILES.reset()
    with atldld_xr.config.set({"cache.enabled": False}):
        yield


def by_hand(values, by):
    """Window 16 bits in NumPy, channel by channel."""
    out = np.empty(values.shape, np.uint8)
    for channel in range(3):
        low, high = by[2 * channel : 2 * channel + 2]
        share = (values[..., channel].astype(float) - low) / (high - low)
        out[..., channel] = np.round(np.minimum(np.maximum(share, 0), 1) * 255)
    return out


@pytest.mark.parametrize("given", [None, OTHER, {"EGFP": (100, 700), "background": (0, 400)}])
@pytest.mark.parametrize("tier", [0, 3])
def test_pixels_are_the_formula_windowed(given, tier):
    ds = atldld_xr.open_image(IDS[1], tier=tier, range=given, source=DRAWN)
    top, left = ds.sizes["y"] // 2, ds.sizes["x"] // 3
    part = ds.isel(y=slice(top, top + 60), x=slice(left, left + 130))
    deep = draw_values(FLUORESCENT, FLUORESCENT.image_record(IDS[1]), tier, left, top, 130, 60)
    assert deep.dtype == np.uint16
    assert deep.max() > 255
    by = FLUORESCENT.range if given is None else OTHER
    np.testing.assert_array_equal(part.image, by_hand(deep, by))
    assert ds.attrs["range"] == list(by)


def test_the_service_windows_as_it_is_asked_and_every_request_says_how(server):
    for given in (None, OTHER):
        server.clear_log()
        with atldld_xr.config.set({"cache.enabled": False}):
            ds = atldld_xr.open_image(IDS[1], tier=3, range=given, source=server.url)
            height, width, _ = ds.image.shape
            deep = draw_values(
                FLUORESCENT, FLUORESCENT.image_record(IDS[1]), 3, 0, 0, width, height
            )
            by = FLUORESCENT.range if given is None else given
            # To the bit, but for what JPEG loses.
            expected = pictures.decode(pictures.encode(by_hand(deep, by), 100))
            np.testing.assert_array_equal(ds.image, expected)
        asked = [r.query for r in server.log if r.image_id is not None]
        assert {query["range"] for query in asked} == {",".join(map(str, by))}


def test_without_a_record_nothing_is_asked_and_the_attributes_say_so(server):
    ds = atldld_xr.open_dataset(PLAIN.id, resolution=100, source=server.url)
    server.clear_log()
    ds.image[0].compute()
    assert all("range" not in r.query for r in server.log)
    assert "no equalization record" in ds.attrs["range"]
    assert ds.channel.values.tolist() == ["background", "EGFP", "blue"]
    given = atldld_xr.open_dataset(PLAIN.id, resolution=100, range=OTHER, source=server.url)
    assert given.attrs["range"] == list(OTHER)


def test_one_request_for_metadata(server):
    server.clear_log()
    atldld_xr.open_dataset(FLUORESCENT.id, source=server.url, projection=True)
    assert (server.metadata_requests, server.image_requests) == (1, 0)


def test_ranges_are_told_apart_in_memory_and_in_the_cache(server, tmp_path):
    opened = {"resolution": 200, "source": server.url}
    with atldld_xr.config.set({"cache.enabled": True, "cache.directory": str(tmp_path)}):
        first = {}
        for chunks in ("auto", None):
            for by in (None, OTHER):
                ds = atldld_xr.open_dataset(FLUORESCENT.id, range=by, chunks=chunks, **opened)
                first.setdefault(by, []).append(ds.image[3].values)
        server.clear_log()
        TILES.reset()
        for by, values in first.items():
            np.testing.assert_array_equal(*values)
            ds = atldld_xr.open_dataset(FLUORESCENT.id, range=by, **opened)
            np.testing.assert_array_equal(ds.image[3], values[0])
        assert server.image_requests == 0
    assert (first[None][0] != first[OTHER][0]).mean() > 0.2


def test_another_range_is_another_token_and_the_same_one_the_same():
    def token(**options):
        ds = atldld_xr.open_dataset(FLUORESCENT.id, source=DRAWN, projection=True, **options)
        return tokenize(ds.image.data), tokenize(ds.projection.data)

    own, again = token(), token(range=FLUORESCENT.range)
    other = token(range=OTHER)
    assert own == again
    assert own[0] != other[0]
    assert own[1] == other[1]  # masks are the same by any range


MASKS = {"projection": "intensity", "on_error": "fill", "resolution": 100}


@pytest.mark.parametrize("chunks", [None, {"y": 17, "x": 51}, {"y": -1, "x": -1}])
def test_any_executor_and_chunking_has_the_same_bits(chunks):
    with dask.config.set(scheduler="synchronous"):
        expected = atldld_xr.open_dataset(FLUORESCENT.id, source=DRAWN, **MASKS).compute()
        ds = atldld_xr.open_dataset(FLUORESCENT.id, source=DRAWN, chunks=chunks, **MASKS)
        xr.testing.assert_identical(ds.compute(), expected)
    assert expected.projection.max() > 100
    assert expected.projection.dims == ("coronal", "y", "x")


@pytest.mark.parametrize("kind", [True, "intensity"])
def test_masks_are_those_of_their_own_endpoint(server, kind):
    ds = atldld_xr.open_dataset(FLUORESCENT.id, resolution=100, source=server.url, projection=kind)
    explained = ds.atldld.explain()
    server.clear_log()
    got = ds.compute()
    assert server.image_requests == explained.requests
    asked = {r.path.split("/")[-2] for r in server.log if "download" in r.path}
    assert asked == {"section_image_download", "projection_image_download"}
    drawn = atldld_xr.open_dataset(FLUORESCENT.id, resolution=100, source=DRAWN, projection=kind)
    off = np.abs(got.projection.values.astype(int) - drawn.projection.values)
    assert off.mean() < 2
    assert got.projection.where(~got.projection_coverage, 0).max() == 0
    assert got.image.where(~got.coverage, 0).max() == 0
    assert got.image.attrs["fill_value"] == 0


def test_info_counts_masks_too(server):
    without = atldld_xr.info(FLUORESCENT.id, source=server.url, resolution=100)
    both = atldld_xr.info(FLUORESCENT.id, source=server.url, resolution=100, projection=True)
    assert both.costs.requests == 2 * without.costs.requests
    assert "projection at tier" in str(both)


def test_a_missing_mask_is_a_failure_as_data(server):
    ds = atldld_xr.open_dataset(
        UNMASKED.id, resolution=200, source=server.url, projection=True, on_error="fill"
    )
    failed = ds.atldld.failures()
    assert failed.variable.tolist() == ["projection"]
    assert "404" in failed.reason[0]
    got = ds.compute()
    at = got.section_image_id.values.tolist().index(int(failed.section_image_id[0]))
    assert not got.projection_coverage[at].any()
    assert got.coverage[at].any()
    assert got.status.values.tolist() == [0] * ds.sizes["coronal"]
    masked = got.atldld.masked
    assert np.isnan(masked.projection[at]).all()
    strict = atldld_xr.open_dataset(UNMASKED.id, resolution=200, source=server.url, projection=True)
    with pytest.raises(SectionImageError):
        strict.projection[at].compute()


def test_who_has_no_such_masks_or_channels_is_told(server):
    for open_ in (atldld_xr.open_dataset, atldld_xr.open_volume, atldld_xr.info):
        with pytest.raises(InvalidArgumentError, match="no projection masks"):
            open_(CORONAL.id, source=server.url, projection=True)
        with pytest.raises(InvalidArgumentError, match="bright-field"):
            open_(CORONAL.id, source=server.url, range=OTHER)
        with pytest.raises(InvalidArgumentError, match='projection must be True, False or "inten'):
            open_(FLUORESCENT.id, source=server.url, projection="grey")
        with pytest.raises(InvalidArgumentError, match="no expression masks"):
            open_(FLUORESCENT.id, source=server.url, expression=True)
    image_id = CORONAL.record["section_images"][0]["id"]
    with pytest.raises(InvalidArgumentError, match="no projection mask"):
        atldld_xr.open_image(image_id, source=server.url, projection=True)


def test_a_bad_record_is_named_and_a_range_opens_it_all_the_same():
    class Bad(PhantomSource):
        def dataset_record(self, dataset_id):
            record = super().dataset_record(dataset_id)
            return record | {"equalization": {**record["equalization"], "red_upper": 60_000}}

    with pytest.raises(MetadataError, match=r"equalization record .*red_upper is 60000"):
        atldld_xr.open_dataset(FLUORESCENT.id, source=Bad((FLUORESCENT,)))
    atldld_xr.open_dataset(FLUORESCENT.id, source=Bad((FLUORESCENT,)), range=OTHER)


@pytest.mark.parametrize("chunks", ["auto", None])
def test_volumes_have_them_too(chunks):
    options = {"resolution": 200, "source": DRAWN, "projection": "intensity", "range": OTHER}
    volume = atldld_xr.open_volume(FLUORESCENT.id, chunks=chunks, on_error="fill", **options)
    assert volume.attrs["range"] == list(OTHER)
    assert volume.channel.values.tolist() == ["background", "EGFP", "blue"]
    got = volume.compute()
    assert got.projection.dims == ("coronal", "y", "x")
    assert got.projection.max() > 50
    assert got.image.where(~got.coverage, 0).max() == 0
    assert got.projection_coverage.equals(got.coverage)
    assert got.projection_status.values.tolist() == [0] * got.sizes["section_image"]


def test_a_mask_of_an_image_by_itself():
    ds = atldld_xr.open_image(IDS[2], tier=2, source=DRAWN, projection="intensity")
    height, width = ds.projection.shape
    record = FLUORESCENT.image_record(IDS[2])
    expected = draw(FLUORESCENT, record, 2, 0, 0, width, height, "projection_intensity")
    np.testing.assert_array_equal(ds.projection, expected)
