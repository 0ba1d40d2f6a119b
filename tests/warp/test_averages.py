"""Means beside float64: rounded without a bias, over all of the area, edges included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import Tile, plan_section
from atldld_xr.arrays.fetch import fetch_tile
from atldld_xr.datasets.plan_dataset import plan_dataset
from atldld_xr.errors import SectionImageError
from atldld_xr.plan.load_plan import Block, SectionPlan
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.warp.averages import mean_of_samples, reduce_tile
from atldld_xr.warp.kernel import coverage, render
from noise import noise
from recorded import ALLEN, IMAGE_ID


class Picture:
    """A source of one image, at one tier."""

    def __init__(self, pixels):
        self.pixels = pixels

    def read(self, image, tile: Tile, view):
        rows, columns = (
            slice(tile.top, tile.top + tile.height),
            slice(tile.left, tile.left + tile.width),
        )
        return self.pixels[rows, columns]


def plan(size, scale, angle, start, *, tier=0, tier_count=1, tile_side=1 << 14):
    """Plan a section of (width, height) as a data set's would be, at `scale` pixels to each."""
    image = SectionImage(1, 1, 1, 1.0, *size, 0, 0, tier_count, True)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    affine = np.array([[s, c, start[0]], [c, -s, start[1]]])
    found = plan_section(
        image, affine, tier=tier, tiers=None, interpolation="linear", resolution=scale
    )
    return SectionPlan(image, tuple(map(tuple, affine.tolist())), *found, tile_side, "linear")


def make(section, block, source, fill_value=0):
    tiles = {p: fetch_tile(source, section, p, "image", "raise") for p in section.tiles(block)}
    return render(section, block, tiles, fill_value=fill_value)


def box_means(pixels, side):
    """Return the means of squares in float64, at the edges of as much as there is."""
    rows, columns = (range(0, size, side) for size in pixels.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(float), rows), columns, axis=1)
    counts = np.outer(np.diff([*rows, len(pixels)]), np.diff([*columns, pixels.shape[1]]))
    return sums / counts.reshape(counts.shape + (1,) * (pixels.ndim - 2))


