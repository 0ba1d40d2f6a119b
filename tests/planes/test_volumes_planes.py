"""Which plane a section goes to, and what is said when two go to one."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atldld_xr.allen.reference import CORONAL, SAGITTAL, Grid, get_space
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.planes.volume_grid import VolumeGrid, place_sections


def make_grid(step, plane=CORONAL, resolution=25.0):
    return VolumeGrid(Grid(plane, get_space(9), resolution), step)


def place(step, coordinates, plane=CORONAL):
    facts = [{"section_image_id": 100 + n} for n in range(len(coordinates))]
    return place_sections(make_grid(step, plane), coordinates, facts)


@pytest.mark.parametrize(
    ("plane", "step", "shape", "spacing"),
    [
        (CORONAL, 25, (528, 320, 456), (25, 25, 25)),
        (SAGITTAL, 25, (528, 320, 456), (25, 25, 25)),
        (CORONAL, 200, (66, 320, 456), (200, 25, 25)),
        (SAGITTAL, 200, (528, 320, 57), (25, 25, 200)),
        (CORONAL, 0.1, (132_000, 320, 456), (0.1, 25, 25)),
        (SAGITTAL, 7000, (528, 320, 1), (25, 25, 7000)),
    ],
)
def test_the_grid(plane, step, shape, spacing):
    grid = make_grid(step, plane)
    assert (grid.shape, grid.spacing) == (shape, spacing)
    centre = grid.affine @ [0, 0, 0, 1]
    np.testing.assert_allclose(
        centre[:3] * 2000, [spacing[2], -spacing[0], -spacing[1]], rtol=1e-12
    )
    assert np.linalg.det(grid.affine[:3, :3]) > 0


@given(
    plane=st.sampled_from([CORONAL, SAGITTAL]),
    step=st.floats(30, 3000),
    coordinates=st.lists(st.floats(-500, 14000), min_size=1, max_size=12),
)
def test_nearest_or_refused(plane, step, coordinates):
    extent = 13200 if plane is CORONAL else 11400
    centres = (np.arange(int(extent / step + 1e-9)) + 0.5) * step
    inside = [c for c in coordinates if 0 <= c < len(centres) * step]
    nearest = [int(np.argmin(np.abs(centres - c))) for c in inside]
    # Half-way between two planes either is as near.
    tied = any(abs((c / step) - round(c / step)) < 1e-9 for c in inside)
    try:
        placed = place(step, coordinates, plane)
    except InvalidArgumentError as error:
        assert not inside or tied or len(set(nearest)) < len(nearest)
        advised = re.search(r"step=([\d.e+-]+) separates", str(error))
        if advised:
            again = place(float(advised[1]), coordinates, plane)
            assert {s.coordinate for s in again if s.plane is not None} >= set(inside)
        return
    assert len({s.plane for s in placed if s.plane is not None}) == len(inside)
    assert [s.coordinate for s in placed] == sorted(coordinates)
    for section in placed:
        assert coordinates[section.index] == section.coordinate
        assert section.facts["section_image_id"] == 100 + section.index
        if section.coordinate in inside:
            away = abs((section.plane + 0.5) * step - section.coordinate)
            assert away <= step / 2 * (1 + 1e-9)
        else:
            assert section.plane is None


def test_two_sections_in_a_plane_are_named():
    with pytest.raises(InvalidArgumentError) as caught:
        place(200, [1000, 1010, 1090, 4000, 4150])
    said = str(caught.value)
    assert "section image 100 (1000.0 um) and section image 101 (1010.0 um) in the plane" in said
    assert "in the plane at 1100 um" in said
    assert "section image 103" in said
    step = float(re.search(r"step=([\d.]+) separates", said)[1])
    assert len({s.plane for s in place(step, [1000, 1010, 1090, 4000, 4150])}) == 5


def test_sections_at_one_place_are_never_apart():
    with pytest.raises(InvalidArgumentError, match=r"no step separates them.*isel"):
        place(25, [1000.0, 1000.0])


def test_many_collisions_are_counted():
    with pytest.raises(InvalidArgumentError, match="and 95 more"):
        place(13200, list(range(0, 10000, 100)))


@pytest.mark.parametrize("coordinates", [[-1.0], [13200.0, 1e9]])
def test_nothing_inside(coordinates):
    with pytest.raises(InvalidArgumentError, match="no section lies inside"):
        place(25, coordinates)


@pytest.mark.parametrize("coordinate", [np.nan, np.inf])
def test_no_coordinate(coordinate):
    with pytest.raises(InvalidArgumentError, match="finite"):
        place(25, [coordinate])


@pytest.mark.parametrize("step", [0, -25, np.nan, np.inf, 0.01, 20_000, "25", None, True, [25]])
def test_bad_steps(step):
    with pytest.raises(InvalidArgumentError, match="step"):
        make_grid(step)
