"""plane="oblique": what is shown at (y, x) is the tissue of (c(y, x), y, x), and c is told."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import atldld_xr
from atldld_xr.allen.cuts import plane_of
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.poses import SectionPose, allen_pose
from atldld_xr.allen.reference import CORONAL, PLANES, Grid, get_space
from atldld_xr.datasets.placed import place_images
from atldld_xr.errors import InvalidArgumentError, MetadataError, StoreError
from atldld_xr.testing import value
from tilted import AXES, TILTS, open_tilted, tilted_source, true_places


@pytest.mark.parametrize("anchor", ["center", "edge"])
@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize("plane", list(TILTS))
def test_what_is_shown_lies_where_it_is_shown(plane, space, anchor):
    source, number = tilted_source(plane)
    data = parse_dataset(source.dataset_record(number))
    y, x = (a.ravel() for a in np.meshgrid([500.0, 4000, 7500], [500.0, 6000, 11000]))
    across = AXES[plane][0]
    off = {}
    for viewed in ("oblique", "projected"):
        ds = open_tilted(plane, reference_space=space, anchor=anchor, plane=viewed)
        worst = 0.0
        for index in range(0, ds.sizes[plane], 3):
            section = ds.isel({plane: index})
            there = true_places(ds, data, section, y, x)
            if space != data.reference_space_id:
                there[:, 2] = 11350 - there[:, 2]
            told = section[plane].values + section.tilt_y.values * (y - section.detection_y.values)
            told = told + section.tilt_x.values * (x - section.detection_x.values)
            np.testing.assert_allclose(there[:, across], told, rtol=0, atol=0.2)
            apart = there[:, AXES[plane][1:]] - np.stack([y, x], -1)
            worst = max(worst, np.abs(apart).max())
        off[viewed] = worst
    assert off["oblique"] < 0.2  # matrices are rounded, each by itself
    assert off["projected"] > 40


@pytest.mark.parametrize("plane", list(TILTS))
def test_it_is_the_phantoms_own_formula(plane):
    part = {"y": slice(2200, 3400), "x": slice(1200, 2600)}
    errors = {}
    for viewed in ("oblique", "projected"):
        ds = open_tilted(plane, resolution=8, tier=0, plane=viewed, interpolation="cubic")
        section = ds.isel({plane: ds.sizes[plane] // 2}).sel(part)
        shown = section.image.values.astype(float)
        oblique = open_tilted(plane, resolution=8, plane="oblique").isel(
            {plane: ds.sizes[plane] // 2}
        )
        y, x = np.meshgrid(section.y, section.x, indexing="ij")
        c = float(oblique[plane]) + float(oblique.tilt_y) * (y - float(oblique.detection_y))
        c = c + float(oblique.tilt_x) * (x - float(oblique.detection_x))
        point = [None] * 3
        for axis, values in zip(AXES[plane], (c, y, x), strict=True):
            point[axis] = values
        true = np.asarray(value(*point), dtype=float)
        # Cells are a pixel or two wide: what reading between pixels makes of them is left out.
        apart = ndimage.gaussian_filter(shown - true, (2, 2, 0))
        errors[viewed] = np.sqrt(np.mean(apart**2))
    assert errors["oblique"] < 1
    assert errors["projected"] > 3 * errors["oblique"]


def test_without_tilt_both_are_one():
    pair = [open_tilted("coronal", 0.0, resolution=200, plane=p) for p in ("oblique", "projected")]
    for name in ("coronal", "affine", "tilt_y", "tilt_x"):
        np.testing.assert_allclose(pair[0][name], pair[1][name], rtol=0, atol=1e-2)
    apart = pair[0].image.values.astype(int) - pair[1].image.values
    assert np.abs(apart).max() <= 1


def test_it_is_told_and_is_another_thing_in_a_store(tmp_path):
    ds = open_tilted("coronal", resolution=500, plane="oblique")
    assert ds.attrs["plane"] == "oblique"
    assert "plane" not in open_tilted("coronal", resolution=500).attrs
    ds.atldld.to_zarr(tmp_path / "a.zarr")
    with pytest.raises(StoreError):
        open_tilted("coronal", resolution=500).atldld.to_zarr(tmp_path / "a.zarr")


@pytest.mark.parametrize("plane", ["label", None, 1, ["oblique"]])
def test_another_plane_is_refused(plane):
    with pytest.raises(InvalidArgumentError, match="projected, oblique"):
        atldld_xr.open_dataset("phantom", plane=plane)


def test_a_section_along_the_axis_is_refused_by_its_name():
    assert open_tilted("coronal", 80, resolution=500, plane="oblique").sizes["coronal"]
    open_tilted("coronal", 86, resolution=500)
    with pytest.raises(MetadataError, match=r"section image 91000\d+ cannot .* own plane"):
        open_tilted("coronal", 86, resolution=500, plane="oblique")
    nan = SectionPose.of(np.full((3, 4), np.nan))
    with pytest.raises(MetadataError):
        plane_of(nan, CORONAL)


@pytest.mark.parametrize("viewed", ["oblique", "projected"])
@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize("plane", list(TILTS))
def test_sections_are_placed_by_given_poses(plane, space, viewed):
    """Allen's own, given, are as without: but for the direction that is rounded by itself."""
    source, number = tilted_source(plane)
    data = parse_dataset(source.dataset_record(number))
    grid = Grid(data.plane, get_space(space), 25, "edge")
    poses = {image.id: allen_pose(data, image) for image in data.images}
    given = place_images(data, grid, plane=viewed, poses=poses)
    for own, other in zip(place_images(data, grid, plane=viewed), given, strict=True):
        assert own.image is other.image
        np.testing.assert_allclose(own.point, other.point, rtol=0, atol=0.3)
        np.testing.assert_allclose(own.pose.matrix, other.pose.matrix, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(own.tilt, other.tilt, rtol=0, atol=1e-5)
        corners = np.array([[0, *[n - 1 for n in grid.shape]], [0, 0, 400], [1, 1, 1]])
        apart = (own.affine - other.affine) @ corners
        assert np.abs(apart).max() < 0.02
    moved = np.asarray(poses[data.images[0].id].matrix).copy()
    moved[:, 3] -= moved[:, :3] @ [300.0, 20.0, -40.0]  # all points lie that much further on
    one = {data.images[0].id: SectionPose.of(moved)}
    (before,) = (p for p in given if p.image is data.images[0])
    (after,) = (
        p for p in place_images(data, grid, plane=viewed, poses=one) if p.image is data.images[0]
    )
    mirrored = space != data.reference_space_id
    expected = [300.0, 20.0, 40.0 if mirrored else -40.0]
    np.testing.assert_allclose(after.point - before.point, expected, rtol=0, atol=1e-6)


def test_planes_are_affine_in_y_and_x():
    for number, plane in PLANES.items():
        source, dataset = tilted_source("coronal" if number == 1 else "sagittal")
        data = parse_dataset(source.dataset_record(dataset))
        pose = allen_pose(data, data.images[2])
        row = plane_of(pose, plane)
        y, x = np.random.default_rng(1).uniform(0, 9000, (2, 20))
        point = np.ones((4, 20))
        point[plane.y_axis], point[plane.x_axis] = y, x
        point[plane.section_axis] = row @ [y, x, np.ones(20)]
        np.testing.assert_allclose(pose.across @ point, 0, rtol=0, atol=1e-8)
