"""Points and true coordinates, beside the matrices that they come of and the service's answers."""

from __future__ import annotations

import csv
import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.allen import transforms
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.poses import SectionPose
from atldld_xr.errors import InvalidArgumentError
from recorded import ALLEN
from tilted import AXES, TILTS, open_tilted, tilted_source, true_places

VIEWED = ("projected", "oblique")


@pytest.fixture(params=list(TILTS))
def plane(request):
    return request.param


@pytest.mark.parametrize("space", [9, 10])
def test_forward_then_back(plane, space):
    ds = open_tilted(plane, resolution=400, reference_space=space)
    pixels = np.random.default_rng(1).uniform(-500, 3000, (40, 2))
    points = ds.atldld.to_reference(pixels)
    assert points.dims == (plane, "point", "component")
    assert points.component.values.tolist() == ["p", "i", "r"]
    assert points.attrs["units"] == "micrometer"
    back = ds.atldld.to_image(points)
    assert back.dims == points.dims
    assert back.component.values.tolist() == ["x", "y"]
    np.testing.assert_allclose(back, np.broadcast_to(pixels, back.shape), rtol=0, atol=1e-6)
    np.testing.assert_allclose(back.distance, 0, rtol=0, atol=1e-6)
    assert (back.section_image_id == ds.section_image_id).all()
    again = ds.atldld.to_reference(back)
    np.testing.assert_allclose(again, points, rtol=0, atol=1e-6)
    # Off the plane: what is projected stays as far as it was.
    given = np.random.default_rng(2).uniform(2000, 8000, (10, 3))
    found = ds.atldld.to_image(given)
    foot = ds.atldld.to_reference(found)
    apart = np.sqrt(
        ((foot - xr.DataArray(given, dims=["point", "component"])) ** 2).sum("component")
    )
    assert (apart >= abs(found.distance) - 1e-6).all()
    assert (apart < 1.01 * abs(found.distance) + 1e-3).all()


def test_shapes_and_names():
    ds = open_tilted("coronal", resolution=400)
    one = ds.isel(coronal=3)
    n = ds.sizes["coronal"]
    assert ds.atldld.to_reference([5, 6]).shape == (n, 3)
    assert one.atldld.to_reference([5, 6]).dims == ("component",)
    assert one.atldld.to_image(np.zeros((4, 3))).dims == ("point", "component")
    assert ds.atldld.to_image(np.zeros((4, 5, 3))).dims == (
        "coronal", "point_0", "point_1", "component"
    )  # fmt: skip
    assert ds.atldld.to_image(np.zeros((0, 3))).shape == (n, 0, 2)
    named = xr.DataArray(
        [[1.0, 2.0, 3.0]] * 2, dims=["cell", "component"], coords={"component": ["r", "i", "p"]}
    )
    found = ds.atldld.to_image(named.assign_coords(cell=["a", "b"]))
    np.testing.assert_array_equal(found, ds.atldld.to_image([[3.0, 2.0, 1.0]] * 2))
    assert found.cell.values.tolist() == ["a", "b"]
    assert found.distance.dims == ("coronal", "cell")
    table = pd.DataFrame({"r": [1.0, 1.0], "i": [2.0, 2.0], "p": [3.0, 3.0]})
    np.testing.assert_array_equal(ds.atldld.to_image(table), found)
    with pytest.raises(InvalidArgumentError, match="points have components r, i, z"):
        ds.atldld.to_image(table.rename(columns={"p": "z"}))
    np.testing.assert_array_equal(ds.atldld.to_image(pd.DataFrame(named.values[:, ::-1])), found)
    first = named.T.chunk({"cell": 1})
    lazy = ds.atldld.to_image(first)
    assert lazy.chunks is not None
    np.testing.assert_array_equal(lazy, found)
    turned = ds.isel(coronal=slice(None, None, -1))
    np.testing.assert_array_equal(
        turned.atldld.to_image([1, 2, 3])[::-1], ds.atldld.to_image([1, 2, 3])
    )


