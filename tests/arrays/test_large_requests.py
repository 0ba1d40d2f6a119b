"""What is asked for at once is not what is cut: few requests, and the same pixels to the bit."""

from __future__ import annotations

import threading
from collections import Counter

import dask
import numpy as np
import pytest
import simplejpeg
import xarray as xr

import atldld_xr
from atldld_xr.arrays import fetch, plain_loop
from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.errors import SectionImageError
from atldld_xr.sources import jpeg
from atldld_xr.sources.api import ApiSource
from atldld_xr.testing import AllenServer, Faults, Phantom
from recorded import ALLEN

LARGE = Phantom(id=900000004, count=3, resolution=2.1)
OPTIONS = {"resolution": 8, "tier": 0}
FIRST = LARGE.record["section_images"][0]["id"]


@pytest.fixture(scope="module")
def server():
    with AllenServer(phantoms=[LARGE]) as server:
        yield server


@pytest.fixture(autouse=True)
def anew(server):
    TILES.reset()
    server.faults = Faults()
    server.clear_log()
    fetch._NARROW.clear()
    with atldld_xr.config.set({"cache.enabled": False}):
        yield
    fetch._NARROW.clear()


class Narrow:
    """The service, which gives no window of more than a tile."""

    def __init__(self, source):
        self.source, self.refused = source, 0

    def __getattr__(self, name):
        return getattr(self.source, name)

    def read(self, image, tile, view):
        if max(tile.width, tile.height) > 512:
            self.refused += 1
            raise SectionImageError(image.id, "here", "too large")
        return self.source.read(image, tile, view)


def open_large(server, **options):
    return atldld_xr.open_dataset(LARGE.id, source=server.url, **(OPTIONS | options))


def one_by_one(server):
    """Return the image of the first section, made of tiles that are asked for one by one."""
    array = open_large(server, chunks=None).image.variable._data.array
    only = array.variable.plan
    return plain_loop.load(array.variable, array.source)[:1], only


@pytest.mark.parametrize("sampling", ["444", "422", "420", "440"])
def test_a_tile_is_the_same_in_any_window_it_is_cut_from(sampling):
    random = np.random.default_rng(3)
    pixels = random.integers(0, 256, (208, 304, 3), dtype=np.uint8)
    pixels = np.repeat(np.repeat(pixels[::8, ::8], 8, axis=0), 8, axis=1)

    def read(left, top, width, height):
        window = np.ascontiguousarray(pixels[top : top + height, left : left + width])
        data = simplejpeg.encode_jpeg(window, quality=90, colorsubsampling=sampling)
        return jpeg.decode(data, width=width, height=height, grey=False)

    whole = read(0, 0, 304, 208)
    for left, top, width, height in ((0, 0, 64, 64), (64, 128, 64, 80), (240, 64, 64, 64)):
        assert np.array_equal(
            read(left, top, width, height), whole[top : top + height, left : left + width]
        )


@pytest.mark.parametrize("how", ["dask", "no dask", "export"])
def test_a_section_takes_few_requests_and_has_the_same_pixels(server, how, tmp_path):
    expected, plan = one_by_one(server)
    tiles = plan.sections[0].tiles(plan.whole)
    asked = server.image_requests
    assert asked == 2 * len(tiles), "the reference asks for each tile by itself"
    server.clear_log()
    ds = open_large(server, chunks=None if how == "no dask" else "auto").isel(coronal=[0])
    if how == "export":
        ds[["image"]].atldld.to_zarr(tmp_path / "a.zarr")
        made = xr.open_zarr(tmp_path / "a.zarr").image.values
    else:
        made = ds.image.values
    assert np.array_equal(made, expected)
    assert 8 <= server.image_requests <= len(tiles) // 3


def test_a_window_by_dask_reads_what_a_window_without_it_reads(server):
    expected, _ = one_by_one(server)
    at = {"y": slice(410, 470), "x": slice(610, 680)}
    asked = {}
    for chunks in (None, "auto"):
        image = open_large(server, chunks=chunks).image
        server.clear_log()
        window = image.isel(coronal=0, **at).values
        assert np.array_equal(window, expected[0][at["y"], at["x"]])
        asked[chunks] = Counter((r.query["left"], r.query["top"]) for r in server.log)
    assert asked[None] == asked["auto"]


@pytest.mark.parametrize(
    "at",
    [
        {"y": slice(400, 420, 3), "x": slice(500, 300, -7)},
        {"y": 333, "x": 444},
        {"y": slice(None), "x": 444},
        {"y": [3, 400, 401], "x": slice(10, 700)},
        {"y": slice(5, 5)},
        {"channel": 1, "y": slice(900, 2000), "x": slice(1300, 1400)},
        {"y": xr.DataArray([400, 500, 900]), "x": xr.DataArray([3, 700, 699])},
    ],
)
def test_any_index_is_what_numpy_makes_of_it(server, at):
    expected, _ = one_by_one(server)
    image = open_large(server).image
    full = xr.DataArray(expected[0], dims=("y", "x", "channel"))
    for taken in (image[0].isel(at), image.isel(at)[0], image.isel(coronal=0, **at)):
        assert np.array_equal(taken.values, full.isel(at).values)


