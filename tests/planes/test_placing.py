"""One rule puts sections on planes, for stores and for volumes."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from atldld_xr.allen.reference import CORONAL, SAGITTAL, Grid, get_space
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.planes.placing import nearest_plane, place
from atldld_xr.planes.planes import find_planes
from atldld_xr.planes.volume_grid import VolumeGrid, place_sections


def by_store(dim, positions, step):
    planes = find_planes(xr.Dataset(coords={dim: positions}), step=step)
    return [planes.first + index for index in planes.places]


def by_volume(plane, positions, step):
    grid = VolumeGrid(Grid(plane, get_space(9), 25.0), step)
    placed = place_sections(grid, positions, [{}] * len(positions))
    return [s.plane for s in sorted(placed, key=lambda section: section.index)]


@given(
    plane=st.sampled_from([CORONAL, SAGITTAL]),
    step=st.floats(20, 2000),
    positions=st.lists(st.floats(-500, 14_000), min_size=1, max_size=8),
)
def test_stores_and_volumes_have_the_same_planes(plane, step, positions):
    end = get_space(9).extent[plane.section_axis] // step * step
    in_volume = [0 <= position < end for position in positions]
    try:
        stored = by_store(plane.dim, positions, step)
    except InvalidArgumentError:  # and so does the volume, if they are in it
        stored = None
    if not any(in_volume) or (stored is None and not all(in_volume)):
        return
    if stored is None:
        with pytest.raises(InvalidArgumentError, match="in the plane at"):
            by_volume(plane, positions, step)
        return
    for index, voxel, inside in zip(
        stored, by_volume(plane, positions, step), in_volume, strict=True
    ):
        assert not inside or voxel == index
        assert voxel in (None, index)


@pytest.mark.parametrize(
    ("position", "plane"),
    [(0.0, 0), (-0.0, 0), (5e-324, 0), (-5e-324, -1), (-1e-12, -1), (25.0, 1), (-25.0, -1)],
)
def test_ties_go_up_and_nothing_is_rounded_into_the_space(position, plane):
    assert nearest_plane(position, 25.0) == plane


def test_outside_there_is_room_for_many():
    """Where planes have an end; where they have none, no plane holds two."""
    positions = [-10.0, -5.0, 130.0, 260.0]
    told = {"dim": "coronal", "image_ids": [None] * 4}
    assert place(positions, 100.0, extent=250.0, **told) == [None, None, 1, None]
    with pytest.raises(InvalidArgumentError, match=r"section 0 \(-10.0 um\) and section 1"):
        place(positions, 100.0, **told)


@pytest.mark.parametrize("ids", [None, [7.5, np.nan]])
def test_sections_without_good_ids_are_named_all_the_same(ids):
    ds = xr.Dataset(coords={"coronal": [1.0, 2.0]})
    ds = ds if ids is None else ds.assign_coords(section_image_id=("coronal", ids))
    with pytest.raises(InvalidArgumentError, match=r"step=\S+ separates"):
        find_planes(ds, step=25)
