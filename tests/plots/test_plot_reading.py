"""What a picture reads: no finer than it shows, and the same as if it had been opened so."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.plots.reading import coarser, factor_of, read_section
from noise import DATASET_ID, NoiseSource, WatchedNoise, bend_of_noise
from pages import page


def opened(source, **options):
    given = {"chunks": None, "resolution": 10, "source": source, **options}
    return atldld_xr.open_dataset(DATASET_ID, **given)


@pytest.mark.parametrize("chunks", [None, "auto", {"y": 100, "x": 333}, "by xarray"])
@pytest.mark.parametrize("name", ["image", "expression", "bent image"])
def test_coarser_pixels_are_those_of_a_coarser_data_set(chunks, name):
    """Which is the one opened in pixels of the size that is shown, to the bit."""
    source = WatchedNoise()
    more = {"expression": True} if name == "expression" else {}
    if name == "bent image":
        bends = {image_id: bend_of_noise() for image_id in range(100, 103)}
        name, more = "image", {"registration": atldld_xr.Registration(bends=bends)}
    by_xarray = chunks == "by xarray"
    fine = opened(source, chunks=None if by_xarray else chunks, **more)
    fine = (fine.chunk({"coronal": 1, "y": 90}) if by_xarray else fine).isel(coronal=2)
    TILES.reset()
    read = read_section(fine, name, 45.0)
    assert source.told()[1] == {2}
    coarse = opened(source, resolution=40, **more).isel(coronal=2).load()
    np.testing.assert_allclose(read.y, coarse.y)
    np.testing.assert_allclose(read.x, coarse.x)
    coverage = coarse["coverage" if name == "image" else "expression_coverage"]
    np.testing.assert_array_equal(read["coverage"], coverage)
    np.testing.assert_array_equal(read[name], coarse[name])


def test_a_window_is_read_alone():
    source = WatchedNoise()
    fine = opened(source).isel(coronal=2)
    assert read_section(fine, "image", 40.0).sizes["y"] == 200
    TILES.reset()
    source.told()
    part = fine.sel(y=slice(2000, 3000), x=slice(2000, 3000))
    assert read_section(part, "image", 20.0).sizes["y"] == 50
    _, tiers, pixels = source.told()
    assert tiers == {1}
    assert pixels < 0.2 * 901 * 703 / 4
    read_section(part, "image", 1.0)
    assert source.told()[1] == {0}


@pytest.mark.parametrize("chunks", [None, "auto", "xarray's"])
@pytest.mark.parametrize(
    "done",
    [
        lambda ds: ds.isel(coronal=2).assign_coords(y=ds.y + 1000),
        lambda ds: ds.isel(coronal=2, y=slice(1, None, 2)),
        lambda ds: ds.isel(coronal=2, channel=[2, 1, 0]),
        lambda ds: ds.isel(channel=[2, 1, 0]).isel(coronal=2),
        lambda ds: ds.isel(coronal=2, channel=slice(None, None, -1)),
    ],
    ids=["moved", "thinned along y alone", "blue first", "blue first, in two steps", "backwards"],
)
@pytest.mark.parametrize("finest", [50.0, 100.0])
def test_a_picture_is_of_the_datasets_pixels_wherever_it_says_they_are(chunks, done, finest):
    ours = chunks if chunks != "xarray's" else None
    ds = done(opened(NoiseSource(), resolution=50, chunks=ours))
    section = ds.chunk() if chunks == "xarray's" else ds
    read, want = (read_section(one, "image", finest) for one in (section, section.load()))
    np.testing.assert_array_equal(read["image"], want["image"])


@pytest.mark.parametrize("kind", ["loaded", "computed", "stored", "one channel"])
def test_what_is_no_part_of_a_plan_is_averaged(kind, tmp_path):
    ds = opened(NoiseSource(), chunks="auto")[["image", "coverage"]].isel(coronal=[2])
    if kind == "computed":
        ds = ds.assign(image=255 - ds.image)
    elif kind == "one channel":
        ds = ds.isel(channel=0)
    elif kind == "stored":
        ds.atldld.to_zarr(tmp_path / "a.zarr")
        ds = xr.open_zarr(tmp_path / "a.zarr")
    elif kind == "loaded":
        ds = ds.load()
    ds = ds.isel(coronal=0)
    assert coarser(ds, "image", 4) is None
    read = read_section(ds, "image", 40.0)
    values = ds.image.values[:800, :1140].astype(float)
    expected = values.reshape(200, 4, 285, 4, *values.shape[2:]).mean(axis=(1, 3))
    assert read.image.dtype == np.uint8
    assert np.abs(read.image.values - expected).max() <= 0.5
    assert read.coverage.dtype == bool


def test_too_much_for_a_picture_is_refused_before_it_is_read():
    source = WatchedNoise()
    ds = opened(source, resolution=0.5).isel(coronal=0)
    source.told()
    with pytest.raises(InvalidArgumentError, match="364,800,000 pixels is too large"):
        ds.atldld.plot.section(ax=page(), resolution=0.5)
    with pytest.raises(InvalidArgumentError, match="is too large"):  # no plan tells of it
        ds.chunk().assign(image=255 - ds.image.chunk()).atldld.plot.section(ax=page())
    assert not source.seen


def test_a_montage_reads_thumbnails():
    source = WatchedNoise(sections=3)
    TILES.reset()
    opened(source, resolution=5).atldld.plot.montage(figsize=(3, 1))
    ids, tiers, pixels = source.told()
    assert len(ids) == 3
    assert tiers == {2}
    assert pixels < 3 * 901 * 703 / 8


def test_print_is_read_for_and_nothing_finer():
    section = opened(NoiseSource(), resolution=2).isel(coronal=2)
    image = section.atldld.plot.section(ax=page(figsize=(3, 2.2)))
    rows, columns, _ = image.get_array().shape
    assert 600 < columns <= 2 * 900
    assert columns / rows == pytest.approx(11400 / 8000, rel=0.01)
    assert factor_of(section, 1.0) == 1
    np.testing.assert_allclose(image.get_extent(), [0, 11.4, 8, 0], atol=0.01)
    assert image.axes.get_xlim() == (0, 11.4)
    given = section.atldld.plot.section(ax=page(), resolution=200).get_array()
    assert given.shape[:2] == (40, 57)