def true_means(section, block, pixels):
    """Return what `render` rounds, in float64: the mean of a pixel's samples inside the image.

    From the same places, which are rounded to 1/32 of a pixel of the level; NaN where none is.
    """
    level, n = box_means(pixels, 2**section.reduction), section.subsamples
    rows, columns = (
        ((2 * np.arange(start * n, stop * n) + 1) / (2 * n) - 0.5)
        for start, stop in ((block.y0, block.y1), (block.x0, block.x1))
    )
    to_full = np.array(section.affine)
    x, y = (np.add.outer(a * rows + c, b * columns) for a, b, c in to_full)
    inside = (x >= -0.5) & (y >= -0.5)
    inside &= (x < section.image.width - 0.5) & (y < section.image.height - 0.5)
    at = [np.rint(((v + 0.5) / 2**section.sampled_tier - 0.5) * 32) / 32 for v in (y, x)]

    def mean(values):
        return values.reshape(len(rows) // n, n, len(columns) // n, n).mean((1, 3))

    weight = mean(inside.astype(float))
    with np.errstate(invalid="ignore"):
        return np.stack(
            [
                mean(ndimage.map_coordinates(level[..., k], at, order=1, mode="nearest") * inside)
                / weight
                for k in range(level.shape[2])
            ],
            axis=-1,
        )


@pytest.mark.parametrize("scale", range(1, 17))
def test_no_scale_has_a_bias(scale):
    pixels = noise(21, 1500, 1600, 0)
    # As sections are registered: turned a little, and somewhere between pixels.
    section = plan((1600, 1500), float(scale), 0.021, (30.3, 60.7))
    block = Block(0, min(1400 // scale, 250), 0, min(1500 // scale, 250))
    assert coverage(section, block).all()
    error = make(section, block, Picture(pixels)) - true_means(section, block, pixels)
    assert abs(error.mean()) < 0.01


@pytest.mark.parametrize("resolution", [2, 4, 8, 10, 25, 50, 100, 200, 400])
@pytest.mark.skipif(not ALLEN.exists(), reason="Allen's recorded data are not here")
def test_a_real_section_is_no_brighter_than_its_image(resolution):
    mirror, tier = MirrorSource(str(ALLEN)), 2 if resolution < 5 else "auto"
    plans = plan_dataset(69289763, source=mirror, resolution=resolution, tier=tier).plans["image"]
    (section,) = (s for s in plans.sections if s.image.id == IMAGE_ID)
    y, x = (n // 2 for n in plans.shape)
    block = Block(max(y - 150, 0), y + min(y, 150), max(x - 150, 0), x + min(x, 150))
    image = mirror.read(section.image, section.tile(0, 0), "image")
    error = make(section, block, mirror) - true_means(section, block, image)
    assert abs(error[coverage(section, block)].mean()) < 0.01


@pytest.mark.parametrize("angle", [0.0, 0.03])
@pytest.mark.parametrize("resolution", [100, 400, 1000, 1600, 2500, 8000])
def test_a_ramp_stays_one_beyond_the_last_tier(resolution, angle):
    """By areas and the parts of them that are inside, worked out from the ramp itself."""
    width, height, tier = 2851, 2003, 4
    y, x = ((np.arange(size >> tier) + 0.5) * 2**tier / size for size in (height, width))
    ramp = np.stack(np.broadcast_arrays(255 * y[:, None], 255 * x, 127 * (y[:, None] + x)), -1)
    scale = resolution / 4
    start = ((scale - 1) / 2 - 400 * angle,) * 2
    section = plan((width, height), scale, angle, start, tier=None, tier_count=tier + 1)
    assert section.tier == tier
    side = int(3000 / scale) + 2
    block = Block(0, side, 0, side)
    out = make(section, block, Picture(np.rint(ramp).astype(np.uint8)))
    n = 64 if scale > 100 else 8
    at = (2 * np.arange(side * n) + 1) / (2 * n) - 0.5
    x, y = (np.add.outer(a * at + c, b * at) + 0.5 for a, b, c in section.affine)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    true = np.stack([255 * y / height, 255 * x / width, 127 * (y / height + x / width)], -1)
    sums = [v.reshape(side, n, side, n, -1).sum((1, 3)) for v in (true * inside[..., None], inside)]
    covered = coverage(section, block)
    assert covered.any()
    error = (out - sums[0] / np.maximum(sums[1], 1))[covered]
    # At an edge a pixel may be a sliver of the image; 8 to 63 where the remainder was dropped.
    assert np.abs(error).max() < 3
    assert abs(error.mean()) < 0.5  # as much as rounding makes of a single pixel


@pytest.mark.parametrize("halvings", [1, 2, 3, 5])
@pytest.mark.parametrize("shape", [(180, 221, 3), (181, 220), (3, 5, 3), (700, 1300, 3)])
def test_a_reduced_image_is_the_rounded_means_of_areas_and_of_what_is_left(shape, halvings):
    pixels = np.random.default_rng(4).integers(0, 256, shape, np.uint8)
    out = reduce_tile(pixels, halvings)
    np.testing.assert_array_equal(out, np.rint(box_means(pixels, 2**halvings)))


@pytest.mark.parametrize("n", [2, 3, 4, 6, 17])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_means_of_samples_are_rounded_to_the_nearest_and_halves_to_even(n, channels):
    samples = np.random.default_rng(n).integers(0, 256, (7, n, n, 11, *channels), np.uint8)
    out = np.zeros((7, 11, *channels), np.uint8)
    mean_of_samples(samples, out)
    np.testing.assert_array_equal(out, np.rint(samples.mean((1, 2))))


@given(
    y=st.integers(0, 40), x=st.integers(0, 40), rows=st.integers(1, 30), columns=st.integers(1, 30)
)
@settings(max_examples=40, deadline=None)
def test_a_small_image_is_the_same_in_any_block(y, x, rows, columns):
    pixels = noise(22, 301, 417, 0)
    section = plan((417, 301), 7.3, 0.3, (-90.4, 60.9), tile_side=64)
    whole = make(section, Block(0, 70, 0, 70), Picture(pixels))
    block = Block(y, y + rows, x, x + columns)
    part = make(section, block, Picture(pixels))
    np.testing.assert_array_equal(part, whole[y : block.y1, x : block.x1])


def test_a_pixel_of_very_many_samples_is_lost_with_one_of_them():
    section = plan((900, 900), 24.5, 0.0, (12.0, 12.0), tile_side=64)
    section = replace(section, reduction=0, subsamples=25)
    lost = SectionImageError(1, "memory://", "lost")
    block = Block(0, 36, 0, 36)
    tiles = {place: np.full((64, 64, 3), 9, np.uint8) for place in section.tiles(block)}
    covered = coverage(section, block, tiles | {(2, 3): lost})
    gone = {(int(r), int(c)) for r, c in np.argwhere(coverage(section, block) & ~covered)}
    # The tile, and the pixel to either side that is interpolated with it.
    assert {r for r, _ in gone} == set(range(127 * 2 // 49, 193 * 2 // 49 + 1))
    assert {c for _, c in gone} == set(range(191 * 2 // 49, 257 * 2 // 49 + 1))
