"""open_dataset(registration=...): sections lie where others found them, in one resampling.

The truth is a phantom whose record has it 300 um and 4 degrees off; its anchors are the true ones.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

import atldld_xr
from atldld_xr.allen.poses import allen_pose
from atldld_xr.errors import InvalidArgumentError, RegistrationError, StoreError
from atldld_xr.testing import value
from atldld_xr.volumes.to_volume import save_volume
from misplaced import misplaced
from quicknii import DATA, as_json, moved, series_of

AXES = {"coronal": [0, 1, 2], "sagittal": [2, 1, 0]}
PLANES = list(AXES)


@pytest.fixture(params=PLANES)
def true(request, tmp_path):
    """Return a plane, what opens its misplaced phantom, and the file of its true anchors."""
    source, number, data, poses = misplaced(request.param)
    file = tmp_path / "anchors.json"
    file.write_bytes(as_json(series_of(data, poses)))

    def opened(registration=file, **options):
        return atldld_xr.open_dataset(number, source=source, registration=registration, **options)

    return request.param, opened, file


def places(plane, section):
    """Return (p, i, r) of what a section that is read on its own plane should show."""
    y, x = np.meshgrid(section.y, section.x, indexing="ij")
    c = float(section[plane]) + float(section.tilt_y) * (y - float(section.detection_y))
    c = c + float(section.tilt_x) * (x - float(section.detection_x))
    by_axis = dict(zip(AXES[plane], (c, y, x), strict=True))
    return [by_axis[axis] for axis in range(3)]


def test_it_shows_the_formula_where_it_truly_is_and_allens_own_does_not(true):
    plane, opened, _ = true
    part = {"y": slice(2200, 3400), "x": slice(3000, 4400)}
    errors = {}
    for name, options in {"anchors": {}, "allen": {"registration": None}}.items():
        ds = opened(
            resolution=8, tier=0, plane="oblique", interpolation="cubic", chunks=None, **options
        )
        section = ds.isel({plane: ds.sizes[plane] // 2}).sel(part)
        true_values = np.asarray(value(*places(plane, section)), dtype=float)
        apart = section.image.values - true_values
        errors[name] = np.sqrt(np.mean(ndimage.gaussian_filter(apart, (2, 2, 0)) ** 2))
    assert errors["anchors"] < 1
    assert errors["allen"] > 10 * errors["anchors"]


def test_projected_sections_go_along_their_own_normal(true):
    """What a section shows is what lies across from its plane, along the normal of its pose."""
    plane, opened, _ = true
    ds = opened(resolution=100, chunks=None)
    axes = AXES[plane]
    for index in range(0, ds.sizes[plane], 3):
        section = ds.isel({plane: index})
        pose = section.pose.values
        y, x = np.array([1000.0, 5000.0, 7000.0]), np.array([2000.0, 9000.0, 4000.0])
        point = np.ones((4, 3))
        point[axes] = np.full(3, float(section[plane])), y, x
        seen = section.affine.values @ [y, x, np.ones(3)]
        np.testing.assert_allclose(seen, pose[:2] @ point, rtol=0, atol=1e-6)
        # The tilt says where these pixels truly are.
        foot = point[:3] - pose[2, :3, None] * (pose[2] @ point)
        told = float(section[plane]) + float(section.tilt_y) * (y - float(section.detection_y))
        told = told + float(section.tilt_x) * (x - float(section.detection_x))
        np.testing.assert_allclose(foot[axes[0]], told, rtol=0, atol=1e-6)


def test_it_is_told_whole(true):
    plane, opened, file = true
    ds = opened(resolution=200)
    assert ds.attrs["registration"] == f"QuickNII anchors, anchors.json: {ds.sizes[plane]} of " + (
        f"{ds.sizes[plane]} sections"
    )
    assert ds.attrs["registration_source"] == str(file)
    assert len(ds.attrs["registration_digest"]) == 16
    assert ds.registration.dims == (plane,)
    assert ds.registration.dtype == np.uint8
    assert ds.registration.values.all()
    allen = opened(None, resolution=200)
    assert "registration" not in allen.coords
    assert not [name for name in allen.attrs if name.startswith("registration")]
    assert np.abs(np.sort(ds[plane]) - np.sort(allen[plane])).mean() > 50
    assert ds.sizes == allen.sizes
    assert (np.diff(ds[plane]) > 0).all()


@pytest.mark.parametrize("viewed", ["projected", "oblique"])
def test_no_result_depends_on_chunks_or_executor(true, viewed):
    _, opened, _ = true
    options = {"resolution": 400, "plane": viewed, "expression": "intensity"}
    whole = opened(chunks=None, **options).load()
    for chunks in ({"y": 7, "x": 9}, "auto"):
        xr.testing.assert_identical(opened(chunks=chunks, **options).compute(), whole)


def test_a_store_of_it_is_gone_on_with_and_is_not_one_of_allens(true, tmp_path):
    _, opened, _ = true
    ds = opened(resolution=500)
    ds.atldld.to_zarr(tmp_path / "a.zarr")
    again = opened(resolution=500).atldld.to_zarr(tmp_path / "a.zarr")
    assert again.blocks == 0
    back = xr.open_zarr(tmp_path / "a.zarr")
    xr.testing.assert_equal(back.compute(), ds.drop_vars("displacement").compute())
    assert back.attrs["registration_digest"] == ds.attrs["registration_digest"]
    assert back.registration.attrs == ds.registration.attrs
    with pytest.raises(StoreError):
        opened(None, resolution=500).atldld.to_zarr(tmp_path / "a.zarr")
    found = atldld_xr.verify(tmp_path / "a.zarr")
    assert found.problems == ()


def test_a_volume_of_another_registration_is_not_taken_for_it(tmp_path):
    """By which sections are bent otherwise: all else that is told of both volumes is the same."""
    path = tmp_path / "a.nrrd"

    def save(pixels):
        field = xr.DataArray(
            np.full((2, 2, 2), pixels),
            {"y": [0.0, 1000.0], "x": [0.0, 1000.0], "component": ["x", "y"]},
            ("y", "x", "component"),
        )
        bent = atldld_xr.Registration(bends={image.id: field for image in DATA.images})
        ds = atldld_xr.open_dataset("phantom", resolution=500, registration=bent)
        save_volume(ds, path, skip_written=True)
        return path.stat().st_mtime_ns

    assert save(5.0) == save(5.0)
    with pytest.raises(StoreError, match="exists"):
        save(20.0)


def test_sections_without_anchors_lie_by_allens_and_say_so(tmp_path):
    some = DATA.images[::2]
    poses = {image.id: moved(allen_pose(DATA, image), shift=(90, 20, -30)) for image in some}
    file = tmp_path / "some.json"
    file.write_bytes(as_json(series_of(DATA, poses)))
    ds = atldld_xr.open_dataset("phantom", resolution=100, registration=file)
    allen = atldld_xr.open_dataset("phantom", resolution=100)
    assert ds.attrs["registration"].endswith(
        "9 of 17 sections; the others lie by Allen's own affine"
    )
    anchored = np.isin(ds.section_image_id, list(poses))
    assert ds.registration.values.tolist() == anchored.tolist()
    by_id = ds.swap_dims(coronal="section_image_id")
    own = allen.swap_dims(coronal="section_image_id")
    for image in DATA.images:
        one, two = (d.sel(section_image_id=image.id) for d in (by_id, own))
        if image.id in poses:
            assert float(one.coronal - two.coronal) == pytest.approx(90, abs=0.5)
            assert float(one.detection_y - two.detection_y) == pytest.approx(20, abs=0.5)
            assert float(one.detection_x - two.detection_x) == pytest.approx(-30, abs=0.5)
        else:
            xr.testing.assert_identical(one.drop_vars("registration").image, two.image)
    only = ds.isel(coronal=ds.registration == 1)
    assert only.sizes["coronal"] == 9


def test_a_mapping_and_a_registration_are_taken_as_a_file_is(tmp_path):
    poses = {
        image.id: moved(allen_pose(DATA, image), shift=(90, 20, -30), degrees=2)
        for image in DATA.images
    }
    file = tmp_path / "all.json"
    file.write_bytes(as_json(series_of(DATA, poses)))
    options = {"resolution": 200, "plane": "oblique"}  # beside their planes poses may differ
    by_file = atldld_xr.open_dataset("phantom", registration=file, **options)
    read = atldld_xr.read_registration(file, dataset="phantom")
    by_hand = {key: np.asarray(pose.matrix) for key, pose in poses.items()}
    given = [read, poses, by_hand, atldld_xr.Registration(poses, "mine"), str(file)]
    for registration in given:
        ds = atldld_xr.open_dataset("phantom", registration=registration, **options)
        for name in ("coronal", "affine", "tilt_y", "detection_x"):
            np.testing.assert_allclose(ds[name], by_file[name], rtol=1e-7, atol=1e-7)
        one, two = (some.image[8].values.astype(int) for some in (ds, by_file))
        assert np.abs(one - two).max() <= 1
    assert ds.attrs["registration"].startswith("QuickNII anchors")


def test_poses_are_of_the_space_that_the_data_set_is_registered_to(true):
    plane, opened, _ = true
    ds, mirrored = opened(resolution=200), opened(resolution=200, reference_space=9)
    if plane == "coronal":
        ds, mirrored = opened(resolution=200, reference_space=10), ds
    pose = ds.pose.values.copy()
    if plane == "sagittal":
        order = np.argsort(-ds[plane].values)
        pose = pose[order]
    pose[..., 3] += 11350 * pose[..., 2]
    pose[..., 2] *= -1
    np.testing.assert_allclose(mirrored.pose, pose, rtol=0, atol=1e-6)


def test_what_cannot_be_is_refused_before_or_after_the_metadata(tmp_path):
    for bad in (3, b"a.json", ["a.json"], object()):
        with pytest.raises(InvalidArgumentError, match=r"no registration|no path"):
            atldld_xr.open_dataset(12, source=tmp_path, registration=bad)
    with pytest.raises(InvalidArgumentError, match="no section image's id"):
        atldld_xr.open_dataset(12, source=tmp_path, registration={"a": 3})
    with pytest.raises(RegistrationError, match="there is no file"):
        atldld_xr.open_dataset("phantom", registration=tmp_path / "none.json")
    some = DATA.images[3:5]
    swapped = {
        some[0].id: moved(allen_pose(DATA, some[0]), shift=(-900, 0, 0)),
        some[1].id: allen_pose(DATA, some[1]),
    }
    with pytest.raises(RegistrationError, match="wrong order"):
        atldld_xr.open_dataset("phantom", registration=swapped)
    kept = atldld_xr.Registration(swapped, "as it is")
    ds = atldld_xr.open_dataset("phantom", resolution=200, registration=kept)
    assert ds.registration.sum() == 2


def test_anomalies_that_were_kept_are_told(tmp_path):
    one = DATA.images[3]
    poses = {image.id: allen_pose(DATA, image) for image in DATA.images}
    poses[one.id] = moved(poses[one.id], shift=(900, 0, 0))
    file = tmp_path / "a.json"
    file.write_bytes(as_json(series_of(DATA, poses)))
    kept = atldld_xr.read_registration(file, dataset="phantom", anomalies="keep")
    assert len(kept.anomalies) == 1
    assert repr(kept) == "<Registration 'QuickNII anchors, a.json': 17 sections, 1 anomaly>"
    ds = atldld_xr.open_dataset("phantom", resolution=200, registration=kept)
    assert "wrong order" in ds.attrs["registration_anomalies"]
    assert (np.diff(ds.coronal) > 0).all()


def test_the_engine_takes_it():
    parameters = inspect.signature(atldld_xr.open_dataset).parameters
    assert "registration" in parameters
    poses = {image.id: allen_pose(DATA, image) for image in DATA.images}
    ds = xr.open_dataset("allen:phantom", engine="atldld", resolution=200, registration=poses)
    assert ds.registration.all()
