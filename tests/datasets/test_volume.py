"""open_volume beside a plain loop over voxels, and every way of making it beside the others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.poses import allen_pose
from atldld_xr.arrays.plain_loop import load_volume
from atldld_xr.arrays.volume_variables import VolumeVariable, volume_variables
from atldld_xr.datasets.plan_volume import plan_volume
from atldld_xr.errors import InvalidArgumentError, SectionImageError
from atldld_xr.plan.bend import Bend
from atldld_xr.plan.bent_section import BentSectionPlan
from atldld_xr.sources.phantom import PhantomSource
from turned import distances, turned

METHODS = ("nearest", "linear")
PHANTOMS = {
    # Few and coarse, and as oblique as any on record: 5.5 and 10 degrees, and then some.
    "coronal": turned(resolution=64.0, count=15, spacing=24, first=60, turn=(1.0, 4.0, -4.0)),
    "sagittal": turned("sagittal", resolution=64.0, count=7, spacing=16, first=10, turn=(9, 5, 1)),
}
RESOLUTION = 200


@pytest.fixture(scope="module")
def opened():
    """Return every volume, by plane and method, loaded without Dask."""
    return {
        (plane, method): open_volume(plane, method, chunks=None).load()
        for plane in PHANTOMS
        for method in METHODS
    }


def open_volume(plane, method="nearest", **more):
    phantom = PHANTOMS[plane]
    more = {"resolution": RESOLUTION, "source": PhantomSource((phantom,))} | more
    return atldld_xr.open_volume(phantom.id, method=method, **more)


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


def voxel(data, point, far, method, planned, sections, tiers):
    """Return the colour, distance and section of one voxel; None, None and 0 where it has none."""
    read = [
        (abs(d), image, sample(data, image, point, sections, tiers))
        for d, image in zip(far, data.images, strict=True)
    ]
    before = [n for n, d in enumerate(far) if d >= 0]
    if method == "linear":
        if not before or len(before) == len(far):
            return None, None, 0
        lower, upper = read[before[-1]], read[before[-1] + 1]
        gap = lower[0] + upper[0]
        if lower[2] is not None and upper[2] is not None and gap <= planned.max_gap * (1 + 1e-9):
            weight = lower[0] / gap
            nearest = min(lower, upper, key=lambda one: one[0])
            return (1 - weight) * lower[2] + weight * upper[2], nearest[0], nearest[1].id
        read = [one for one in (lower, upper) if one[2] is not None]
    if not read:
        return None, None, 0
    distance, image, pixel = min(read, key=lambda one: one[0])
    if pixel is None or distance > planned.max_distance * (1 + 1e-9):
        return None, None, 0
    return pixel, distance, image.id


def sample(data, image, point, sections, tiers):
    """Return the mean of a section's samples at a point, None outside of the image."""
    section = sections[image.id]
    n = section.subsamples
    steps = ((np.arange(n) + 0.5) / n - 0.5) * RESOLUTION
    a, b = np.meshgrid(steps, steps, indexing="ij")
    at = np.repeat(point[None], n * n, axis=0)
    at[:, data.plane.y_axis] += a.ravel()
    at[:, data.plane.x_axis] += b.ravel()
    (x, y), (x0, y0) = (to_image(data, image, p) for p in (at.T, point))
    if not (-0.5 <= x0 < image.width - 0.5 and -0.5 <= y0 < image.height - 0.5):
        return None
    scale = 2**section.sampled_tier
    # The kernel takes positions to 1/32 of a pixel.
    x, y = (np.rint(((at + 0.5) / scale - 0.5) * 32) / 32 for at in (x, y))
    pixels = tiers[image.id]
    return np.array([map_coordinates(c, [y, x], order=1, mode="nearest").mean() for c in pixels])


def to_image(data, image, points):
    """Return where points (3, ...) are in a section image, by Allen's matrices or a pose."""
    if isinstance(data, Posed):
        matrix = data.poses[image.id][:2]
        return np.tensordot(matrix[:, :3], points, 1) + matrix[:, 3:].reshape(
            2, *[1] * (points.ndim - 1)
        )
    trv, tvs = np.asarray(data.trv), np.asarray(image.tvs)
    shape = (2, *[1] * (points.ndim - 1))
    volume = np.tensordot(trv[:2, :3], points, 1) + trv[:2, 3:].reshape(shape)
    return np.tensordot(tvs[:, :2], volume, 1) + tvs[:, 2:].reshape(shape)


