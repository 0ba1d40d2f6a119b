"""Counts of pixels: whole numbers, the same from any blocks in any order."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from atldld_xr.analysis.accumulators import EMPTY, count, darkness, expresses, merge
from atldld_xr.analysis.columns import widths

LARGEST = 614_454_277  # of Allen's ids in the annotation


def block(seed, shape=(23, 31)):
    random = np.random.default_rng(seed)
    labels = random.choice(np.array([0, 0, 5, 7, LARGEST], np.uint32), (shape[0], 5))
    return {
        "labels": labels[:, np.sort(random.integers(0, 5, shape[1]))],
        "sides": np.where(np.arange(shape[1]) < 15, 1, 2).astype(np.uint8)
        + np.zeros(shape, np.uint8),
        "dark": random.integers(0, 256, shape).astype(np.uint16),
        "valid": random.random(shape) < 0.8,
        "expressing": random.random(shape) < 0.3,
    }


def plainly(arrays):
    """Count pixel by pixel."""
    out = {}
    for place in np.ndindex(arrays["labels"].shape):
        label, side, dark, valid, expressing = (int(array[place]) for array in arrays.values())
        if label:
            row = out.setdefault((label, side), [0] * 5)
            shows = valid and expressing
            for k, more in enumerate((1, valid, shows, dark * valid, dark * shows)):
                row[k] += more
    return out


def told(made):
    keys = zip(made.labels.tolist(), made.sides.tolist(), strict=True)
    return dict(zip(keys, made.counts.tolist(), strict=True))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 99), rows=st.integers(1, 23), columns=st.integers(1, 31), data=st.data())
def test_any_blocks_in_any_order_give_what_counting_one_by_one_does(seed, rows, columns, data):
    arrays = block(seed)
    parts = [
        count(**{name: array[y : y + rows, x : x + columns] for name, array in arrays.items()})
        for y in range(0, 23, rows)
        for x in range(0, 31, columns)
    ]
    parts = data.draw(st.permutations(parts))
    half = len(parts) // 2
    made = merge([merge(parts[:half]), EMPTY, merge(parts[half:])])
    assert told(made) == plainly(arrays)
    assert (np.diff(made.keys.astype(np.int64)) > 0).all()
    whole = count(**arrays)
    assert made.keys.tobytes() == whole.keys.tobytes()
    assert made.counts.tobytes() == whole.counts.tobytes()


def test_nothing_is_counted_of_nothing():
    arrays = block(0)
    assert count(**{name: array[:0] for name, array in arrays.items()}) is EMPTY
    arrays["labels"] = np.zeros_like(arrays["labels"])
    assert count(**arrays) is EMPTY
    assert merge([]) is EMPTY


def test_grey_is_the_stated_formula_of_every_colour():
    values = np.arange(0, 256, 15, dtype=np.uint8)
    rgb = np.stack(np.meshgrid(values, values, values), -1)
    r, g, b = (rgb[..., k].astype(int) for k in range(3))
    assert (darkness(rgb) == 255 - ((77 * r + 150 * g + 29 * b + 128) >> 8)).all()
    grey = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    assert (darkness(grey) == 255 - np.arange(256)).all()


def test_a_coloured_mask_expresses_where_any_channel_does():
    mask = np.array([[[0, 0, 0], [26, 0, 0], [25, 25, 25], [0, 0, 255]]], np.uint8)
    assert expresses(mask, 25).tolist() == [[False, True, False, True]]
    assert expresses(mask.max(-1), 25).tolist() == [[False, True, False, True]]


def test_a_section_stands_for_the_slab_to_half_way_to_its_neighbours():
    at = np.array([500.0, 100.0, 300.0, 900.0, 1100.0])
    everything = np.ones(5, bool)
    assert widths(at, everything).tolist() == [300, 200, 200, 300, 200]
    one_less = np.array([True, True, False, True, True])
    assert widths(at, one_less)[[0, 1, 3, 4]].tolist() == [400, 400, 300, 300]
    assert np.isnan(widths(at, one_less)[2])
    assert np.isnan(widths(at[:1], everything[:1])).all()
