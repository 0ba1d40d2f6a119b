"""Displacement fields of section images: what is taken of them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.allen.poses import SectionPose, allen_pose
from atldld_xr.errors import InvalidArgumentError, RegistrationError
from atldld_xr.registration.fields import as_bend
from quicknii import DATA

IMAGE = DATA.images[6]


def field_of(values, **more):
    """Return a field over all of a section image, from (rows, columns, 2) values."""
    rows, columns = np.shape(values)[:2]
    coords = {
        "y": np.linspace(-0.5, IMAGE.height - 0.5, rows),
        "x": np.linspace(-0.5, IMAGE.width - 0.5, columns),
    }
    return xr.DataArray(values, dims=("y", "x", "component"), coords=coords | more)


def test_a_field_is_linear_between_its_places_whatever_the_order_of_its_dimensions():
    values = np.random.default_rng(2).uniform(-30, 30, (5, 7, 2)).astype(np.float32)
    field = field_of(values)
    y, x = np.random.default_rng(3).uniform([[0], [0]], [[IMAGE.height], [IMAGE.width]], (2, 50))
    expected = field.interp(y=xr.DataArray(y, dims="k"), x=xr.DataArray(x, dims="k"))
    for some in (field, field.transpose("component", "x", "y")):
        found = np.stack(as_bend(1, some).at(x, y), -1)
        np.testing.assert_allclose(found, expected.transpose("k", "component"), atol=1e-3)
    off = as_bend(1, field).at(np.array([-500.0]), np.array([1e5]))
    np.testing.assert_allclose(np.ravel(off), values[-1, 0])


@pytest.mark.parametrize(
    ("field", "told"),
    [
        (3, "is a DataArray with the dimensions y, x and component, not 3"),
        (np.zeros((2, 2, 2)), "is a DataArray"),
        (field_of(np.zeros((2, 2, 2))).rename(y="i"), "is a DataArray"),
        (field_of(np.zeros((2, 2, 3))), "with 3 components"),
        (field_of(np.zeros((1, 2, 2))), "1 x 2 places"),
        (field_of(np.full((2, 2, 2), np.nan)), "no numbers from"),
        (field_of(np.full((2, 2, 2), 1e9)), "no numbers from"),
        (field_of(np.full((2, 2, 2), "a")), "and not of numbers"),
        (field_of(np.zeros((3, 2, 2))).drop_vars("y"), "no coordinate y"),
        (field_of(np.zeros((3, 2, 2)), y=[0.0, 1.0, 5.0]), "does not ascend in equal steps"),
        (field_of(np.zeros((3, 2, 2)), x=[5.0, 1.0]), "does not ascend in equal steps"),
        (field_of(np.zeros((3, 2, 2)), x=[np.nan, 1.0]), "does not ascend in equal steps"),
    ],
)
def test_what_is_no_field_is_refused_by_the_images_id(field, told):
    with pytest.raises(InvalidArgumentError, match=f"displacement of section image 17.*{told}"):
        atldld_xr.Registration(bends={17: field})


def test_ids_are_checked_as_those_of_poses():
    for bad in (3, {"a": field_of(np.zeros((2, 2, 2)))}):
        with pytest.raises(InvalidArgumentError, match="section image"):
            atldld_xr.Registration(bends=bad)
    for texts in ({"name": 5}, {"address": None}):
        with pytest.raises(InvalidArgumentError, match="name and address of a registration"):
            atldld_xr.Registration(**texts)
    other = atldld_xr.Registration(bends={5: field_of(np.zeros((2, 2, 2)))})
    with pytest.raises(RegistrationError, match="no section image of section data set"):
        atldld_xr.open_dataset("phantom", registration=other)


def shifted(pose, by):
    """Return a pose by which all pixels are some further on."""
    matrix = np.array(pose.matrix)
    matrix[:2, 3] += by
    return SectionPose.of(matrix)


@pytest.mark.parametrize("with_pose", [False, True])
@pytest.mark.parametrize("plane", ["projected", "oblique"])
def test_it_is_composed_with_allens_affine_or_with_a_pose(plane, with_pose):
    by = (37.25, -21.5)
    allen = allen_pose(DATA, IMAGE)
    pose = shifted(allen, (100.0, 50.0)) if with_pose else allen
    field = field_of(np.broadcast_to(by, (4, 4, 2)))
    registration = atldld_xr.Registration(
        {IMAGE.id: pose} if with_pose else {}, "mine", bends={IMAGE.id: field}
    )
    options = {"resolution": 50, "plane": plane, "chunks": None}
    bent = atldld_xr.open_dataset("phantom", registration=registration, **options)
    assert bent.registration.values.sum() == 1
    assert bent.attrs["registration"] == (
        "mine: 1 of 17 sections; the others lie by Allen's own affine"
    )
    index = int(np.flatnonzero(bent.section_image_id == IMAGE.id)[0])
    start = bent if with_pose else atldld_xr.open_dataset("phantom", **options)
    affine = start.affine[index].values + np.array([[0, 0, by[0]], [0, 0, by[1]]])
    # One resampling: as an affine that is that much further on would show it.
    straight = atldld_xr.open_dataset(
        "phantom", registration={IMAGE.id: shifted(pose, by)}, **options
    )
    one = bent.image[index].values.astype(int)
    if plane == "oblique":
        two = straight.image.sel(coronal=straight.coronal[straight.registration == 1][0])
        assert np.abs(one - two.values).max() <= 1
    assert np.abs(one - start.image[index].values).max() > 20 or with_pose
    rows = np.arange(bent.sizes["y"])[:, None] * np.ones(bent.sizes["x"])
    columns = np.arange(bent.sizes["x"]) * np.ones((bent.sizes["y"], 1))
    full = np.einsum("ct,tyx->yxc", affine, np.stack([*np.meshgrid(
        bent.y, bent.x, indexing="ij"), np.ones_like(rows)]))  # fmt: skip
    tier = int(bent.tier[index])
    at = bent.displacement[index].values + np.stack([columns, rows], -1)
    x, y = IMAGE.x % 2**tier, IMAGE.y % 2**tier
    np.testing.assert_allclose(at, (full + 0.5 + [x, y]) / 2**tier - 0.5, atol=2e-3)


def test_points_of_bent_sections_say_that_they_are_by_poses_alone():
    field = field_of(np.full((2, 2, 2), 9.0))
    bent = atldld_xr.open_dataset(
        "phantom", resolution=400, registration=atldld_xr.Registration(bends={IMAGE.id: field})
    )
    for made in (bent.atldld.to_image([1, 2, 3]), bent.atldld.to_reference([1, 2])):
        assert "bent besides is left out" in made.attrs["comment"]
    straight = atldld_xr.open_dataset("phantom", resolution=400)
    assert "comment" not in straight.atldld.to_image([1, 2, 3]).attrs
