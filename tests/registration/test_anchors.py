"""Anchors: by QuickNII's own formula, there and back, and on Allen's recorded matrices."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atldld_xr.allen.metadata import SectionDataset, SectionImage
from atldld_xr.allen.poses import SectionPose, allen_pose
from atldld_xr.allen.reference import CORONAL
from atldld_xr.errors import RegistrationError
from atldld_xr.registration.anchors import Anchors, voxel_of
from atldld_xr.registration.order import check_pose, find_anomalies
from quicknii import DATA, SAGITTAL
from recorded import ALLEN

components = st.floats(-600, 600)


def by_the_formula(anchors, image, x, y):
    """Return (p, i, r) of pixels, voxel by voxel as QuickNII's documentation has it."""
    o, u, v = (np.array(some)[:, None] for some in (anchors.o, anchors.u, anchors.v))
    q = o + (np.asarray(x) + 0.5) / image.width * u + (np.asarray(y) + 0.5) / image.height * v
    return np.stack([25 * (528 - q[1]), 25 * (320 - q[2]), 25 * q[0]])


def to_reference(pose, x, y):
    return pose.to_reference @ np.stack([x, y, np.ones_like(x)])


@given(st.lists(components, min_size=9, max_size=9), st.integers(1, 20_000), st.integers(1, 20_000))
@settings(deadline=None)
def test_anchors_to_a_pose_and_back(numbers, width, height):
    image = replace(DATA.images[3], width=width, height=height)
    like = allen_pose(DATA, image)
    anchors = Anchors.of(numbers)
    u, v = np.array(anchors.u), np.array(anchors.v)
    sine = np.linalg.norm(np.cross(u, v)) / max(np.linalg.norm(u) * np.linalg.norm(v), 1e-300)
    if min(np.linalg.norm(u), np.linalg.norm(v)) < 1 or sine < 0.1:
        return
    pose = anchors.pose(image, like)
    x, y = np.random.default_rng(7).uniform(-0.5, [[width - 0.5], [height - 0.5]], (2, 20))
    points = by_the_formula(anchors, image, x, y)
    found = np.asarray(pose.matrix)[:, :3] @ points + np.asarray(pose.matrix)[:, 3:]
    size = max(width, height)
    np.testing.assert_allclose(found[:2], [x, y], rtol=0, atol=1e-8 * size)
    np.testing.assert_allclose(found[2], 0, atol=1e-7)
    np.testing.assert_allclose(to_reference(pose, x, y), points, rtol=0, atol=1e-6)
    back = Anchors.from_pose(pose, image)
    np.testing.assert_allclose(back.numbers, numbers, rtol=0, atol=1e-8)
    # The third row is a distance: along the normal, to the side of Allen's.
    across = pose.across[:3]
    assert np.linalg.norm(across) == pytest.approx(1, abs=1e-12)
    assert across @ like.across[:3] >= 0


@pytest.mark.parametrize("data", [DATA, SAGITTAL], ids=["coronal", "sagittal"])
def test_anchors_of_allens_matrices_are_allens_matrices(data):
    for image in data.images:
        allen = allen_pose(data, image)
        pose = Anchors.from_pose(allen, image).pose(image, allen)
        corners = product((-0.5, image.width), (-0.5, image.height))
        x, y = np.array(list(corners)).T
        off = to_reference(pose, x, y) - to_reference(allen, x, y)
        assert np.abs(off).max() < 1e-8


def test_pixels_go_from_edge_to_edge_and_left_lies_left():
    image = replace(DATA.images[0], width=400, height=200)
    # A coronal picture over all of the atlas, 3 mm from its back.
    anchors = Anchors.of([0, 120, 320, 456, 0, 0, 0, 0, -320])
    pose = anchors.pose(image, allen_pose(DATA, image))
    np.testing.assert_allclose(pose.to_reference @ [-0.5, -0.5, 1], [10_200, 0, 0], atol=1e-9)
    np.testing.assert_allclose(
        pose.to_reference @ [399.5, 199.5, 1], [10_200, 8000, 11_400], atol=1e-9
    )


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        (None, "not nine numbers"),
        ([1] * 8, "not nine numbers"),
        ("123456789", "not nine numbers"),
        ([1] * 8 + ["1"], "'1' is not a number"),
        ([1] * 8 + [True], "True is not a number"),
        ([1] * 8 + [float("nan")], "nan is not a number"),
        ([1] * 8 + [1e300], "is not a number of at most 40000"),
        ([1] * 8 + [10**5000], "is not a number of at most"),
        ([[1]] * 9, "is not a number"),
    ],
)
def test_what_is_no_anchors(numbers, told):
    with pytest.raises(RegistrationError, match=told):
        Anchors.of(numbers)


