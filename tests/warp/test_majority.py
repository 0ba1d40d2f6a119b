"""Labels on another grid, against a loop that counts."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atldld_xr.warp.majority import resample_labels, source_voxels


def loop(labels, ratio, shape):
    """Return the same by counting: `ratio` is a Fraction of the volume's voxels."""
    out = np.empty(shape, np.uint32)
    for place in np.ndindex(*shape):
        within = []
        for k, size in zip(place, labels.shape, strict=True):
            centres = [j for j in range(size) if k * ratio <= j + Fraction(1, 2) < (k + 1) * ratio]
            if ratio < 1:
                centres = [min(int((k + Fraction(1, 2)) * ratio), size - 1)]
            within.append(centres)
        counted = Counter(labels[np.ix_(*within)].ravel().tolist())
        most = max(counted.values())
        out[place] = min(label for label, n in counted.items() if n == most)
    return out


@given(
    ratio=st.sampled_from(["1", "2", "4", "5/2", "7/5", "3", "2/5", "1/2", "4/5"]),
    few=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_as_counted(ratio, few, seed):
    ratio = Fraction(ratio)
    random = np.random.default_rng(seed)
    labels = random.choice(np.array([0, 7, 2**32 - 1, 997, 5], np.uint32)[:few], (7, 5, 6))
    shape = [max(int(size / ratio), 1) if ratio <= 8 else 1 for size in labels.shape]
    axes = [
        source_voxels(range(n), float(ratio), size)
        for n, size in zip(shape, labels.shape, strict=True)
    ]
    made = resample_labels(labels, (0, 0, 0), axes)
    assert made.dtype == np.uint32
    np.testing.assert_array_equal(made, loop(labels, ratio, shape))


def test_of_a_tie_the_lowest_counts_and_nothing_like_a_label():
    labels = np.array([[[9, 9, 4, 4, 0, 0, 3, 3]]], np.uint32)
    axes = [source_voxels(range(1), 4.0, 1), source_voxels(range(1), 4.0, 1)]
    axes.append(source_voxels(range(2), 4.0, 8))
    np.testing.assert_array_equal(resample_labels(labels, (0, 0, 0), axes), [[[4, 0]]])


@pytest.mark.parametrize("resolution", [10, 20, 30, 33.3, 47.9, 50, 75, 100, 200])
@pytest.mark.parametrize("spacing", [10, 25])
def test_every_voxel_has_a_part_of_the_volume_and_none_has_the_same(spacing, resolution):
    size, count = 13200 // spacing, int(13200 / resolution + 1e-9)
    voxels = source_voxels(range(count), resolution / spacing, size)
    assert voxels.count.min() >= 1
    assert voxels.first[0] == 0
    assert voxels.span.stop <= size
    if resolution >= spacing:
        np.testing.assert_array_equal(voxels.first[1:], (voxels.first + voxels.count)[:-1])
        at = (voxels.first + 0.5) * spacing
        assert np.all(at >= np.arange(count) * resolution - 1e-6)
