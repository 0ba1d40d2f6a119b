"""open_volume beside a plain loop over voxels, and every way of making it beside the others."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.arrays.plain_loop import load_volume
from atldld_xr.arrays.volume_variables import VolumeVariable
from atldld_xr.datasets.plan_volume import plan_volume
from atldld_xr.errors import InvalidArgumentError, SectionImageError
from atldld_xr.sources.phantom import PhantomSource
from turned import distances, turned
from voxels import PHANTOMS, RESOLUTION, open_volume, voxel, whole

METHODS = ("nearest", "linear")


@pytest.fixture(scope="module")
def opened():
    """Return every volume, by plane and method, loaded without Dask."""
    return {
        (plane, method): open_volume(plane, method, chunks=None).load()
        for plane in PHANTOMS
        for method in METHODS
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("plane", list(PHANTOMS))
def test_every_voxel_is_that_of_a_plain_loop(opened, plane, method):
    volume = opened[plane, method]
    data = parse_dataset(PHANTOMS[plane].record)
    source = PhantomSource((PHANTOMS[plane],))
    planned = plan_volume(data.id, resolution=RESOLUTION, method=method, source=source).volumes[
        "image"
    ]
    sections = {one.section.image.id: one.section for one in planned.sections}
    tiers = {image.id: whole(source, sections[image.id]) for image in data.images}
    rng = np.random.default_rng(8)
    index = np.stack([rng.integers(0, size, 2000) for size in volume.coverage.shape], axis=1)
    points = (index + 0.5) * RESOLUTION
    away = distances(data, points)
    assert 0.1 < volume.coverage.values[tuple(index.T)].mean() < 1  # there is something to see
    for at, point, far in zip(index, points, away, strict=True):
        pixel, distance, image = voxel(data, point, far, method, planned, sections, tiers)
        one = {n: v.values[tuple(at)] for n, v in volume.data_vars.items()}
        assert one["coverage"] == (pixel is not None)
        if pixel is None:
            assert (one["image"] == 255).all()
            assert one["section"] == 0
            assert np.isnan(one["distance"])
        else:
            assert np.abs(one["image"] - pixel).max() <= 1
            assert one["section"] == image
            assert abs(one["distance"] - distance) < 0.01


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_chunks_and_any_slice_give_the_same_bits(opened, data):
    plane = data.draw(st.sampled_from(list(PHANTOMS)))
    method = data.draw(st.sampled_from(METHODS))
    whole = opened[plane, method]
    side = st.integers(1, 80)
    chunks = {name: data.draw(side) for name in data.draw(st.sets(st.sampled_from("yx")))}
    chunks["coronal"] = data.draw(st.integers(7, 66))
    lazy = open_volume(plane, method, chunks=data.draw(st.sampled_from([chunks, "auto", None])))
    index = {}
    for name in ("coronal", "y", "x"):
        start = data.draw(st.integers(0, whole.sizes[name] - 1))
        stop = data.draw(st.integers(start + 1, min(start + 30, whole.sizes[name])))
        index[name] = slice(start, stop, data.draw(st.integers(1, 3)))
    xr.testing.assert_identical(lazy.isel(index).compute(scheduler="sync"), whole.isel(index))


@pytest.mark.parametrize("plane", list(PHANTOMS))
def test_every_executor_gives_the_same_bits(opened, plane):
    source = PhantomSource((PHANTOMS[plane],))
    planned = plan_volume(
        PHANTOMS[plane].id, resolution=RESOLUTION, method="linear", chunks=23, source=source
    )
    lazy = open_volume(plane, "linear", chunks={"coronal": 50})
    xr.testing.assert_identical(lazy.compute(scheduler="threads"), opened[plane, "linear"])
    for variable in planned.variables:
        assert isinstance(variable, VolumeVariable)
        by_loop = load_volume(variable, source)
        np.testing.assert_array_equal(by_loop, opened[plane, "linear"][variable.name].values)


class Recorded(PhantomSource):
    """Counts what is read."""

    def read(self, image, tile, view):
        READ.append((image.id, tile, view))
        return super().read(image, tile, view)


READ: list = []


@pytest.mark.parametrize("plane", list(PHANTOMS))
def test_each_tile_is_fetched_once(plane):
    source = Recorded((PHANTOMS[plane],))
    lazy = open_volume(plane, "linear", source=source, chunks=20, resolution=100, tier=1)
    READ.clear()
    dask.compute(lazy.image.data, lazy.coverage.data, scheduler="threads")
    assert len(READ) == len(set(READ)) == len(PHANTOMS[plane].record["section_images"]) - 1
    plan = plan_volume(
        PHANTOMS[plane].id, resolution=100, tier=1, method="linear", source=source
    ).volumes["image"]
    needs = plan.needs(plan.whole)
    planned = {(plan.sections[n].section.image.id, at) for n, own in needs.items() for at in own}
    assert len(planned) >= len(READ)
    # One plane is read from the sections that it cuts, and no others.
    READ.clear()
    across = "coronal" if plane == "coronal" else "x"
    section = lazy.section.isel({across: lazy.sizes[across] // 2}).compute(scheduler="sync")
    assert not READ  # geometry alone
    open_volume(plane, "linear", source=source, resolution=100, chunks=None).image.isel(
        {across: lazy.sizes[across] // 2}
    ).load()
    seen = {image for image, _, _ in READ}
    assert set(np.unique(section)) - {0} <= seen
    assert len(seen) < len(PHANTOMS[plane].record["section_images"]) - 2


@pytest.mark.parametrize("plane", list(PHANTOMS))
def test_planes_of_an_untilted_data_set_are_those_of_open_dataset(plane):
    phantom = turned(plane, resolution=64.0, count=8, spacing=40, first=60, turn=(0, 0, 0))
    if plane == "sagittal":
        phantom = turned(plane, resolution=64.0, count=7, spacing=16, first=10, turn=(0, 0, 0))
    source = PhantomSource((phantom,))
    flat = atldld_xr.open_dataset(phantom.id, resolution=50, chunks=None, source=source).load()
    volume = atldld_xr.open_volume(phantom.id, resolution=50, chunks=None, source=source)
    dim, across = (plane, "coronal") if plane == "coronal" else (plane, "x")
    for at, coordinate in enumerate(flat[dim].values):
        plane_of = volume.sel({across: coordinate}, method="nearest")
        if plane == "sagittal":
            plane_of = plane_of.transpose("y", "coronal", ...)
        shown = flat.isel({dim: at})
        assert (plane_of.section.values == int(shown.section_image_id))[shown.coverage].all()
        np.testing.assert_array_equal(plane_of.image.values, shown.image.values)
        np.testing.assert_array_equal(plane_of.coverage.values, shown.coverage.values)


@pytest.mark.parametrize("plane", list(PHANTOMS))
def test_masks_are_of_the_nearest_section(plane):
    near = open_volume(plane, expression="intensity", chunks=None).load()
    between = open_volume(plane, "linear", expression="intensity", chunks=None).load()
    np.testing.assert_array_equal(near.expression.values, between.expression.values)
    assert near.expression.dims == ("coronal", "y", "x")
    assert not near.expression.values[~near.expression_coverage.values].any()
    assert near.expression.values.any()


class Failing(PhantomSource):
    """Cannot give the tiles of one section."""

    def read(self, image, tile, view):
        if image.section_number == FAILS:
            raise SectionImageError(image.id, "nowhere", "it is not there")
        return super().read(image, tile, view)


FAILS = 204


@pytest.mark.parametrize("chunks", [None, {"coronal": 20}, 40])
@pytest.mark.parametrize("method", METHODS)
def test_a_section_that_cannot_be_read_leaves_its_voxels_empty(opened, method, chunks):
    source = Failing((PHANTOMS["coronal"],))
    with pytest.raises(SectionImageError, match="it is not there"):
        open_volume("coronal", method, source=source, chunks=chunks).image.load(scheduler="sync")
    volume = open_volume("coronal", method, source=source, chunks=chunks, on_error="fill")
    volume = volume.load(scheduler="sync")
    failed = int(volume.section_image_id[volume.section_number == FAILS][0])
    assert not (volume.section == failed).any()
    assert volume.status.values[volume.section_number.values == FAILS] == [1]
    assert volume.status.values.sum() == 1
    whole = opened["coronal", method]
    same = volume.coverage.values & (volume.section.values == whole.section.values)
    if method == "nearest":
        assert (same == (whole.coverage.values & (whole.section.values != failed))).all()
        np.testing.assert_array_equal(volume.image.values[same], whole.image.values[same])
    assert (volume.image.values[~volume.coverage.values] == 255).all()
    # What lay between it and its neighbours is read from these alone, as far as that goes.
    assert (volume.distance.values[volume.coverage.values] <= 309).all()
    assert not (volume.coverage.values & ~whole.coverage.values).any()


def test_distances_and_gaps_are_as_far_as_is_said():
    near = open_volume("coronal", max_distance=50, chunks=None).load()
    assert near.coverage.any()
    assert near.distance.max() <= 50
    wide = open_volume("coronal", "linear", max_distance=0, max_gap=1e4, chunks=None).load()
    narrow = open_volume("coronal", "linear", max_distance=0, max_gap=10, chunks=None).load()
    assert wide.distance.max() > 250
    assert not narrow.coverage.any()
    assert near.attrs["max_distance"] == 50.0
    assert near.attrs["resolution_across_sections"].endswith("finer voxels are repetition")


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "cubic"},
        {"max_distance": -1},
        {"max_distance": float("nan")},
        {"max_gap": "200"},
        {"max_gap": True},
        {"chunks": {"z": 3}},
        {"chunks": 0},
        {"resolution": 0},
    ],
)
def test_what_cannot_work_is_refused(wrong):
    with pytest.raises(InvalidArgumentError):
        open_volume("coronal", **{"method": "nearest", **wrong})


def test_points_go_to_the_sections_of_a_volume_and_back():
    volume = open_volume("sagittal", chunks=None)
    flat = atldld_xr.open_dataset(
        PHANTOMS["sagittal"].id, source=PhantomSource((PHANTOMS["sagittal"],)), resolution=200
    )
    points = [[6600.0, 4000.0, 3000.0], [5000.0, 3000.0, 2500.0]]
    found, expected = (ds.atldld.to_image(points) for ds in (volume, flat))
    order = [flat.section_image_id.values.tolist().index(i) for i in volume.section_image_id.values]
    np.testing.assert_array_equal(found.values, expected.values[order])
    for method in (volume.atldld.annotation, volume.atldld.true_coordinate):
        with pytest.raises(InvalidArgumentError, match="this is a volume"):
            method()