@dataclass(frozen=True)
class Posed:
    """A data set whose sections lie by poses of their own."""

    plane: object
    images: tuple
    poses: dict


def test_sections_need_not_be_parallel():
    phantom = PHANTOMS["coronal"]
    data = parse_dataset(phantom.record)
    rng = np.random.default_rng(2)
    poses = {}
    for image in data.images:  # turned by up to 2 degrees, and moved by up to 60 um
        turn = np.linalg.qr(np.eye(3) + rng.uniform(-0.035, 0.035, (3, 3)))[0]
        turn *= np.sign(np.diag(turn))
        middle, shift = np.array([6600.0, 4000, 5700]), rng.uniform(-60, 60, 3)
        back = np.column_stack([turn.T, middle - turn.T @ (middle + shift)])
        poses[image.id] = np.asarray(allen_pose(data, image).matrix) @ np.vstack(
            [back, [0, 0, 0, 1]]
        )
    volume = open_volume("coronal", "linear", registration=poses, chunks=None).load()
    lazy = open_volume("coronal", "linear", registration=poses, chunks={"coronal": 11, "x": 20})
    xr.testing.assert_identical(lazy.compute(scheduler="sync"), volume)
    source = PhantomSource((phantom,))
    planned = plan_volume(
        data.id, resolution=RESOLUTION, method="linear", registration=poses, source=source
    ).volumes["image"]
    sections = {one.section.image.id: one.section for one in planned.sections}
    tiers = {image.id: whole(source, sections[image.id]) for image in data.images}
    posed = Posed(data.plane, data.images, poses)
    shape = volume.coverage.shape
    index = np.stack([rng.integers(0, size, 1500) for size in shape], axis=1)
    points = (index + 0.5) * RESOLUTION
    seen = 0
    for at, point in zip(index, points, strict=True):
        far = np.array([poses[image.id][2] @ [*point, 1] for image in data.images])
        pixel, distance, image = voxel(posed, point, far, "linear", planned, sections, tiers)
        one = {n: v.values[tuple(at)] for n, v in volume.data_vars.items()}
        assert one["coverage"] == (pixel is not None)
        if pixel is not None:
            seen += 1
            assert np.abs(one["image"] - pixel).max() <= 1
            assert one["section"] == image
            assert abs(one["distance"] - distance) < 0.01
    assert seen > 500


def whole(source, section):
    """Return a section's sampled tier, whole, channel by channel."""
    from atldld_xr.arrays.fetch import fetch_tile

    rows, columns = section.tile_grid
    lines = [
        np.hstack([fetch_tile(source, section, (r, c), "image", "raise") for c in range(columns)])
        for r in range(rows)
    ]
    return np.moveaxis(np.vstack(lines).astype(np.float64), -1, 0)


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


def test_bent_sections_are_cut_as_others():
    """A bend of nothing changes nothing, and one by so many pixels is an affine that moves."""
    source = PhantomSource((PHANTOMS["coronal"],))
    planned = plan_volume(
        PHANTOMS["coronal"].id, resolution=RESOLUTION, method="linear", chunks=23, source=source
    )
    for off in ((0.0, 0.0), (13.0, -9.0)):
        moved, bent = [], []
        for one in planned.volumes["image"].sections:
            (ax, bx, cx), (ay, by, cy) = one.section.affine
            affine = ((ax, bx, cx + off[0]), (ay, by, cy + off[1]))
            moved.append(replace(one, section=replace(one.section, affine=affine)))
            fields = {f: getattr(one.section, f) for f in one.section.__dataclass_fields__}
            bend = Bend.of(np.tile(off, (3, 4, 1)), (-0.5, -0.5), (70.0, 80.0))
            bent.append(replace(one, section=BentSectionPlan(**fields, bend=bend)))
        found = []
        for sections in (moved, bent):
            reading = planned.volumes["image"].reading
            reading = replace(reading, sections=tuple(one.section for one in sections))
            plan = replace(planned.volumes["image"], reading=reading, sections=tuple(sections))
            variables = volume_variables("image", plan, (0, 1, 2), planned.variables[0].chunks)
            found.append([load_volume(variable, source) for variable in variables])
        (image, *geometry), (bent_image, *bent_geometry) = found
        for one, other in zip(geometry, bent_geometry, strict=True):
            np.testing.assert_array_equal(one, other)
        # Positions are rounded once, and those of an affine as a sum of two.
        assert np.abs(image.astype(int) - bent_image).max() <= 1