@pytest.mark.parametrize(
    "points",
    [
        3.0,
        [1, 2],
        [[1, 2, 3, 4]],
        ["a", "b", "c"],
        [True, False, True],
        xr.DataArray(np.zeros((2, 3)), dims=["coronal", "component"]),
        xr.DataArray(np.zeros(3), dims=["component"], coords={"component": ["x", "y", "z"]}),
        xr.DataArray(np.zeros((8, 3)), dims=["sagittal", "component"]),
        [[1, 2, 3], [1, 2]],
        xr.Dataset(),
    ],
)
def test_what_are_no_points_is_refused(points):
    with pytest.raises(InvalidArgumentError, match="points"):
        open_tilted("coronal", resolution=400).atldld.to_image(points)


def test_points_of_other_sections_are_refused_and_not_taken_by_their_place():
    ds = open_tilted("coronal", resolution=400)
    pixels = ds.atldld.to_image([[6600, 4000, 3000]])
    for other in (ds.isel(coronal=slice(None, None, -1)), ds.roll(coronal=1, roll_coords=True)):
        with pytest.raises(InvalidArgumentError, match="other sections along 'coronal'"):
            other.atldld.to_reference(pixels)
    with pytest.raises(InvalidArgumentError, match="select those of its section"):
        ds.isel(coronal=3).atldld.to_reference(pixels)
    alike = {"coronal": slice(None, None, -2)}
    np.testing.assert_array_equal(
        ds.isel(alike).atldld.to_reference(pixels.isel(alike)),
        ds.atldld.to_reference(pixels).isel(alike),
    )
    bare = pixels.drop_vars("section_image_id")  # which then are whose they are said to be
    np.testing.assert_array_equal(ds.atldld.to_reference(bare), ds.atldld.to_reference(pixels))


def test_what_does_not_say_how_it_lies_is_refused():
    ds = open_tilted("coronal", resolution=400)
    for lost in (
        ds.drop_vars("pose"),
        ds[["image"]],
        ds.rename(pose="poses"),
        ds.isel(pose_term=0),
    ):
        for call in (
            lambda d: d.atldld.to_image([1, 2, 3]),
            lambda d: d.atldld.to_reference([1, 2]),
            lambda d: d.atldld.true_coordinate(),
        ):
            with pytest.raises(InvalidArgumentError, match="pose"):
                call(lost)
    for lost in ("affine", "y", "coronal"):
        with pytest.raises(InvalidArgumentError, match=lost):
            ds.drop_vars(lost).atldld.true_coordinate()


@pytest.mark.parametrize("chunks", [None, "auto", {"y": 100, "x": 77}])
@pytest.mark.parametrize("viewed", VIEWED)
def test_true_coordinates_are_where_it_was_cut(plane, viewed, chunks):
    source, number = tilted_source(plane)
    data = parse_dataset(source.dataset_record(number))
    ds = atldld_xr.open_dataset(number, source=source, plane=viewed, chunks=chunks)
    true = ds.atldld.true_coordinate()
    assert true.dims == (plane, "y", "x")
    assert true.dtype == np.float64
    assert true.name == f"true_{plane}"
    assert (true.chunks is None) == (chunks is None)
    if chunks is None:
        assert not isinstance(true.variable._data, np.ndarray)
    rows, columns = [3, 200, 311], [5, 6, 400]
    for index in range(0, ds.sizes[plane], 3):
        section = ds.isel({plane: index})
        y, x = (a.ravel() for a in np.meshgrid(ds.y[rows], ds.x[columns], indexing="ij"))
        there = true_places(ds, data, section, y, x)[:, AXES[plane][0]]
        got = true[index][rows, columns]
        np.testing.assert_allclose(np.ravel(got), there, rtol=0, atol=0.2)
        np.testing.assert_array_equal(section.atldld.true_coordinate()[rows, columns], got)
    part = {plane: slice(1, 4), "y": slice(50, 20, -3), "x": slice(7, 90, 2)}
    np.testing.assert_array_equal(ds.isel(part).atldld.true_coordinate(), true.isel(part))
    point = {plane: 2, "y": 9, "x": slice(4)}
    assert ds.isel(point).atldld.true_coordinate().dims == ("x",)
    np.testing.assert_array_equal(ds.isel(point).atldld.true_coordinate(), true.isel(point))


