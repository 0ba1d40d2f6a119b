"""VisuAlign's markers: triangles and the way through them beside SciPy's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay

from atldld_xr.errors import RegistrationError
from atldld_xr.registration.markers import bend_of, triangulate
from quicknii import DATA

IMAGE = replace(DATA.images[0], width=11_000, height=7600)
SIZE = (1375.0, 950.0)
SCALE = 8.0
CORNERS = np.array([[-0.1, -0.1], [1.1, -0.1], [-0.1, 1.1], [1.1, 1.1]])


def some_markers(seed, count, most=15.0):
    """Return markers that move by some pixels of the picture."""
    random = np.random.default_rng(seed)
    there = random.uniform([0, 0], SIZE, (count, 2))
    return np.hstack([there + random.uniform(-most, most, (count, 2)), there])


@given(st.integers(0, 10_000), st.integers(0, 60))
@settings(deadline=None)
def test_triangles_are_delaunays(seed, count):
    points = np.vstack([CORNERS, np.random.default_rng(seed).uniform(0, 1, (count, 2))])
    found = {tuple(sorted(t)) for t in triangulate(points).tolist()}
    if count:  # of a rectangle there are two ways
        assert found == {tuple(sorted(t)) for t in Delaunay(points).simplices.tolist()}
    else:
        assert len(found) == 2


def test_the_image_is_bent_as_visualign_bends_it():
    markers = some_markers(3, 12)
    bend = bend_of([tuple(m) for m in markers.tolist()], SIZE, IMAGE)
    corners = CORNERS * SIZE
    shown = np.vstack([corners, markers[:, :2]])
    there = np.vstack([corners, markers[:, 2:]])
    # VisuAlign's own direction: from a place in the picture to what the atlas shows there.
    picture = np.random.default_rng(5).uniform([20, 20], np.array(SIZE) - 20, (3000, 2))
    atlas = LinearNDInterpolator(Delaunay(there), shown)(picture)
    x, y = (atlas * SCALE - 0.5).T  # full-resolution pixels, edge to edge
    off_x, off_y = bend.at(x, y)
    back = np.stack([x + off_x, y + off_y], -1)
    wrong = np.linalg.norm(back - (picture * SCALE - 0.5), axis=1)
    moved = np.linalg.norm(atlas - picture, axis=1) * SCALE
    assert moved.max() > 50
    assert np.median(wrong) < 0.01
    assert wrong.max() < 4  # beside a fold of the surface, between two nodes


def test_markers_lead_from_where_they_are_to_where_they_should_be():
    markers = some_markers(8, 9)
    bend = bend_of([tuple(m) for m in markers.tolist()], SIZE, IMAGE)
    x, y = (markers[:, :2] * SCALE - 0.5).T
    off = np.stack(bend.at(x, y), -1)
    expected = (markers[:, 2:] - markers[:, :2]) * SCALE
    assert np.abs(off - expected).max() < 6
    assert np.abs(expected).max() > 80


def test_without_markers_nothing_is_bent():
    none = bend_of([], SIZE, IMAGE)
    assert np.abs(none.nodes).max() < 1e-9
    beyond = bend_of([(-4000.0, 5.0, 3.0, 5.0)], SIZE, IMAGE)  # which VisuAlign passes over
    assert np.abs(beyond.nodes).max() < 1e-9


@pytest.mark.parametrize(
    ("markers", "told"),
    [
        ([(100, 100, 900, 100), (900, 100, 100, 100)], "fold the picture"),
        ([(100, 100, 110, 100), (120, 100, 110, 100)], "two of its markers are at one place"),
        ([(1.0, 1.0, 1.0, float(k) / 10) for k in range(2001)], "2,001 markers"),
    ],
)
def test_markers_that_cannot_be_are_refused(markers, told):
    with pytest.raises(RegistrationError, match=told):
        bend_of(markers, SIZE, IMAGE)


def test_a_bend_of_many_markers_is_made_soon():
    bend_of([tuple(m) for m in some_markers(1, 300, most=0.3).tolist()], SIZE, IMAGE)