@pytest.mark.parametrize("edges", [[0, 0, 0, 1, 1, 1], [1, 2, 3, 0, 0, 0], [1, 2, 3, -2, -4, -6]])
def test_edges_that_span_no_plane(edges):
    image = DATA.images[0]
    with pytest.raises(RegistrationError, match="span no plane"):
        Anchors.of([0, 0, 0, *edges]).pose(image, allen_pose(DATA, image))


@pytest.mark.parametrize(
    ("resolution", "target", "voxel"),
    [
        ([456, 528, 320], "a.cutlas", 25),
        ([1140.0, 1320.0, 800.0], "", 10),
        (None, "ABA_Mouse_CCFv3_2017_25um.cutlas", 25),
        (None, "allen_mouse_10um", 10),
        (None, "", 25),
    ],
)
def test_voxels_are_of_the_size_that_the_file_says(resolution, target, voxel):
    assert voxel_of(resolution, target) == pytest.approx(voxel)


@pytest.mark.parametrize(
    ("resolution", "target"),
    [([512, 1024, 512], ""), ([0, 0, 0], ""), ([1], ""), ("456", ""), ([None] * 3, ""),
     ([456, 320, 528], ""), (None, "WHS_Rat_v4_39um.cutlas")],
)  # fmt: skip
def test_other_atlases_are_refused(resolution, target):
    with pytest.raises(RegistrationError, match=r"target|not a number"):
        voxel_of(resolution, target)


@pytest.fixture(scope="module")
def calb1():
    """Return the recorded data set, and its anchors by image."""
    file = ALLEN / "anchors_71717640.json"
    if not file.exists():
        pytest.skip("the recorded anchors are not at hand")
    record = json.loads(file.read_text())
    images, anchors = [], {}
    for section in record["sections"]:
        tsv, tvs = (tuple(map(tuple, section[name])) for name in ("tsv", "tvs"))
        size = float(np.hypot(tsv[0][0], tsv[1][0]))
        image = SectionImage(
            id=section["section_image_id"],
            data_set_id=record["data_set_id"],
            section_number=section["section_number"],
            resolution=size,
            width=round(section["width_10um"] * 10 / size),
            height=round(section["height_10um"] * 10 / size),
            x=0, y=0, tier_count=8, has_expression=True, tsv=tsv, tvs=tvs,
        )  # fmt: skip
        images.append(image)
        anchors[image.id] = Anchors.of(section["anchoring"])
    tvr, trv = (tuple(map(tuple, record[name])) for name in ("tvr", "trv"))
    images.sort(key=lambda image: image.section_number)
    thickness = record["section_thickness"]
    return SectionDataset(71717640, CORONAL, 9, thickness, tvr, trv, tuple(images)), anchors


def test_recorded_anchors_lie_as_far_from_allens_matrices_as_was_measured(calb1):
    nrrd = pytest.importorskip("nrrd")
    data, anchors = calb1
    annotation, _ = nrrd.read(str(ALLEN / "annotation_25.nrrd"))
    medians, largest, poses = [], [], {}
    for image in data.images:
        allen = allen_pose(data, image)
        poses[image.id] = pose = anchors[image.id].pose(image, allen)
        check_pose(data, image, pose)
        sides = (np.arange(0, side, 60.0) for side in (image.width, image.height))
        x, y = (some.ravel() for some in np.meshgrid(*sides))
        here, there = to_reference(pose, x, y), to_reference(allen, x, y)
        np.testing.assert_allclose(here, by_the_formula(anchors[image.id], image, x, y), atol=1e-6)
        voxel = np.floor(here / 25).astype(int)
        within = ((voxel >= 0) & (voxel < np.array(annotation.shape)[:, None])).all(0)
        brain = within.copy()
        brain[within] = annotation[tuple(voxel[:, within])] > 0
        if image.id == 71662417:  # which lies behind the volume
            assert not brain.any()
            continue
        apart = np.linalg.norm(here - there, axis=0)[brain]
        medians.append(np.median(apart))
        largest.append(apart.max())
    assert 185 < min(medians) < max(medians) < 217
    assert 360 < min(largest) < max(largest) < 425
    assert find_anomalies(data, poses) == []


def test_a_pose_that_cannot_be_is_told():
    image = DATA.images[5]
    good = np.asarray(allen_pose(DATA, image).matrix)
    check_pose(DATA, image, SectionPose.of(good))
    sagittal = np.asarray(allen_pose(SAGITTAL, SAGITTAL.images[3]).matrix)
    for bad, told in [
        (good * [[1], [1], [2]], "no distance in micrometres: it grows by 2 in each"),
        (good[[0, 0, 2]], "cannot be inverted"),
        (good * [[20], [20], [1]], "times as large"),
        (good * np.nan, "no .3, 4. matrix of numbers"),
        (sagittal, "degrees off the coronal plane"),
    ]:
        with pytest.raises(RegistrationError, match=f"section image {image.id}: .*{told}"):
            check_pose(DATA, image, SectionPose.of(bad))
