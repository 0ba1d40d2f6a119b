"""The kernel beside SciPy and plain loops."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import plan_section, to_full
from atldld_xr.errors import SectionImageError
from atldld_xr.plan.load_plan import Block, SectionPlan
from atldld_xr.warp.footprint import find_inside
from atldld_xr.warp.kernel import coverage, displacement, render, sample
from noise import noise

IMAGE = SectionImage(1, 1, 1, 1.0, 220, 180, 0, 0, 4, True)


def section(affine, interpolation="linear", *, tier=0, reduction=0, subsamples=1, tile_side=64):
    return SectionPlan(IMAGE, affine, tier, reduction, subsamples, tile_side, interpolation)


def smooth(height=180, width=220):
    """Return an image whose values change by a few levels per pixel, as those of tissue do."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 9) * np.cos(y / 7), np.cos((x + y) / 11), np.sin(y / 13 - x / 8)]
    return np.stack([128 + 100 * w for w in waves], axis=-1).astype(np.uint8)


def all_tiles(plan, image):
    side, (rows, columns) = plan.sampled_tile_side, plan.tile_grid
    return {
        (r, c): image[r * side : (r + 1) * side, c * side : (c + 1) * side]
        for r in range(rows)
        for c in range(columns)
    }


angle = st.floats(-0.5, 0.5)
scale = st.floats(0.6, 1.04)
shift = st.floats(-60, 60)


@given(angle=angle, scale=scale, x=shift, y=shift)
@settings(max_examples=30, deadline=None)
def test_linear_agrees_with_scipy(angle, scale, x, y):
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    plan = section(((s, c, x), (c, -s, y)))
    block, image = Block(3, 120, 5, 140), smooth()
    out = render(plan, block, all_tiles(plan, image), fill_value=7)
    rows, columns = np.mgrid[block.y0 : block.y1, block.x0 : block.x1]
    at_x, at_y = s * rows + c * columns + x, c * rows - s * columns + y
    for channel in range(3):
        expected = ndimage.map_coordinates(
            image[..., channel].astype(float), [at_y, at_x], order=1, mode="nearest"
        )
        inside = (at_x >= -0.5) & (at_x < 219.5) & (at_y >= -0.5) & (at_y < 179.5)
        expected[~inside] = 7
        # Half a level of rounding, and positions rounded to 1/32 px of at most 15 levels a px.
        assert np.abs(out[..., channel] - expected).max() < 0.5 + 2 * 15 / 64


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic", "lanczos"])
def test_whole_pixels_are_copied(interpolation):
    image = noise(1, 180, 220, 0)
    plan = section(((0.0, 1.0, 10.0), (1.0, 0.0, 20.0)), interpolation)
    out = render(plan, Block(0, 100, 0, 150), all_tiles(plan, image), fill_value=0)
    np.testing.assert_array_equal(out, image[20:120, 10:160])


@given(x=st.floats(-3, 3), y=st.floats(-3, 3))
@settings(max_examples=30, deadline=None)
def test_nearest_agrees_with_rounding(x, y):
    image = noise(2, 180, 220, 0)
    plan = section(((0.1, 0.9, x + 5), (0.9, -0.1, y + 12)), "nearest")
    block = Block(0, 90, 0, 100)
    out = render(plan, block, all_tiles(plan, image), fill_value=0)
    rows, columns = np.mgrid[:90, :100]
    at_x = 0.1 * rows + 0.9 * columns + x + 5
    at_y = 0.9 * rows - 0.1 * columns + y + 12
    clear = (abs(at_x % 1 - 0.5) > 1e-3) & (abs(at_y % 1 - 0.5) > 1e-3)
    clear &= (at_x > 0) & (at_y > 0)
    near = image[np.rint(at_y).astype(int).clip(0), np.rint(at_x).astype(int).clip(0)]
    np.testing.assert_array_equal(out[clear], near[clear])


