"""Expression counted on sections beside the service's own grid of it."""

from __future__ import annotations

import numpy as np
import pytest

import atldld_xr
from atldld_xr.allen import transforms
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.analysis import compare_grid
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.testing import CORONAL_ID, SAGITTAL_ID, AllenServer
from tilted import TILTS, tilted_source


@pytest.fixture(scope="module")
def served():
    with AllenServer() as server:
        yield server


@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize(
    ("dataset_id", "least"), [(CORONAL_ID, 0.75), (SAGITTAL_ID, 0.8)], ids=["coronal", "sagittal"]
)
def test_ours_agrees_with_the_grid_where_it_lies(served, dataset_id, least, space):
    opened = atldld_xr.open_dataset(
        dataset_id, source=served.url, expression="intensity", resolution=100, reference_space=space
    )
    found = atldld_xr.compare_grid(opened)
    assert found.attrs["correlation"] > least
    assert found.attrs["best_shift"] == [0, 0, 0]
    assert found.attrs["best_correlation"] == found.attrs["correlation"]
    assert found.attrs["voxels"] > 5000
    own = atldld_xr.open_grid(dataset_id, source=served.url)
    assert found.grid_energy.equals(own.energy.rename("grid_energy"))
    assert found.energy.dims == ("coronal", "y", "x")


def test_a_grid_that_is_moved_is_found_where_it_is(served):
    opened = atldld_xr.open_dataset(
        CORONAL_ID, source=served.url, expression="intensity", resolution=100
    )
    grid = atldld_xr.open_grid(CORONAL_ID, source=served.url)
    moved = grid.copy(data={n: np.roll(v.values, (0, 1, -2), (0, 1, 2)) for n, v in grid.items()})
    found = atldld_xr.compare_grid(opened, grid=moved)
    assert found.attrs["best_shift"] == [0, 200, -400]
    assert found.attrs["best_correlation"] > 0.75 > found.attrs["correlation"] + 0.2
    # Any chunks give the same, to the bit.
    others = opened.chunk({"coronal": 3, "y": 31, "x": 50})
    assert atldld_xr.compare_grid(others, grid=moved).identical(found)


@pytest.mark.parametrize("viewed", ["projected", "oblique"])
@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize("plane", list(TILTS))
def test_a_pixel_is_of_the_voxel_that_its_tissue_lies_in(plane, space, viewed):
    """Projected along its normal, a section shows what lies off the pixel's own y and x, too."""
    source, number = tilted_source(plane)
    data = parse_dataset(source.dataset_record(number))
    ds = atldld_xr.open_dataset(
        number, source=source, resolution=60, reference_space=space, plane=viewed
    )
    grid = atldld_xr.open_grid("phantom")
    found = compare_grid._voxels(ds, plane, grid).values
    for index in range(0, ds.sizes[plane], 4):
        section = ds.isel({plane: index})
        (image,) = (image for image in data.images if image.id == section.section_image_id)
        y, x = (some.ravel() for some in np.meshgrid(ds.y, ds.x, indexing="ij"))
        pixels = section.affine.values @ [y, x, np.ones(y.size)]
        z = np.full(y.size, image.section_number * data.section_thickness)
        there = transforms.xy_to_pir(np.vstack([pixels, z]), image.tsv, data.tvr)
        at = there / 200 + 0.5
        sure = (np.abs(at - np.round(at)) > 2e-3).all(0)
        shape = np.array(grid.energy.shape)
        voxel = np.floor(at).astype(int)
        inside = ((voxel >= 0) & (voxel < shape[:, None])).all(0)
        expected = np.zeros(y.size, int)
        expected[inside] = np.ravel_multi_index(tuple(voxel[:, inside]), shape) + 1
        assert sure.mean() > 0.8
        np.testing.assert_array_equal(found[index].ravel()[sure], expected[sure])
    old = ds.drop_vars("pose")  # as of a store of an earlier version: y and x are the pixel's own
    alike = compare_grid._voxels(old, plane, grid).values == found
    assert alike.mean() > (0.85 if viewed == "oblique" else 0.4)


def test_what_cannot_work_is_refused_in_words():
    opened = atldld_xr.open_dataset("phantom", expression="intensity", resolution=400)
    grid = atldld_xr.open_grid("phantom")
    with pytest.raises(InvalidArgumentError, match="of which data set and source"):
        atldld_xr.compare_grid(opened.drop_attrs())
    for dataset, given in ((5, None), (opened.image, None), (opened, 5), (opened, grid.energy)):
        with pytest.raises(InvalidArgumentError, match=r"is an xarray\.Dataset, not"):
            atldld_xr.compare_grid(dataset, grid=given)
    with pytest.raises(InvalidArgumentError, match="threshold is from 0 to 254"):
        atldld_xr.compare_grid(opened, threshold=1.5)
    with pytest.raises(InvalidArgumentError, match="no tilt_y of its sections any more"):
        atldld_xr.compare_grid(opened.drop_vars(["pose", "tilt_y"]), grid=grid)
    plain = atldld_xr.open_dataset("phantom", resolution=400)
    with pytest.raises(InvalidArgumentError, match='expression="intensity"'):
        atldld_xr.compare_grid(plain)
