"""The registration: against the service's recorded answers, plain loops, and itself."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atldld_xr.allen import transforms
from atldld_xr.allen.metadata import SectionDataset, SectionImage, parse_dataset
from atldld_xr.allen.reference import CORONAL, SAGITTAL, Grid, get_space
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.phantom import phantom

ANSWERS = Path(__file__).resolve().parents[3] / "shared" / "allen" / "sync_answers.csv"
needs_answers = pytest.mark.skipif(
    not ANSWERS.exists(), reason="the service's recorded answers are not at hand"
)

DATASETS = {
    "coronal": parse_dataset(phantom.CORONAL.record),
    "sagittal": parse_dataset(phantom.SAGITTAL.record),
}


def answers() -> list[dict[str, str]]:
    if not ANSWERS.exists():
        return [{}]
    with ANSWERS.open(newline="") as file:
        return list(csv.DictReader(file))


def matrices(row: dict[str, str]) -> tuple[np.ndarray, np.ndarray]:
    two = [[float(row[f"affine2d_{j}{k}"]) for k in range(3)] for j in range(2)]
    three = [[float(row[f"affine3d_{j}{k}"]) for k in range(4)] for j in range(3)]
    return np.array(two), np.array(three)


def answer_id(row: dict[str, str]) -> str:
    return f"{row['query']}-{row['section_image_id']}" if row else "absent"


@needs_answers
def test_all_recorded_answers_are_at_hand():
    queries = [row["query"] for row in answers()]
    assert len(queries) == 40
    assert set(queries) == {"image_to_reference", "reference_to_image"}


@needs_answers
@pytest.mark.parametrize("row", answers(), ids=answer_id)
def test_recorded_answer_of_the_service(row):
    affine_2d, affine_3d = matrices(row)
    p, i, r, x, y = (float(row[name]) for name in "pirxy")
    if row["query"] == "image_to_reference":
        z = int(row["section_number"]) * float(row["section_thickness"] or 25)
        found = transforms.xy_to_pir([[x], [y], [z]], affine_2d, affine_3d)
        np.testing.assert_allclose(found[:, 0], [p, i, r], rtol=0, atol=1e-6)
    else:
        found = transforms.pir_to_xy([[p], [i], [r]], affine_2d, affine_3d)
        np.testing.assert_allclose(found[:2, 0], [x, y], rtol=0, atol=1e-6)


@needs_answers
@pytest.mark.parametrize(
    "row", [row for row in answers() if row.get("query") != "reference_to_image"], ids=answer_id
)
def test_detect_gives_the_recorded_answer_in_either_space(row):
    tsv, tvr = (tuple(map(tuple, m.tolist())) for m in matrices(row))
    own = {"coronal": 9, "sagittal": 10}[row["plane"]]
    image = dataclasses.replace(
        DATASETS[row["plane"]].images[0], section_number=int(row["section_number"]), tsv=tsv
    )
    dataset = dataclasses.replace(
        DATASETS[row["plane"]],
        section_thickness=float(row["section_thickness"] or 25),
        tvr=tvr,
        images=(image,),
    )
    p, i, r, x, y = (float(row[name]) for name in "pirxy")
    found = transforms.detect(dataset, image, reference_space=own, detection_xy=(x, y))
    np.testing.assert_allclose(found, [p, i, r], rtol=0, atol=1e-6)
    found = transforms.detect(dataset, image, reference_space=19 - own, detection_xy=(x, y))
    np.testing.assert_allclose(found, [p, i, 11350 - r], rtol=0, atol=1e-6)


def matrix(rows: int) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float64, (rows, rows + 1), elements=st.floats(-2, 2, width=16))


POINTS = hnp.arrays(
    np.float64, st.integers(1, 5).map(lambda n: (3, n)), elements=st.floats(-2e4, 2e4)
)


def inverse(affine: np.ndarray) -> np.ndarray:
    linear = np.linalg.inv(affine[:, :-1])
    return np.column_stack([linear, -linear @ affine[:, -1]])


@settings(max_examples=200, deadline=None)
@given(POINTS, matrix(2), matrix(3))
def test_there_and_back_returns(points, affine_2d, affine_3d):
    for affine in (affine_2d, affine_3d):
        assume(np.linalg.svd(affine[:, :-1], compute_uv=False).min() > 0.05)
        affine[:, -1] *= 1000
    reference = transforms.xy_to_pir(points, affine_2d, affine_3d)
    back = transforms.pir_to_xy(reference, inverse(affine_2d), inverse(affine_3d))
    np.testing.assert_allclose(back, points, rtol=0, atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(POINTS, matrix(2), matrix(3))
def test_against_plain_loops(points, affine_2d, affine_3d):
    def apply(affine, point):
        return [
            sum(a * b for a, b in zip(row, [*point, 1.0], strict=True)) for row in affine.tolist()
        ]

    there = transforms.xy_to_pir(points, affine_2d, affine_3d)
    back = transforms.pir_to_xy(points, affine_2d, affine_3d)
    assert there.shape == back.shape == points.shape
    assert there.dtype == back.dtype == np.float64
    for n, (a, b, c) in enumerate(points.T.tolist()):
        expected = apply(affine_3d, [*apply(affine_2d, [a, b]), c])
        np.testing.assert_allclose(there[:, n], expected, rtol=1e-12, atol=1e-8)
        volume = apply(affine_3d, [a, b, c])
        expected = [*apply(affine_2d, volume[:2]), volume[2]]
        np.testing.assert_allclose(back[:, n], expected, rtol=1e-12, atol=1e-8)


@pytest.mark.parametrize("plane", DATASETS)
def test_affines_in_the_other_space_flip_r_alone(plane):
    dataset = DATASETS[plane]
    own, other = dataset.reference_space_id, 19 - dataset.reference_space_id
    assert own == {"coronal": 9, "sagittal": 10}[plane]
    tvr, trv = transforms.affines_in_space(dataset, own)
    np.testing.assert_array_equal(tvr, dataset.tvr)
    np.testing.assert_array_equal(trv, dataset.trv)

    flipped_tvr, flipped_trv = transforms.affines_in_space(dataset, other)
    volume = np.array([[100.0, 8000.0], [200.0, 5000.0], [300.0, 9000.0], [1.0, 1.0]])
    reference = tvr @ volume
    flipped = reference * [[1], [1], [-1]] + [[0], [0], [11350]]
    np.testing.assert_allclose(flipped_tvr @ volume, flipped, atol=1e-8)
    np.testing.assert_allclose(
        flipped_trv @ [*flipped, [1, 1]], trv @ [*reference, [1, 1]], atol=1e-8
    )


def test_an_unknown_space_is_refused():
    with pytest.raises(InvalidArgumentError, match="reference space 11"):
        transforms.affines_in_space(DATASETS["coronal"], 11)


def looped(dataset: SectionDataset, image: SectionImage, p: float, i: float, r: float, space: int):
    """Return the pixel that a point comes from, one number after the other."""
    if space != dataset.reference_space_id:
        r = 11350.0 - r
    v = [a * p + b * i + c * r + d for a, b, c, d in dataset.trv]
    return [a * v[0] + b * v[1] + c for a, b, c in image.tvs]


@pytest.mark.parametrize("anchor", ["center", "edge"])
@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize(("plane", "resolution"), [("coronal", 25), ("sagittal", 7.5)])
def test_grid_to_image_against_a_loop(plane, resolution, space, anchor):
    dataset = DATASETS[plane]
    image = dataset.images[1]
    layout = {"coronal": CORONAL, "sagittal": SAGITTAL}[plane]
    grid = Grid(layout, get_space(space), resolution, anchor)
    affine = transforms.grid_to_image(dataset, image, grid, 4321.0)
    assert affine.shape == (2, 3)
    half = 0.5 if anchor == "center" else 0.0
    rows, columns = grid.shape
    for row in range(0, rows, rows // 7):
        for column in range(0, columns, columns // 7):
            i, across = (row + half) * resolution, (column + half) * resolution
            point = (4321.0, i, across) if plane == "coronal" else (across, i, 4321.0)
            expected = looped(dataset, image, *point, space)
            np.testing.assert_allclose(affine @ [row, column, 1], expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("anchor", ["center", "edge"])
@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize("plane", DATASETS)
def test_tilt_against_finite_differences(plane, space, anchor):
    dataset = DATASETS[plane]
    image = dataset.images[3]
    layout = {"coronal": CORONAL, "sagittal": SAGITTAL}[plane]
    grid = Grid(layout, get_space(space), 25, anchor)
    coordinate = transforms.detect(dataset, image, reference_space=space)[layout.section_axis]
    tvr, trv = transforms.affines_in_space(dataset, space)

    def shown(y, x):
        """Return the section's true coordinate at a pixel of its registered image."""
        point = np.empty((3, 1))
        point[layout.section_axis], point[layout.y_axis], point[layout.x_axis] = coordinate, y, x
        pixel = transforms.pir_to_xy(point, image.tvs, trv)
        pixel[2] = image.section_number * dataset.section_thickness
        return transforms.xy_to_pir(pixel, image.tsv, tvr)[layout.section_axis, 0]

    origin, down, right = shown(3000, 5000), shown(4000, 5000), shown(3000, 6000)
    affine = transforms.grid_to_image(dataset, image, grid, coordinate)
    ((tilt_y, tilt_x),) = transforms.tilt(dataset, [image], grid, [affine])
    assert tilt_y == pytest.approx((down - origin) / 1000, abs=1e-9)
    assert tilt_x == pytest.approx((right - origin) / 1000, abs=1e-9)
    assert max(abs(tilt_y), abs(tilt_x)) > 0.01  # the phantom is cut obliquely