def test_chunks_change_nothing():
    made = [
        open_tilted("sagittal", plane="oblique", chunks=chunks).atldld.true_coordinate()
        for chunks in (None, {"y": 33, "x": 50}, "auto")
    ]
    for other in made[1:]:
        np.testing.assert_array_equal(other, made[0])


@pytest.mark.parametrize("chunks", [None, {}])
def test_a_store_says_the_same(tmp_path, plane, chunks):
    ds = open_tilted(plane, resolution=400, plane="oblique")
    ds.isel({plane: slice(2, 6)}).atldld.to_zarr(tmp_path / "a.zarr")
    back = xr.open_zarr(tmp_path / "a.zarr", chunks=chunks)
    there = ds.isel({plane: slice(2, 6)})
    np.testing.assert_array_equal(back.atldld.true_coordinate(), there.atldld.true_coordinate())
    for method in ("to_image", "to_reference"):
        points = np.arange(6.0).reshape(-1, 3 if method == "to_image" else 2)
        made = [getattr(d.atldld, method)(points) for d in (back, there)]
        np.testing.assert_array_equal(*made)


@pytest.mark.skipif(
    not (ALLEN / "sync_answers.csv").exists(), reason="Allen's recorded data are not here"
)
def test_the_services_own_answers():
    """By its own matrices to the last digits; the other direction is rounded by itself."""
    with open(ALLEN / "sync_answers.csv") as file:
        answers = list(csv.DictReader(file))
    seen = 0
    for answer in answers:
        if answer["query"] != "reference_to_image":
            continue
        two, three = (
            np.array([float(v) for k, v in answer.items() if k.startswith(name)])
            for name in ("affine2d", "affine3d")
        )
        tvs, trv = two.reshape(2, 3), three.reshape(3, 4)
        matrix = np.vstack([tvs[:, :2] @ trv[:2], trv[2] / np.linalg.norm(trv[2, :3])])
        matrix[:2, 3] += tvs[:, 2]
        pose = xr.DataArray(matrix, dims=["pose_component", "pose_term"])
        ds = xr.Dataset(coords={"pose": pose})
        x, y = ds.atldld.to_image([float(answer[name]) for name in "pir"]).values
        np.testing.assert_allclose([x, y], [float(answer["x"]), float(answer["y"])], atol=1e-8)
        seen += 1
    assert seen > 5


@pytest.mark.skipif(
    not (ALLEN / "section_data_set_69289763.json").exists(),
    reason="Allen's recorded data are not here",
)
def test_the_services_other_direction_is_less_than_a_pixel_away():
    ds = atldld_xr.open_dataset(69289763, source=ALLEN, on_error="fill", chunks=None)
    record = json.loads((ALLEN / "section_data_set_69289763.json").read_text())["msg"][0]
    data = parse_dataset(record)
    worst = 0.0
    for image in data.images:
        (section,) = np.flatnonzero(ds.section_image_id == image.id)
        x, y = (a.ravel() for a in np.meshgrid([0, image.width], [0, image.height]))
        z = np.full(4, image.section_number * data.section_thickness)
        service = transforms.xy_to_pir(np.stack([x, y, z]), image.tsv, data.tvr)
        ours = ds.isel(sagittal=section).atldld.to_reference(np.stack([x, y], -1))
        worst = max(worst, float(np.abs(ours - service.T).max()))
    assert 0.01 < worst < 0.1


def test_a_pose_by_itself_is_the_same():
    ds = open_tilted("coronal", resolution=400)
    pose = SectionPose.of(ds.pose[4].values)
    np.testing.assert_allclose(
        ds.isel(coronal=4).atldld.to_reference([7, 8]), pose.to_reference @ [7, 8, 1], rtol=1e-14
    )