def test_two_variables_share_what_a_window_reads(server):
    ds = open_large(server, on_error="fill").isel(coronal=[0], y=slice(400, 450), x=slice(600, 650))
    server.clear_log()
    with dask.config.set(scheduler="threads"):
        dask.compute(ds.image, ds.coverage)
    answers = [r for r in server.log if r.image_id is not None and r.status == 200]
    downloads = Counter((r.query["left"], r.query["top"]) for r in answers)
    assert downloads
    assert set(downloads.values()) == {1}


def test_what_failed_is_tried_anew_where_tasks_are_kept(server):
    at = {"coronal": [0], "y": slice(410, 470), "x": slice(610, 680)}
    ds = open_large(server, on_error="fill")[["image", "coverage"]].isel(at)
    expected = ds.compute()
    (kept,) = dask.optimize(ds)
    with atldld_xr.config.set({"http.retries": 0, "http.learn_redirects": False}):
        server.faults = Faults(missing={int(expected.section_image_id[0])})
        server.clear_log()
        assert not kept.compute().coverage.any()
        assert server.image_requests == 2, "both variables are told the same"
        server.faults = Faults()
        assert kept.compute().identical(expected)


@pytest.mark.parametrize("chunks", ["auto", None])
def test_what_a_service_cannot_give_at_once_is_asked_for_one_by_one(server, chunks):
    expected, _ = one_by_one(server)
    narrow = Narrow(ApiSource(server.url))
    ds = atldld_xr.open_dataset(LARGE.id, source=narrow, chunks=chunks, **OPTIONS)
    assert np.array_equal(ds.image[:1].values, expected)
    refused = narrow.refused
    assert 8 <= refused <= 24, "those of a section"
    TILES.reset()
    again = atldld_xr.open_dataset(LARGE.id, source=narrow, chunks=chunks, **OPTIONS)
    assert np.array_equal(again.image[:1].values, expected)
    assert narrow.refused == refused, "it is known then"


def test_tiles_kept_from_windows_say_nothing_of_what_a_service_gives(server, tmp_path):
    window = {"coronal": 0, "y": slice(400, 500), "x": slice(600, 700)}
    with atldld_xr.config.set({"cache.enabled": True, "cache.directory": str(tmp_path / "cache")}):
        ds = open_large(server, chunks=None)
        expected = ds.image.isel(window).values
        TILES.reset()
        server.clear_log()
        offline = open_large(server, chunks=None, offline=True).image.isel(window)
        with atldld_xr.config.set({"http.connections": 1}):  # which makes one piece of them
            for _ in range(3):
                assert np.array_equal(offline.values, expected)
                TILES.reset()
        assert server.image_requests == 0
        _ = ds.image[1].values
    assert server.image_requests <= 2 * 24, "of the service, large pieces are asked for still"


def test_a_piece_that_fails_once_says_nothing_of_what_a_service_gives(server):
    class Once(Narrow):
        def read(self, image, tile, view):
            return (
                super().read(image, tile, view)
                if not self.refused
                else self.source.read(image, tile, view)
            )

    once = Once(ApiSource(server.url))
    ds = atldld_xr.open_dataset(LARGE.id, source=once, chunks=None, **OPTIONS)
    for _ in range(2):
        server.clear_log()
        _ = ds.image[1].values
        TILES.reset()
    assert once.refused == 1
    assert server.image_requests <= 2 * 24


def test_a_source_may_read_what_another_dataset_has(server):
    class Made(Narrow):
        """Of each tile the same, after a look at a window of another Dataset."""

        def read(self, image, tile, view):
            assert other[0, 300:600, 500:900].values.any()
            return self.source.read(image, tile, view)

    expected, _ = one_by_one(server)
    TILES.reset()
    # Of the same fetching threads, and four tiles that none of these has.
    other = open_large(server, chunks=None).image
    made = atldld_xr.open_dataset(
        LARGE.id, source=Made(ApiSource(server.url)), chunks=None, **OPTIONS
    )
    values = []
    thread = threading.Thread(target=lambda: values.append(made.image[:1].values), daemon=True)
    thread.start()
    thread.join(30)
    assert values, "threads wait for each other"
    assert np.array_equal(values[0], expected)


def test_what_came_in_a_large_piece_serves_each_tile_in_it(server, tmp_path):
    expected, _ = one_by_one(server)
    with atldld_xr.config.set({"cache.enabled": True, "cache.directory": str(tmp_path / "cache")}):
        ds = open_large(server, chunks=None)
        assert np.array_equal(ds.image[:1].values, expected)
        server.clear_log()
        TILES.reset()
        window = ds.image[0, 400:460, 600:660].values
        assert np.array_equal(window, expected[0, 400:460, 600:660])
        assert server.image_requests == 0


@pytest.mark.skipif(not ALLEN.exists(), reason="Allen's recorded data are not here")
def test_recorded_sections_are_the_same_in_any_request():
    data = (ALLEN / "section_image_69177654_downsample_2.jpg").read_bytes()
    pixels = simplejpeg.decode_jpeg(data)
    height, width = pixels.shape[:2]
    encoded = simplejpeg.encode_jpeg(pixels, quality=85, colorsubsampling="420")
    whole = jpeg.decode(encoded, width=width, height=height, grey=False)
    for top in range(0, height, 512):
        for left in range(0, width, 512):
            part = np.ascontiguousarray(pixels[top : top + 512, left : left + 512])
            tile = simplejpeg.encode_jpeg(part, quality=85, colorsubsampling="420")
            decoded = jpeg.decode(tile, width=part.shape[1], height=part.shape[0], grey=False)
            assert np.array_equal(decoded, whole[top : top + 512, left : left + 512])
