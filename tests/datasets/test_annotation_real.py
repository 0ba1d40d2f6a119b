"""Allen's annotation and ontology, where they are at hand."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import atldld_xr
from recorded import ALLEN

pytestmark = pytest.mark.skipif(
    not (ALLEN / "annotation_25.nrrd").exists(), reason="Allen's annotation is not at hand"
)
SHAPE = (528, 320, 456)


@pytest.fixture(scope="module")
def labels():
    """Return the file's values by a reader of four lines."""
    content = (ALLEN / "annotation_25.nrrd").read_bytes()
    assert b"type: uint32\n" in content[:400]
    values = gzip.decompress(content.split(b"\n\n", 1)[1])
    return np.frombuffer(values, "<u4").reshape(SHAPE[::-1]).T


@pytest.fixture(scope="module")
def structures():
    return atldld_xr.structures(source=ALLEN)


def test_slices_are_those_of_a_trivial_reader(labels):
    read = atldld_xr.open_annotation(source=ALLEN, chunks=None)
    assert read.shape == SHAPE
    for key in ({"coronal": 264}, {"y": 160}, {"x": 150}, {"coronal": slice(99, 301, 50)}):
        part = tuple(key.get(dim, slice(None)) for dim in read.dims)
        np.testing.assert_array_equal(read[key], labels[part])


def test_every_label_is_in_the_ontology(labels, structures):
    found = set(pd.unique(labels.ravel("F")).tolist())
    assert len(found) > 600
    assert found - {0} <= set(structures.ids)
    plane = labels[264]
    assert structures.is_in(plane, "root").sum() == np.count_nonzero(plane)


def test_the_dentate_gyrus(labels, structures):
    parts = structures.descendants("DG")
    assert {structures.acronym(part) for part in parts} >= {"DG", "DG-mo", "DG-po", "DG-sg"}
    some = labels[290:320:5]
    assert np.isin(some, parts).any()
    np.testing.assert_array_equal(structures.is_in(some, "DG"), np.isin(some, parts))


def test_coarser_by_majority_as_counted(labels):
    read = atldld_xr.open_annotation(resolution=100, source=ALLEN)
    assert read.shape == (132, 80, 114)
    coarse = read.values
    random = np.random.default_rng(0)
    changed = np.argwhere(coarse != labels[2::4, 2::4, 2::4])
    for p, i, r in random.choice(changed, 300):
        box = labels[4 * p : 4 * p + 4, 4 * i : 4 * i + 4, 4 * r : 4 * r + 4]
        values, counts = np.unique(box, return_counts=True)
        assert coarse[p, i, r] == values[counts.argmax()]


@pytest.mark.parametrize("axis", ["coronal", "x"])
def test_a_plane_takes_little_memory_even_the_first_time(axis, tmp_path):
    script = (
        "import resource, sys, atldld_xr, numcodecs, google_crc32c, xarray as xr\n"
        "xr.DataArray([1]).isel(dim_0=0).load()\n"
        "def most(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = most()\n"
        "a = atldld_xr.open_annotation(source=sys.argv[1], chunks=None)\n"
        "assert a.isel({sys.argv[2]: 200}).values.any()\n"
        "print((most() - before) // 1024)\n"
    )
    environment = {**os.environ, "ATLDLD_XR_CACHE__DIRECTORY": str(tmp_path / "own")}
    took = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", script, str(ALLEN), axis],
            capture_output=True, text=True, env=environment, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        took.append(int(done.stdout))
    # The volume has 294 MiB. A slab of it is 10, and there are some copies of one.
    assert took[0] < 110
    assert took[1] < 60
