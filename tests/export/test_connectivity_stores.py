"""Stores, pictures and mirrors of connectivity: known by their range, with masks of projections."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
import zarr

import atldld_xr
from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.errors import SectionImageError, StoreError
from atldld_xr.export import status, verify
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.testing import AllenServer, FluorescentPhantom

SMALL = FluorescentPhantom(id=900000007, resolution=16.0, count=4, unmasked=(3,))
DRAWN = PhantomSource((SMALL,))
OTHER = (0, 400, 100, 700, 0, 4095)
OPTIONS = {"resolution": 200, "projection": "intensity", "on_error": "fill"}


@pytest.fixture(scope="module")
def server():
    with AllenServer([SMALL]) as server:
        yield server


@pytest.fixture(autouse=True)
def anew():
    TILES.reset()
    with atldld_xr.config.set({"cache.enabled": False}):
        yield


def open_small(source=DRAWN, **options):
    return atldld_xr.open_dataset(SMALL.id, source=source, **(OPTIONS | options))


def test_a_store_says_its_range_and_its_channels_and_which_masks_are_missing(tmp_path):
    ds, url = open_small(), str(tmp_path / "a.zarr")
    ds.atldld.to_zarr(url)
    back = xr.open_zarr(url)
    assert back.attrs["range"] == list(SMALL.range)
    assert back.channel.values.tolist() == ["background", "EGFP", "blue"]
    for name in ("image", "projection", "projection_coverage", "projection_status"):
        np.testing.assert_array_equal(back[name], ds[name])
    found = status(url)
    assert found.state == "complete"
    assert [failure["variable"] for failure in found.failures] == ["projection"]
    assert found.absent == ()
    assert back.atldld.failures().variable.tolist() == ["projection"]
    assert verify(url).problems == ()


def test_a_store_goes_on_with_its_range_and_refuses_another(tmp_path, server):
    url = str(tmp_path / "a.zarr")
    # Its last section cannot be read: what is written before it stays.
    strict = open_small(server.url, on_error="raise")
    with pytest.raises(SectionImageError):
        strict.atldld.to_zarr(url)
    with pytest.raises(StoreError, match="range"):
        open_small(server.url, range=OTHER).atldld.to_zarr(url)
    open_small(server.url, range=SMALL.range).atldld.to_zarr(url)
    assert status(url).state == "complete"
    server.clear_log()
    open_small(server.url).atldld.to_zarr(url)
    assert server.image_requests == 0


@pytest.mark.parametrize("variable", ["image", "projection"])
def test_ome_zarr(tmp_path, variable):
    ds, url = open_small(), str(tmp_path / "a.ome.zarr")
    ds.atldld.to_ome_zarr(url, variable=variable)
    group = zarr.open_group(url, mode="r")
    level = group["0"] if "0" in group else group["s0"]
    assert np.asarray(level).max() == ds[variable].max()
    assert status(url).state == "complete"


def test_nifti_is_black_where_nothing_is(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    volume = atldld_xr.open_volume(SMALL.id, source=DRAWN, **OPTIONS)
    volume.atldld.to_volume(tmp_path / "a.nii.gz", variable="image", channel="green")
    volume.atldld.to_volume(tmp_path / "b.nii.gz", variable="projection")
    signal, mask = (nibabel.load(tmp_path / f"{name}.nii.gz").get_fdata() for name in "ab")
    assert signal.max() == volume.image[..., 1].max()
    assert mask.max() == volume.projection.max()
    assert np.bincount(signal.astype(np.uint8).ravel())[0] >= (~volume.coverage.values).sum()
    coverage = volume.coverage.values
    assert (volume.image.values[~coverage] == 0).all()


@pytest.mark.parametrize("ranges", [(None,), (None, OTHER)])
def test_a_mirror_has_images_by_their_range(tmp_path, server, ranges):
    path = str(tmp_path / "mirror")
    for given in ranges:
        summary = atldld_xr.mirror(
            SMALL.id, path=path, resolution=200, range=given, source=server.url, on_error="skip",
            views=["image", "projection_intensity"],
        )  # fmt: skip
        assert [failure.view for failure in summary.failures] == ["projection_intensity"]
    names = {file.name for file in (tmp_path / "mirror").iterdir()}
    assert any(name.endswith("_range_120_923_60_987_0_4095.jpg") for name in names)
    manifest = json.loads((tmp_path / "mirror" / "mirror.json").read_text())
    kinds = {kind for views in manifest["images"].values() for kind in views}
    expected = {"range_" + "_".join(map(str, given or SMALL.range)) for given in ranges}
    assert kinds == expected | {"projection_intensity"}
    server.clear_log()
    for given in ranges:
        got = open_small(path, range=given).compute()
        TILES.reset()
        xr.testing.assert_equal(got, open_small(server.url, range=given).compute())
    if OTHER not in ranges:
        lacking = open_small(path, range=OTHER).atldld.failures()
        assert "range 0 400 100 700 0 4095" in lacking.reason[0]
    image_id = int(got.section_image_id[0])
    one = atldld_xr.open_image(image_id, tier=2, source=path)
    assert one.attrs["range"] == list(SMALL.range)
    assert one.image.max() > 0


def test_a_cluster_has_the_same_bits(tmp_path):
    from distributed import Client, LocalCluster

    expected = open_small().compute()
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        ds = open_small()
        ds.atldld.to_zarr(str(tmp_path / "a.zarr"))
        xr.testing.assert_equal(ds.compute(), expected)
    back = xr.open_zarr(tmp_path / "a.zarr")
    np.testing.assert_array_equal(back.projection, expected.projection)