@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize("plane", DATASETS)
def test_footprint_is_the_outer_corners_around_from_the_top_left(plane, space):
    dataset = DATASETS[plane]
    image = dataset.images[2]
    corners = transforms.footprint(dataset, image, reference_space=space)
    assert corners.shape == (4, 3)
    w, h = image.width, image.height
    z = image.section_number * dataset.section_thickness
    outer = [(-0.5, -0.5), (w - 0.5, -0.5), (w - 0.5, h - 0.5), (-0.5, h - 0.5)]
    for corner, (x, y) in zip(corners, outer, strict=True):
        v = [a * x + b * y + c for a, b, c in image.tsv]
        p, i, r = (a * v[0] + b * v[1] + c * z + d for a, b, c, d in dataset.tvr)
        if space != dataset.reference_space_id:
            r = 11350 - r
        np.testing.assert_allclose(corner, [p, i, r], rtol=0, atol=1e-8)


@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize("plane", DATASETS)
def test_a_section_is_detected_at_its_centre(plane, space):
    dataset = DATASETS[plane]
    image = dataset.images[2]
    corners = transforms.footprint(dataset, image, reference_space=space)
    found = transforms.detect(dataset, image, reference_space=space)
    np.testing.assert_allclose(found, corners.mean(axis=0), rtol=0, atol=1e-8)
    # And at another point if asked: the outer corner of the first pixel is half a pixel off it.
    at_corner = transforms.detect(dataset, image, reference_space=space, detection_xy=(-0.5, -0.5))
    np.testing.assert_allclose(at_corner, corners[0], rtol=0, atol=1e-8)
