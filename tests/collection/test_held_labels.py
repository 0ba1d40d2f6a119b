"""The annotation in memory reads what the annotation itself does, however it is indexed."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from atldld_xr.collection.held_labels import hold_labels

SHAPE = (70, 5, 6)
LABELS = np.random.default_rng(3).choice([0, 7, 614454277], SHAPE).astype(np.uint32)


@pytest.mark.parametrize(
    "key",
    [
        (slice(None), slice(None), slice(None)),
        (slice(3, 60, 2), 4, slice(None)),
        (69, slice(1, 3), -1),
        (np.array([0, 69, 3]), np.array([4, 4]), np.array([5, 0, 1])),
        (np.array([2, 40]), 3, slice(None, None, -1)),
    ],
)
def test_any_indexing_is_of_the_annotation(key):
    true = xr.DataArray(LABELS, dims=("p", "i", "r"), attrs={"source": "here"})
    held = hold_labels(true)
    xr.testing.assert_identical(held[key].load(), true[key])
