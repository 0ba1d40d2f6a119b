"""Products of matrices that are the same on every machine, and coordinates with them."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atldld_xr.allen.matrices import product

CORES = ("Haswell", "Zen", "SkylakeX")  # each with fused multiply-add
COORDINATES = """
import hashlib, sys
import atldld_xr
for plane in ("phantom", "phantom-sagittal"):
    ds = atldld_xr.open_dataset(plane, resolution=500)
    for name in sorted(ds.coords):
        print(plane, name, hashlib.sha256(ds[name].values.tobytes()).hexdigest())
"""


@given(
    shape=st.tuples(*[st.integers(1, n) for n in (4, 7, 5)]),
    stack=st.integers(0, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_sum_from_the_first_term_to_the_last(shape, stack, seed):
    rows, terms, columns = shape
    random = np.random.default_rng(seed)
    left = random.normal(size=(*[stack] * bool(stack), rows, terms))
    right = random.normal(size=(terms, columns))
    out = product(left, right)
    np.testing.assert_allclose(out, left @ right, rtol=0, atol=1e-13)
    matrices = left.reshape(-1, rows, terms)
    expected = np.zeros((len(matrices), rows, columns))
    for n, i, k in np.ndindex(expected.shape):
        total = matrices[n, i, 0] * right[0, k]
        for j in range(1, terms):
            total += matrices[n, i, j] * right[j, k]
        expected[n, i, k] = total
    np.testing.assert_array_equal(out.reshape(expected.shape), expected)


@pytest.fixture(scope="module")
def here():
    return coordinates()


@pytest.mark.parametrize("core", CORES)
def test_coordinates_do_not_depend_on_the_processor(core, here):
    assert "affine" in here
    assert coordinates(OPENBLAS_CORETYPE=core) == here


def coordinates(**environment):
    """Return digests of the phantoms' coordinates, made in a process of another BLAS."""
    command = [sys.executable, "-c", COORDINATES]
    told = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return told.stdout
