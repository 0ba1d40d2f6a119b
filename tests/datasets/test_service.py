"""The whole way from the service to the result, over real sockets: requests, faults, failures."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.errors import DatasetNotFoundError, SectionImageError, ServiceError
from atldld_xr.testing import CORONAL, CORONAL_ID, SAGITTAL_ID, AllenServer, Faults, Phantom

EVERY_KIND = ("429", "503", "reset", "truncated", "html", "corrupt")


@pytest.fixture(scope="module")
def _server():
    with AllenServer() as server:
        yield server


@pytest.fixture
def server(_server):
    _server.faults = Faults()
    _server.clear_log()
    return _server


def open_from(server, dataset=CORONAL_ID, **options):
    return atldld_xr.open_dataset(dataset, source=server.url, **options)


def test_opening_is_one_request_for_metadata_and_none_for_images(server):
    ds = open_from(server, expression=True)
    repr(ds), ds.displacement[0, :3, :3].values, ds.coverage[0].values
    assert (server.metadata_requests, server.image_requests) == (1, 0)
    open_from(server)  # its record is in the cache now
    assert server.metadata_requests == 1


def test_one_section_at_25_um_is_one_request(server):
    ds = open_from(server)
    ds.image.sel(coronal=6600, method="nearest").load()
    assert server.image_requests == 1
    ds.image.sel(coronal=6600, method="nearest").load()
    assert server.image_requests == 1  # from the cache


def test_a_window_of_a_large_section_is_the_tiles_it_touches():
    large = Phantom(id=900_000_077, resolution=1.049, count=2)
    with AllenServer(phantoms=[large]) as server:
        for chunks in (None, "auto"):
            with atldld_xr.config.set({"cache.enabled": False}):
                ds = open_from(server, large.id, resolution=1, chunks=chunks)
                server.clear_log()
                window = ds.image[0].sel(y=slice(3000, 3500), x=slice(5000, 5500)).load()
            assert window.shape == (500, 500, 3)
            assert window.values.std() > 1
            sizes = [(int(r.query["width"]), int(r.query["height"])) for r in images(server)]
            assert len(sizes) == server.image_requests
            image = large.record["section_images"][0]
            share = sum(w * h for w, h in sizes) / (image["width"] * image["height"])
            assert share < 0.03
            if chunks is None:  # without Dask it is the window itself: 2 x 2 tiles at the most
                assert len(sizes) <= 4


def images(server):
    """Return the image requests of the log, each once though it is redirected."""
    return [r for r in server.log if r.image_id is not None and r.status != 302]


def test_a_whole_export_asks_for_each_tile_once(server, tmp_path):
    ds = open_from(server, SAGITTAL_ID, resolution=10, expression="intensity", on_error="fill")
    with atldld_xr.config.set({"cache.enabled": False}):
        ds.atldld.to_zarr(tmp_path / "a.zarr")
    asked = [(r.path, tuple(sorted(r.query.items()))) for r in images(server)]
    assert len(asked) == len(set(asked))
    sections = ds.sizes["sagittal"]
    assert len(asked) >= 2 * sections
    written = xr.open_zarr(tmp_path / "a.zarr").compute()
    xr.testing.assert_equal(written, ds.drop_vars("displacement").compute())


@pytest.mark.parametrize("chunks", ["auto", None])
def test_with_a_fifth_of_the_answers_bad_the_result_is_the_same(server, chunks):
    def load():
        options = {"resolution": 50, "expression": "intensity", "chunks": chunks}
        with atldld_xr.config.set({"cache.enabled": False, "http.retries": 12}):
            return open_from(server, **options).load()

    expected = load()
    atldld_xr.arrays.tile_memory.TILES.__init__()
    server.clear_log()
    server.faults = Faults(rate=0.2, kinds=EVERY_KIND)
    xr.testing.assert_identical(load(), expected)
    planned = 2 * expected.sizes["coronal"]
    assert server.image_requests > planned  # there were faults


@pytest.mark.parametrize("kind", ["html", "corrupt", "wrong_size", "truncated", "503"])
def test_one_image_never_readable(server, kind):
    record = CORONAL.record["section_images"][4]
    server.faults = Faults(never={record["id"]}, never_kind=kind)
    with atldld_xr.config.set({"http.retries": 2, "cache.enabled": False}):
        ds = open_from(server)
        with pytest.raises(SectionImageError) as caught:
            ds.image.compute()
        assert caught.value.section_image_id == record["id"]
        assert f"{server.url}/section_image_download/{record['id']}" in str(caught.value)
        filled = open_from(server, on_error="fill")
        (reason,) = filled.atldld.failures().reason
        filled.load()
    bad = filled.section_image_id == record["id"]
    np.testing.assert_array_equal(filled.status, bad.astype(np.uint8))
    assert str(record["id"]) in reason
    assert (filled.image.values[bad] == 255).all()
    assert not filled.coverage.values[bad].any()
    server.faults = Faults()
    good = open_from(server).compute()
    np.testing.assert_array_equal(filled.image.values[~bad], good.image.values[~bad])


def test_a_missing_image_is_not_asked_for_again(server):
    record = CORONAL.record["section_images"][5]
    server.faults = Faults(missing={record["id"]})
    with pytest.raises(SectionImageError, match="404"):
        open_from(server).image.compute(scheduler="sync")
    # Where it was when it was there, if that was learnt, and at the front door.
    assert sum(str(record["id"]) in r.path for r in images(server)) == 1


def test_unknown_ids(server):
    with pytest.raises(DatasetNotFoundError, match="12345"):
        open_from(server, 12345)
    with pytest.raises(DatasetNotFoundError, match="12345"):
        atldld_xr.open_image(12345, source=server.url)


def test_the_service_is_down():
    with AllenServer() as server:
        url = server.url
    with (
        atldld_xr.config.set({"http.retries": 1}),
        pytest.raises(ServiceError, match=url),
    ):
        atldld_xr.open_dataset(CORONAL_ID, source=url)


def test_the_address_is_a_setting(server):
    with atldld_xr.config.set({"api_url": server.url}):
        assert atldld_xr.open_dataset(CORONAL_ID).attrs["source"] == server.url


def test_sections_lie_on_slides(server):
    """What the service cuts from its slides is what the phantom's own source draws."""
    own = atldld_xr.open_dataset(CORONAL_ID, source="phantom").image[5].values.astype(int)
    seen = open_from(server).image[5].values.astype(int)
    assert CORONAL.record["section_images"][5]["x"] > 0
    assert np.abs(own - seen).max() <= 8  # JPEG
    assert np.abs(own - seen).mean() < 0.5


def test_an_image_is_read_from_its_slide(server):
    image_id = CORONAL.record["section_images"][5]["id"]
    own = atldld_xr.open_image(image_id, tier=2, source="phantom").image.values.astype(int)
    seen = atldld_xr.open_image(image_id, tier=2, source=server.url).image.values.astype(int)
    assert np.abs(own - seen).mean() < 0.5
    server.clear_log()
    window = atldld_xr.open_image(image_id, source=server.url, chunks=None).image
    assert window[100:110, 200:210].values.shape == (10, 10, 3)
    assert server.image_requests == 1


def test_on_a_cluster_each_tile_is_asked_for_once(server, cluster):
    ds = open_from(server, resolution=20)
    expected = ds.image.compute(scheduler="threads")
    server.clear_log()
    with atldld_xr.config.set({"cache.enabled": False}):
        np.testing.assert_array_equal(cluster.compute(ds.image).result(), expected)
    asked = [(r.path, tuple(sorted(r.query.items()))) for r in images(server)]
    assert len(asked) == len(set(asked)) >= ds.sizes["coronal"]