@pytest.mark.parametrize("n", [2, 3, 5])
def test_subsamples_are_averaged_over_the_pixel(n):
    image = noise(3, 180, 220, 0)
    # Output pixel k covers source pixels n k to n k + n - 1: the average is that of the block.
    start = (n - 1) / 2
    plan = section(((0.0, n, start), (n, 0.0, start)), subsamples=n)
    block = Block(1, 180 // n - 1, 2, 220 // n - 1)
    out = render(plan, block, all_tiles(plan, image), fill_value=0)
    covered = image[: 180 // n * n, : 220 // n * n].reshape(180 // n, n, 220 // n, n, 3)
    expected = covered.mean(axis=(1, 3))[block.y0 : block.y1, block.x0 : block.x1]
    assert np.abs(out - expected).max() <= 0.5


@given(
    block=st.builds(
        lambda y, x, h, w: Block(y, y + h, x, x + w),
        st.integers(0, 150),
        st.integers(0, 150),
        st.integers(1, 90),
        st.integers(1, 90),
    ),
    n=st.integers(1, 3),
)
@settings(max_examples=40, deadline=None)
def test_a_part_equals_the_part_of_the_whole(block, n):
    image = noise(5, 180, 220, 0)
    plan = section(((0.23, 1.31, -20.4), (1.29, -0.21, 30.3)), "cubic", subsamples=n)
    tiles = all_tiles(plan, image)
    whole = render(plan, Block(0, 240, 0, 240), tiles, fill_value=0)
    part = render(plan, block, {p: tiles[p] for p in plan.tiles(block)}, fill_value=0)
    np.testing.assert_array_equal(part, whole[block.y0 : block.y1, block.x0 : block.x1])


def test_positions_far_outside_do_not_wrap():
    plan = section(((0.0, 900.0, -399_500.0), (900.0, 0.0, -399_500.0)), "nearest")
    image = noise(6, 180, 220, 0)
    out = render(plan, Block(400, 460, 400, 460), all_tiles(plan, image), fill_value=3)
    inside = coverage(plan, Block(400, 460, 400, 460))
    assert 0 < inside.sum() <= 1
    assert (out[~inside] == 3).all()
    y, x = (int(v[0]) + 400 for v in np.nonzero(inside))
    assert (out[y - 400, x - 400] == image[900 * y - 399_500, 900 * x - 399_500]).all()


# Slopes: any, along an axis, next to nothing (so that rounding decides), or through pixel edges.
slope = st.one_of(
    st.floats(-3, 3), st.sampled_from([0.0, 0.5, -0.5, 1.0, -2.0, 1e-13, -1e-16, 1e-300, 900.0])
)
offset = st.one_of(st.floats(-400, 400), st.integers(-800, 800).map(lambda halves: halves / 2))


@given(
    affine=st.tuples(st.tuples(slope, slope, offset), st.tuples(slope, slope, offset)),
    y=st.integers(0, 200),
    x=st.integers(0, 200),
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
)
@settings(max_examples=300, deadline=None)
def test_coverage_is_what_each_pixel_says_for_itself(affine, y, x, rows, columns):
    plan, block = section(affine), Block(y, y + rows, x, x + columns)
    (ax, bx, cx), (ay, by, cy) = affine
    expected = np.array(
        [
            [
                -0.5 <= ax * j + cx + bx * k < 219.5 and -0.5 <= ay * j + cy + by * k < 179.5
                for k in range(block.x0, block.x1)
            ]
            for j in range(block.y0, block.y1)
        ]
    )
    np.testing.assert_array_equal(coverage(plan, block), expected)
    inside = find_inside(plan, block)
    assert (inside.any(), inside.all()) == (expected.any(), expected.all())
    within = np.flatnonzero(expected.any(axis=0))
    left, right = inside.bounds(slice(None))
    assert not within.size or (left <= within[0] and within[-1] < right)


def test_a_section_that_is_not_readable_is_nowhere():
    plan = replace(section(((0.0, 1.0, 0.0), (1.0, 0.0, 0.0))), readable=False)
    assert not coverage(plan, Block(0, 20, 0, 30)).any()
    assert (render(plan, Block(0, 20, 0, 30), {}, fill_value=9) == 9).all()


def test_the_same_pixels_however_far_the_index_is_from_zero():
    """Rows' and columns' parts of a position do not fit 32 bits there; their sum does."""
    image, far = noise(8, 180, 220, 0), 2**17
    near_plan = section(((0.25, 0.75, 30.0), (0.75, -0.25, 40.0)), "cubic")
    far_plan = section(((0.25, 0.75, 30.0 - far), (0.75, -0.25, 40.0 - far / 2)), "cubic")
    expected = render(near_plan, Block(0, 90, 0, 80), all_tiles(near_plan, image), fill_value=1)
    block = Block(far, far + 90, far, far + 80)
    out = render(far_plan, block, all_tiles(far_plan, image), fill_value=1)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_sampling_inside_only_and_into_part_of_another_array(n):
    image = noise(9, 180, 220, 0)
    plan = section(((0.4, 1.1, -25.0), (1.2, -0.5, 15.0)), subsamples=n)
    block = Block(0, 150, 0, 160)
    inside, expected = find_inside(plan, block), sample(plan, block, image, (0, 0))
    canvas = np.full((160, 180, 3), 77, np.uint8)
    out = sample(plan, block, image, (0, 0), inside, canvas[5:155, 10:170])
    mask = inside.mask()
    assert 0 < mask.sum() < mask.size
    np.testing.assert_array_equal(out[mask], expected[mask])
    canvas[5:155, 10:170] = 77
    assert (canvas == 77).all()


def test_nothing_is_left_over_from_one_block_to_the_next():
    """Threads work in the same memory again: in one that has, as in one that has not."""
    image = noise(10, 180, 220, 0)
    plans = [
        section(((0.3, 0.9, -20.0), (0.9, -0.3, 25.0)), "lanczos"),
        section(((0.0, 2.5, 0.0), (2.5, 0.0, -40.0)), "cubic", subsamples=3),
        section(((0.0, 0.5, 90.0), (0.5, 0.0, 10.0)), "nearest"),
    ]
    jobs = []
    for plan in plans:
        tiles = all_tiles(plan, image)
        holes = tiles | {
            place: SectionImageError(1, "memory://tile", "lost") for place in list(tiles)[::3]
        }
        jobs += [
            (plan, Block(y, y + rows, 11, 11 + columns), have)
            for y, rows, columns in ((0, 70, 80), (35, 20, 150), (60, 100, 30))
            for have in (tiles, holes)
        ]

    def make(job):
        return render(job[0], job[1], job[2], fill_value=200)

    expected = []
    for job in jobs:
        with ThreadPoolExecutor(1) as fresh:
            expected.append(fresh.submit(make, job).result())
    with ThreadPoolExecutor(3) as pool:
        for out, want in zip(pool.map(make, jobs * 5), expected * 5, strict=True):
            np.testing.assert_array_equal(out, want)


def test_displacement_is_the_position_less_the_own_index():
    plan = section(((0.5, 7.0, 11.0), (6.5, -0.25, -3.0)), tier=2)
    block = Block(4, 9, 10, 16)
    out = displacement(plan, block)
    for j in range(*(block.y0, block.y1)):
        for k in range(*(block.x0, block.x1)):
            full = np.array([0.5 * j + 7.0 * k + 11.0, 6.5 * j - 0.25 * k - 3.0])
            got = out[j - block.y0, k - block.x0] + np.array([k, j])
            np.testing.assert_allclose(to_full(got, 2), full, atol=1e-4)


def test_edges_take_their_own_value_and_beyond_them_is_fill():
    image = np.full((180, 220, 3), 90, np.uint8)
    plan = section(((0.0, 0.25, -2.0), (0.25, 0.0, -2.0)))
    out = render(plan, Block(0, 20, 0, 20), all_tiles(plan, image), fill_value=255)
    # Position -0.5 is the image's edge: output pixel 6, at -2 + 6 / 4.
    assert (out[:6] == 255).all()
    assert (out[:, :6] == 255).all()
    assert (out[6:, 6:] == 90).all()


def test_sampling_is_the_same_in_any_window():
    image = noise(7, 180, 220, 0)
    plan = section(((0.1, 0.9, 30.0), (0.8, -0.1, 40.0)))
    block = Block(0, 40, 0, 40)
    expected = sample(plan, block, image, (0, 0))
    np.testing.assert_array_equal(sample(plan, block, image[25:, 17:], (17, 25)), expected)


@pytest.mark.parametrize(
    ("scale", "tier", "tiers", "expected"),
    [
        (25.0, None, None, (3, 0, 4)),  # the pyramid's end: too small to be halved on
        (6.0, None, None, (2, 0, 2)),
        (1.0, None, None, (0, 0, 1)),
        (6.0, 0, None, (0, 2, 2)),
        (6.0, None, frozenset({0, 1}), (1, 1, 2)),
        (6.0, None, frozenset({3}), (2, 0, 2)),  # too coarse: reading says what is missing
    ],
)
def test_tier_reduction_and_subsamples(scale, tier, tiers, expected):
    affine = np.array([[0.0, scale, 0.0], [scale, 0.0, 0.0]])
    got = plan_section(
        IMAGE, affine, tier=tier, tiers=tiers, interpolation="linear", resolution=scale
    )
    assert got == expected
    assert plan_section(
        IMAGE, affine, tier=0, tiers=None, interpolation="nearest", resolution=scale
    ) == (0, 0, 1)


OPENCV = """
import os, threading
import cv2, numpy as np
import atldld_xr
from atldld_xr.warp.averages import reduce_tile
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

def threads():
    folder = "/proc/self/task"
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0

cv2.setNumThreads(3)
seen = set()
def compute(resolution):
    atldld_xr.open_dataset("phantom", resolution=resolution).image.isel(
        coronal=0, y=slice(150, 200)
    ).compute(scheduler="sync")
    reduce_tile(np.zeros((1400, 1500, 3), np.uint8), 1)
    seen.add(cv2.getNumThreads())
with ThreadPoolExecutor(4) as pool:
    list(pool.map(compute, [20, 30, 50, 90]))
assert seen == {3} and cv2.getNumThreads() == 3, seen
# OpenCV starts its own where it first shares work out: it has not done so with ours.
before = threads()
cv2.resize(np.zeros((2000, 2000), np.uint8), (1000, 1000), interpolation=cv2.INTER_AREA)
print(threads() - before)
"""


def test_opencv_keeps_its_threads_and_gets_none_of_our_work():
    done = subprocess.run(
        [sys.executable, "-c", OPENCV], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    if sys.platform == "linux":
        assert int(done.stdout) > 0
