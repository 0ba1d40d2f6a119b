"""The grid of what is written is the one that was asked for, whatever rounding does to it."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from atldld_xr.allen.reference import CORONAL, FINEST_RESOLUTION, SAGITTAL, Grid, get_space
from atldld_xr.export.ome import plan_pyramid
from atldld_xr.planes.axis import find_axis
from atldld_xr.planes.spacing import find_pixel_size, find_spacing, find_step
from atldld_xr.volumes.pixels import choose_pixels

SPACE = get_space(9)


def lazy(grid, **attributes):
    """Return a Dataset of one section of nothing on a grid."""
    dims = (grid.plane.dim, "y", "x")
    image = da.zeros((1, *grid.shape), dtype=np.uint8, chunks=-1)
    return xr.Dataset(
        {"image": (dims, image, {"fill_value": 0})},
        {grid.plane.dim: [6000.0], "y": grid.y, "x": grid.x},
        attributes,
    )


@pytest.mark.parametrize("axis", ["y", "x"])
@pytest.mark.parametrize("plane", [CORONAL, SAGITTAL], ids=["coronal", "sagittal"])
def test_every_whole_part_of_an_extent_keeps_its_pixels(plane, axis):
    extent = SPACE.extent[plane.y_axis if axis == "y" else plane.x_axis]
    tried = 0
    for n in range(1, 1001):
        asked = extent / n
        if asked > min(SPACE.extent[plane.y_axis], SPACE.extent[plane.x_axis]):
            continue
        grid = Grid(plane, SPACE, asked)
        count = len(grid.y if axis == "y" else grid.x)
        assert count == n  # Grid itself loses none to rounding
        coordinates = xr.Dataset(coords={"y": grid.y, "x": grid.x})
        told = find_pixel_size(coordinates.assign_attrs(resolution=asked))
        assert told == asked
        if max(grid.shape) > 1:  # by the coordinates alone, the same pixels
            measured = find_pixel_size(coordinates)
            assert measured is not None
            assert Grid(plane, SPACE, measured).shape == grid.shape
        tried += 1
    assert tried > 990


# Sizes of 7 digits and more, that rounding to 6 decimals takes a row or a column from.
HARD = [2000 / 3, 8000 / 61, 8000 / 7, 11400 / 13, 13200 / 37, 8000 / 999]


@pytest.mark.parametrize("resolution", HARD)
@pytest.mark.parametrize("plane", [CORONAL, SAGITTAL], ids=["coronal", "sagittal"])
def test_a_volume_takes_its_own_dataset(plane, resolution):
    grid = Grid(plane, SPACE, resolution)
    for attributes in ({"resolution": resolution}, {}):
        pixels = choose_pixels(lazy(grid, **attributes), "image", None)
        assert (pixels.grid.shape, pixels.top, pixels.left) == (grid.shape, 0, 0)
        part = lazy(grid, **attributes).isel(y=slice(2, 5), x=slice(1, None))
        pixels = choose_pixels(part, "image", None)
        assert (pixels.grid.shape, pixels.top, pixels.left) == (grid.shape, 2, 1)


def test_volumes_are_written_whole(tmp_path):
    nrrd = pytest.importorskip("nrrd")
    grid = Grid(CORONAL, SPACE, 2000 / 3)
    rng = np.random.default_rng(0)
    values = rng.integers(1, 255, (1, *grid.shape), np.uint8)
    ds = lazy(grid, resolution=2000 / 3).assign(image=(("coronal", "y", "x"), values))
    ds.atldld.to_volume(tmp_path / "a.nrrd")
    found, header = nrrd.read(str(tmp_path / "a.nrrd"))
    assert found.shape == (19, 12, 17)
    np.testing.assert_array_equal(found[9], values[0])
    assert header["space directions"][1, 1] == 2000 / 3  # to the last digit


@pytest.mark.parametrize("resolution", HARD)
def test_ome_zarr_says_what_was_asked_for(resolution):
    ds = lazy(Grid(CORONAL, SPACE, resolution), resolution=resolution, section_thickness=25.0)
    pyramid = plan_pyramid(ds)
    assert (pyramid.y.step, pyramid.x.step) == (resolution, resolution)
    assert pyramid.y.level(2).step == 4 * resolution


def test_one_pixel_has_the_size_that_was_asked_for():
    one = lazy(Grid(CORONAL, SPACE, 25.0), resolution=25.0).isel(y=[7], x=[9])
    assert find_axis(one, "y").step == find_axis(one, "x").step == 25
    pixels = choose_pixels(one, "image", None)
    assert (pixels.grid.resolution, pixels.top, pixels.left) == (25, 7, 9)
    # Merged since, what it says is no more true: the other axis tells.
    merged = lazy(Grid(CORONAL, SPACE, 25.0), resolution=25.0).coarsen(y=4, x=4).mean()
    assert find_pixel_size(merged) == 100
    assert find_axis(merged.isel(x=[3]), "x").step == 100


def test_measured_sizes_are_round_where_rounding_made_them_not():
    for size in (0.1, 0.35, 1.0, 7.0, 25.0, 99.9):
        assert find_step((np.arange(900) + 0.5) * size) == size
        assert find_step(np.arange(3, 70) * size) == size
    assert find_step(np.array([0.0, 1 / 3, 2 / 3])) == pytest.approx(1 / 3, rel=1e-15)


@pytest.mark.parametrize(
    "asked", [None, "25", True, 0, -25, np.nan, np.inf, 10**400, 5e-324, 1e308, [25], 26.0]
)
def test_what_is_no_size_or_not_theirs_is_let_be(asked):
    values = (np.arange(300) + 0.5) * 25
    assert find_step(values, asked) == 25
    assert find_step(values[:1], asked) in (None, 26.0)


def test_the_finest_grid_there_is():
    grid = Grid(CORONAL, SPACE, FINEST_RESOLUTION)
    coordinates = xr.Dataset(coords={"y": grid.y, "x": grid.x})
    for resolution in (FINEST_RESOLUTION, None):
        size = find_pixel_size(coordinates.assign_attrs(resolution=resolution))
        assert size is not None
        assert Grid(CORONAL, SPACE, size).shape == (80_000, 114_000)


@given(
    st.floats(110, 400),
    st.sets(st.integers(2, 12), max_size=9),
    st.floats(-500, 12_000),
    st.randoms(use_true_random=False),
)
def test_sections_in_equal_steps_are_known_as_such(step, others, first, random):
    numbers = [0, 1, *others]
    random.shuffle(numbers)
    positions = [first + n * step + random.uniform(-2, 2) for n in numbers]
    found = find_spacing(positions, 25)
    assert found is not None
    assert list(found.places) == numbers
    assert found.step == pytest.approx(step, abs=4.01)
    off = np.array(positions) - found.first - found.step * np.array(numbers)
    assert np.abs(off).max() <= 12.5


@pytest.mark.parametrize(
    ("positions", "thickness"),
    [
        ([], 25),
        ([7.0], 25),
        ([0.0, 0.0, 200.0], 25),
        ([0.0, 200.0, 430.0, 600.0], 25),  # one is out of line
        ([0.0, 200.0, 443.0, 600.0, 831.0], 25),
        (np.cumsum([10.0] * 20 + [14.0] * 20), 100),  # nearer to another's place
    ],
)
def test_sections_in_other_steps_are_not(positions, thickness):
    assert find_spacing(positions, thickness) is None


def test_sections_in_equal_steps_need_not_be_neighbours():
    found = find_spacing([900.0, 0.0, 402.0, 608.0], 25)
    assert found is not None
    assert found.places == (9, 0, 4, 6)
