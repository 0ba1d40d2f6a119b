"""Sections that are bent: beside SciPy, in any blocks, and those that are not as ever."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.plan.bend import Bend
from atldld_xr.plan.bent_section import BentSectionPlan
from atldld_xr.plan.load_plan import Block, SectionPlan
from atldld_xr.warp.kernel import coverage, displacement, render

WIDTH, HEIGHT = 2300, 1700
WHOLE = Block(0, 150, 0, 170)
RANDOM = np.random.default_rng(11)
NOISE = ndimage.gaussian_filter(RANDOM.uniform(0, 255, (HEIGHT, WIDTH, 3)), (6, 6, 0))
PIXELS = np.clip((NOISE - 127.5) * 12 + 127.5, 0, 255).astype(np.uint8)
IMAGE = SectionImage(
    id=1, data_set_id=2, section_number=3, resolution=1.0, width=WIDTH, height=HEIGHT,
    x=0, y=0, tier_count=5, has_expression=False,
)  # fmt: skip
AFFINE = ((1.3, 14.0, -90.0), (12.5, -0.9, -30.0))


def make_bend(seed=0, size=60.0):
    nodes = np.random.default_rng(seed).uniform(-size, size, (7, 9, 2))
    return Bend.of(nodes, (-0.5, -0.5), (WIDTH / 8, HEIGHT / 6))


def section(bend=None, *, subsamples=1, interpolation="linear", affine=AFFINE):
    options = {
        "image": IMAGE, "affine": affine, "tier": 0, "reduction": 0, "subsamples": subsamples,
        "tile_side": 512, "interpolation": interpolation,
    }  # fmt: skip
    return SectionPlan(**options) if bend is None else BentSectionPlan(**options, bend=bend)


def tiles_of(plan, block):
    out = {}
    for row, column in plan.tiles(block):
        y, x = row * 512, column * 512
        out[row, column] = PIXELS[y : y + 512, x : x + 512]
    return out


def rendered(plan, block):
    return render(plan, block, tiles_of(plan, block), fill_value=7)


def by_scipy(bend, affine):
    """Return the float64 places (x, y) of all output pixels, by SciPy's own interpolation."""
    index = np.mgrid[WHOLE.y0 : WHOLE.y1, WHOLE.x0 : WHOLE.x1].astype(float)
    x, y = (a * index[0] + b * index[1] + c for a, b, c in affine)
    at = [
        (place - first) / step
        for place, first, step in zip((y, x), bend.first[::-1], bend.step[::-1], strict=True)
    ]
    off = [
        ndimage.map_coordinates(bend.nodes[..., k], at, order=1, mode="nearest") for k in range(2)
    ]
    return x + off[0], y + off[1]


def test_it_is_what_scipy_makes_of_it():
    bend = make_bend()
    plan = section(bend)
    x, y = by_scipy(bend, AFFINE)
    shown = rendered(plan, WHOLE)
    inside = (x >= -0.5) & (x < WIDTH - 0.5) & (y >= -0.5) & (y < HEIGHT - 0.5)
    assert 0.3 < inside.mean() < 1
    np.testing.assert_array_equal(coverage(plan, WHOLE), inside)
    expected = np.stack(
        [ndimage.map_coordinates(PIXELS[..., k].astype(float), [y, x], order=1, mode="nearest")
         for k in range(3)], -1,
    )  # fmt: skip
    assert np.abs(shown[inside] - expected[inside]).max() <= 2  # of a 32nd of a pixel
    assert (shown[~inside] == 7).all()
    field = displacement(plan, WHOLE)
    columns, rows = np.meshgrid(np.arange(WHOLE.x1), np.arange(WHOLE.y1))
    np.testing.assert_allclose(field[..., 0], x - columns, atol=1e-3)
    np.testing.assert_allclose(field[..., 1], y - rows, atol=1e-3)
    straight = rendered(section(), WHOLE)
    assert np.abs(straight[inside].astype(int) - shown[inside]).mean() > 10


@pytest.mark.parametrize("subsamples", [1, 3])
@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic"])
def test_a_bend_of_nothing_is_no_bend(subsamples, interpolation):
    options = {"subsamples": subsamples, "interpolation": interpolation}
    options["affine"] = ((0.4, 4.0, 90.0), (3.9, -0.3, 60.0))
    none = Bend.of(np.zeros((2, 2, 2)), (0, 0), (WIDTH, HEIGHT))
    bent, straight = section(none, **options), section(**options)
    apart = rendered(bent, WHOLE).astype(int) - rendered(straight, WHOLE)
    # Of sums that are rounded once, or in two parts: by 2**-16 of a pixel.
    assert np.abs(apart).max() <= 1 + 30 * (interpolation == "nearest")
    assert (apart != 0).mean() < 0.02
    np.testing.assert_array_equal(coverage(bent, WHOLE), coverage(straight, WHOLE))


@given(
    seed=st.integers(0, 5),
    rows=st.lists(st.integers(1, 149), max_size=4, unique=True),
    columns=st.lists(st.integers(1, 169), max_size=4, unique=True),
    subsamples=st.integers(1, 3),
    interpolation=st.sampled_from(["nearest", "linear", "cubic", "lanczos"]),
)
@settings(deadline=None, max_examples=40)
def test_no_pixel_depends_on_blocks(seed, rows, columns, subsamples, interpolation):
    plan = section(make_bend(seed), subsamples=subsamples, interpolation=interpolation)
    whole, covered, field = (f(plan, WHOLE) for f in (rendered, coverage, displacement))
    ys, xs = [0, *sorted(rows), WHOLE.y1], [0, *sorted(columns), WHOLE.x1]
    for y0, y1 in pairwise(ys):
        for x0, x1 in pairwise(xs):
            block, at = Block(y0, y1, x0, x1), (slice(y0, y1), slice(x0, x1))
            np.testing.assert_array_equal(rendered(plan, block), whole[at])
            np.testing.assert_array_equal(coverage(plan, block), covered[at])
            np.testing.assert_array_equal(displacement(plan, block), field[at])
            assert set(plan.tiles(block)) <= set(plan.tiles(WHOLE))


@given(st.integers(0, 20), st.floats(1, 900), st.integers(0, 140), st.integers(0, 160))
@settings(deadline=None)
def test_windows_hold_what_is_sampled(seed, size, y0, x0):
    bend = make_bend(seed, size)
    plan, block = section(bend), Block(y0, y0 + 10, x0, x0 + 10)
    x, y = (some[y0 : y0 + 10, x0 : x0 + 10] for some in by_scipy(bend, AFFINE))
    window = plan.window(block)
    if window is None:
        assert not coverage(plan, block).any()
        return
    left, top, right, bottom = window
    inside = coverage(plan, block)
    if inside.any():
        x, y = x[inside], y[inside]
        assert max(left - 1, -0.5) <= x.min() <= x.max() <= min(right + 1, WIDTH)
        assert left <= max(x.min(), 0)
        assert right > min(x.max(), WIDTH - 1)
        assert top <= max(y.min(), 0)
        assert bottom > min(y.max(), HEIGHT - 1)


def test_a_bend_is_told_from_others_and_goes_to_workers():
    one, other = make_bend(1), make_bend(2)
    assert repr(section(one)) != repr(section(other)) != repr(section())
    assert repr(one) == repr(make_bend(1))
    assert len(repr(section(one))) < 1000
    plan = section(one)
    assert plan.tiles(WHOLE)
    again = pickle.loads(pickle.dumps(plan))
    assert again == plan
    assert len(pickle.dumps(plan)) < len(one.content) + 2000
