"""One section by its micrometres, of a stack cut in either plane, sliced, joined or read back."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.errors import InvalidArgumentError
from noise import DATASET_ID, NoiseSource


@pytest.fixture(scope="module")
def stacks():
    """Return a data set of each plane."""
    return {
        plane: atldld_xr.open_dataset(
            DATASET_ID, source=NoiseSource(sections=5, plane=number), resolution=400
        )
        for number, plane in ((1, "coronal"), (2, "sagittal"))
    }


@pytest.fixture(params=["coronal", "sagittal"])
def plane(request):
    return request.param


@pytest.fixture
def ds(stacks, plane):
    return stacks[plane]


def test_the_dimension_across_sections(ds, plane):
    assert ds.atldld.section_dim == plane
    assert all(variable.atldld.section_dim == plane for variable in ds.data_vars.values())
    assert ds[plane].atldld.section_dim == plane


def test_it_is_the_section_that_xarray_has_nearest(ds, plane):
    at = ds[plane].values
    between = (at[1:] + at[:-1]) / 2  # as near to both
    for wanted in (*at, *between, *(between - 1e-6), at[0] - 1e5, at[-1] + 1e5):
        expected = ds.sel({plane: wanted}, method="nearest")
        xr.testing.assert_identical(ds.atldld.section(wanted), expected)
        xr.testing.assert_identical(ds.image.atldld.section(wanted), expected.image)


@pytest.mark.parametrize("kind", [int, np.float32, np.int16, np.uint64, np.array, xr.DataArray])
def test_kinds_of_numbers(ds, plane, kind):
    wanted = round(float(ds[plane][1]))
    found = ds.atldld.section(kind(wanted))
    assert float(found[plane]) == float(ds[plane][1])


def test_a_coordinate_of_the_data_set_itself_names_its_section(ds, plane):
    found = ds.atldld.section(ds[plane][2], tolerance=0)
    assert int(found.section_image_id) == int(ds.section_image_id[2])


def test_nothing_is_computed(ds):
    assert ds.chunks
    assert ds.atldld.section(5000).chunks
    assert ds.image.atldld.section(5000).chunks


ORDERS = {
    "whole": slice(None),
    "slice": slice(1, 4),
    "reversed": slice(None, None, -1),
    "every other": slice(None, None, 2),
    "mixed": [3, 0, 4, 1],
    "one": [2],
    "twice": [1, 1, 3],
}


@pytest.mark.parametrize("order", ORDERS)
def test_whatever_order_sections_are_in(ds, plane, order):
    part = ds.isel({plane: ORDERS[order]})
    at = part[plane].values
    for wanted in (*at, *(at + 30), at.min() - 5000):
        found = part.atldld.section(wanted)
        # The oracle: look at them all.
        assert abs(float(found[plane]) - wanted) == min(abs(a - wanted) for a in at)
        assert int(found.section_image_id) in part.section_image_id.values


def test_of_joined_and_windowed_data_sets(ds, plane):
    first, second = ds.isel({plane: [3, 4]}), ds.isel({plane: [0, 1]})
    joined = xr.concat([first, second], plane).isel(y=slice(2, 5), x=slice(3))
    found = joined.atldld.section(float(ds[plane][0]) + 1)
    xr.testing.assert_identical(found, ds.isel({plane: 0, "y": slice(2, 5), "x": slice(3)}))


def test_of_sections_that_go_by_another_coordinate(ds, plane):
    swapped = ds.swap_dims({plane: "section_number"})
    assert swapped.atldld.section_dim == swapped.image.atldld.section_dim == "section_number"
    wanted = float(ds[plane][3]) + 1
    xr.testing.assert_equal(swapped.atldld.section(wanted), ds.atldld.section(wanted))


def test_of_stores_that_are_read_back(ds, plane, tmp_path):
    wanted = float(ds[plane][3])
    ds[["coverage"]].atldld.to_zarr(tmp_path / "ours.zarr")
    ds[["coverage"]].compute().to_zarr(tmp_path / "xarrays.zarr", consolidated=False)
    for store in ("ours.zarr", "xarrays.zarr"):
        again = xr.open_zarr(tmp_path / store, consolidated=False)
        assert again.atldld.section_dim == plane
        np.testing.assert_array_equal(
            again.coverage.atldld.section(wanted), ds.coverage.isel({plane: 3})
        )


def test_tolerance(ds, plane):
    at = float(ds[plane][1])
    assert float(ds.atldld.section(at + 30, tolerance=30)[plane]) == at
    with pytest.raises(InvalidArgumentError) as caught:
        ds.image.atldld.section(at + 30, tolerance=29)
    for part in ("no section lies within 29 um", plane, f"{at:g} um, 30 um away"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "value",
    ["7985", None, True, np.nan, np.inf, [7985], np.zeros(3), 1 + 2j, slice(1), 10**400, {}],
    ids=lambda value: str(value)[:10],
)
def test_what_is_no_number_of_micrometres_is_refused(ds, value):
    for stack in (ds, ds.image):
        with pytest.raises(InvalidArgumentError, match="coordinate is a number of micrometres"):
            stack.atldld.section(value)
        if value is not None:
            with pytest.raises(InvalidArgumentError, match="tolerance is a number of micrometres"):
                stack.atldld.section(7985, tolerance=value)
    with pytest.raises(InvalidArgumentError, match="tolerance is at least 0 micrometres, not -1"):
        ds.atldld.section(7985, tolerance=-1)


def test_what_has_no_dimension_across_sections_says_why(ds, stacks, plane):
    one = ds.isel({plane: 0})
    refused = {
        "one section already, {plane} = {at} um": [one, one.image, ds.atldld.section(0)],
        "something was computed along them": [
            ds.coverage.mean(plane),
            ds.y,
            xr.Dataset(),
            one.drop_vars(plane),
            ds.rename({plane: "z"}),
        ],
        "has both dimensions": [xr.Dataset({"a": (("coronal", "sagittal"), np.zeros((2, 2)))})],
    }
    for message, objects in refused.items():
        words = message.format(plane=plane, at=f"{float(ds[plane][0]):g}")
        for found in objects:
            with pytest.raises(InvalidArgumentError, match=words):
                _ = found.atldld.section_dim
            with pytest.raises(InvalidArgumentError, match=words):
                found.atldld.section(7985)


def test_a_dimension_without_sections_or_without_numbers_says_so(ds, plane):
    with pytest.raises(InvalidArgumentError, match="has no section"):
        ds.isel({plane: slice(0)}).atldld.section(7985)
    with pytest.raises(InvalidArgumentError, match="have no coordinates any more"):
        ds.drop_vars(plane).atldld.section(7985)
    with pytest.raises(InvalidArgumentError, match="without numbers"):
        ds.image.assign_coords({plane: list("abcde")}).atldld.section(7985)


def test_both_accessors_document_it():
    for accessor in (xr.Dataset.atldld, xr.DataArray.atldld):
        assert "micrometres" in inspect.getdoc(accessor.section)
        assert inspect.signature(accessor.section).parameters["tolerance"].kind.name == (
            "KEYWORD_ONLY"
        )
