"""Grids, tiers and arguments: the numbers that everything else is built on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.reference import CORONAL, SAGITTAL, Grid, change_space, get_space
from atldld_xr.allen.tiers import (
    affine_to_tier,
    pick_tier,
    pixel_to_distance,
    slide_offset,
    starts_before,
    tier_size,
    to_full,
    to_tier,
)
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.plan.arguments import split_blocks
from atldld_xr.testing import CORONAL as PHANTOM


def test_the_grid_of_the_reference_volume():
    grid = Grid(CORONAL, get_space(9), 25)
    assert grid.shape == (320, 456)
    assert Grid(SAGITTAL, get_space(10), 25).shape == (320, 528)
    assert grid.y[[0, -1]].tolist() == [12.5, 7987.5]
    assert grid.x[[0, -1]].tolist() == [12.5, 11387.5]
    assert Grid(CORONAL, get_space(9), 25, "edge").x[[0, 1]].tolist() == [0.0, 25.0]


@given(st.floats(0.5, 400))
def test_centres_are_ascending_and_computed_from_integers(resolution):
    grid = Grid(CORONAL, get_space(9), resolution)
    k = np.arange(grid.shape[1])
    np.testing.assert_array_equal(grid.x, (k + 0.5) * resolution)
    assert grid.x[-1] < 11400
    assert 11400 - grid.shape[1] * resolution < resolution * (1 + 1e-6)


@pytest.mark.parametrize(
    "resolution",
    [
        *(0, -1, float("nan"), float("inf"), 0.05, 8001, "25", None, True, 1e-300, 10**400),
        *(np.complex64(25), np.bool_(True), np.array([25.0, 10.0]), [25]),
    ],
    ids=repr,
)
def test_bad_resolutions(resolution):
    with pytest.raises(InvalidArgumentError, match="resolution"):
        Grid(CORONAL, get_space(9), resolution)


def test_bad_anchor_and_space():
    for anchor in ("middle", None, ["center"], np.array(["center", "edge"])):
        with pytest.raises(InvalidArgumentError, match="anchor"):
            Grid(CORONAL, get_space(9), 25, anchor)
    for space in (8, None, "9", [9], np.array([9, 10])):
        with pytest.raises(InvalidArgumentError, match="reference space"):
            get_space(space)


def test_the_spaces_are_mirror_images():
    there, back = change_space(10, 9), change_space(9, 10)
    np.testing.assert_array_equal(there @ back, np.eye(4))
    np.testing.assert_array_equal(there @ [1.0, 2.0, 3.0, 1.0], [1.0, 2.0, 11347.0, 1.0])


def test_the_tiers_of_a_real_image():
    # Sizes of one image in Allen's public bucket.
    assert [tier_size(14001, d) for d in range(7)] == [14001, 7000, 3500, 1750, 875, 437, 218]


@pytest.mark.parametrize(
    ("target", "native", "tier"),
    [(25, 1.049, 4), (10, 1.049, 3), (25, 0.35, 6), (1, 1.049, 0), (2.098, 1.049, 1), (1e4, 1, 6)],
)
def test_the_coarsest_tier_that_is_fine_enough(target, native, tier):
    assert pick_tier(target, native, 7) == tier


@given(st.floats(-1e5, 1e5), st.integers(0, 8), st.integers(0, 40_000))
def test_tiers_forward_and_back(x, tier, offset):
    at, before = np.array([x]), starts_before(offset, tier)
    np.testing.assert_allclose(to_full(to_tier(at, tier, before), tier, before), at, atol=1e-9)


@given(st.floats(-1e5, 1e5), st.integers(0, 8), st.integers(0, 40))
def test_sections_that_start_with_a_pixel_of_the_tier_are_where_they_were(x, tier, offset):
    at, before = np.array([x]), starts_before(offset << tier, tier)
    assert to_tier(at, tier, before) == (at + 0.5) / float(2**tier) - 0.5
    assert to_full(at, tier, before) == (at + 0.5) * float(2**tier) - 0.5


def test_a_tier_pixel_is_centred_on_those_it_covers():
    assert to_full(np.array([0.0, 1.0]), 2).tolist() == [1.5, 5.5]
    # A section from column 14 of the slide on: its tier starts with the slide's columns 12 to 15.
    assert slide_offset(14, 0, 2) == 12
    assert to_full(np.array([0.0, 1.0]), 2, starts_before(14, 2)).tolist() == [-0.5, 3.5]
    assert pixel_to_distance(np.array([0.0, 1.5]), 10.0).tolist() == [5.0, 20.0]


@given(
    st.integers(0, 6),
    st.integers(0, 3),
    st.lists(st.floats(-100, 100), min_size=6, max_size=6),
    st.tuples(st.integers(0, 500), st.integers(0, 500)),
)
def test_affines_at_tiers(tier, halvings, values, offsets):
    image = replace(parse_dataset(PHANTOM.record).images[0], x=offsets[0], y=offsets[1])
    affine, point = np.reshape(values, (2, 3)), np.array([3.0, 4.0, 1.0])
    there = affine_to_tier(affine, tier, image) @ point
    expected = [
        to_tier(at, tier, starts_before(offset, tier))
        for at, offset in zip(affine @ point, offsets, strict=True)
    ]
    np.testing.assert_allclose(there, expected, atol=1e-9)
    # What is made here of a finer tier starts where that does.
    made = affine_to_tier(affine, tier + halvings, image, fetched=tier) @ point
    np.testing.assert_allclose(made, to_tier(to_full(there, tier), tier + halvings), atol=1e-9)


def test_chunks():
    shape = (528, 1140)
    assert split_blocks("auto", shape) == ((528,), (570, 570))
    assert split_blocks(None, shape) == split_blocks("auto", shape) == split_blocks({}, shape)
    assert split_blocks(-1, shape) == ((528,), (1140,))
    assert split_blocks(500, shape) == ((500, 28), (500, 500, 140))
    assert split_blocks({"y": 528, "x": (140, 1000)}, shape) == ((528,), (140, 1000))


def test_chunks_of_numpy_are_made_pythons():
    expected = split_blocks({"y": -1, "x": (114,) * 10}, (528, 1140))
    chunks = {"y": np.int8(-1), "x": tuple(np.full(10, 114, np.int8))}
    split = split_blocks(chunks, (528, 1140))
    assert split == expected
    assert {type(side) for sides in split for side in sides} == {int}
    assert split_blocks(np.int64(500), (528, 1140)) == split_blocks(500, (528, 1140))


@pytest.mark.parametrize(
    "chunks",
    [
        *(0, -2, 1.5, "big", True, {"z": 3}, {"coronal": 2}, {"y": (1, 2)}, {"x": 0}),
        *({"y": ("a", "b")}, {"y": (528.0,)}, {"y": (None, 528)}, {"x": [1139, True]}, {1, 2}),
        *(
            np.array([528]),
            np.array([264, 264]),
            {"x": np.array([])},
            {"y": b"auto"},
            np.float64(5),
        ),
    ],
    ids=repr,
)
def test_bad_chunks(chunks):
    with pytest.raises(InvalidArgumentError, match="chunks"):
        split_blocks(chunks, (528, 1140))


def test_too_many_chunks():
    assert len(split_blocks(1, (1000, 1000))[0]) == 1000
    with pytest.raises(InvalidArgumentError, match="into 1001000 blocks, of which at most 1000000"):
        split_blocks(1, (1000, 1001))
