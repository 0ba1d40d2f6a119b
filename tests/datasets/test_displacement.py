"""The displacement is an affine: six numbers a section in a coordinate, written only if asked."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.errors import InvalidArgumentError
from commandline import run
from noise import DATASET_ID, NoiseSource

SLICES = {
    "whole": lambda ds: ds,
    "a window": lambda ds: ds.isel(y=slice(31, 90), x=slice(40, 77), coronal=[2, 0]),
    "strided": lambda ds: ds.isel(y=slice(1, None, 3), x=slice(None, None, -2)),
    "a section": lambda ds: ds.isel(coronal=1),
}


def open_noise(**options):
    options = {"source": NoiseSource(), "resolution": 50, "chunks": 70} | options
    return atldld_xr.open_dataset(DATASET_ID, **options)


@pytest.mark.parametrize("part", SLICES)
@pytest.mark.parametrize("options", [{}, {"anchor": "edge"}, {"tier": 0}, {"chunks": None}])
def test_the_affine_is_the_displacement(part, options):
    """Beside what the plans make: from micrometres to pixels, whatever was sliced away."""
    whole = open_noise(**options)
    rows, columns = (xr.DataArray(np.arange(whole.sizes[d]), dims=d) for d in "yx")
    ds = SLICES[part](whole.assign_coords(row=rows, column=columns))
    a = ds.affine
    full = a.isel(term=0) * ds.y + a.isel(term=1) * ds.x + a.isel(term=2)
    at_tier = (full + 0.5) / 2**ds.tier - 0.5
    own = xr.concat([ds.column + 0 * ds.row, ds.row + 0 * ds.column], "component")
    expected = (at_tier - own).transpose(*ds.displacement.dims)
    np.testing.assert_allclose(ds.displacement, expected, atol=2e-3)


def test_the_affine_leads_to_the_pixel_of_the_registration():
    ds = atldld_xr.open_dataset("phantom", resolution=200).isel(coronal=4)
    record = atldld_xr.open_dataset("phantom", resolution=50).isel(coronal=4)
    np.testing.assert_allclose(ds.affine, record.affine)
    assert ds.affine.dims == ("component", "term")
    assert ds.affine.dtype == np.float64


LEFT_OUT = {
    "whole": lambda: open_noise(),
    "without Dask": lambda: open_noise(chunks=None),
    "xarray's chunks": lambda: xr.open_dataset(
        "allen:5", engine="atldld", source=NoiseSource(), resolution=50, chunks={}
    ),
    "a window": lambda: SLICES["a window"](open_noise()),
    "strided": lambda: SLICES["strided"](open_noise()),
    "a section": lambda: SLICES["a section"](open_noise()),
    "other chunks": lambda: open_noise().chunk(y=100, x=-1, coronal=2),
    "transposed": lambda: open_noise().transpose("y", ...),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_it_is_left_out_unless_asked_for(tmp_path, case):
    ds = LEFT_OUT[case]()
    report = ds.atldld.to_zarr(tmp_path / "a.zarr")
    back = xr.open_zarr(tmp_path / "a.zarr")
    assert set(back.data_vars) == {"image", "coverage"}
    np.testing.assert_array_equal(back.affine, ds.affine)
    asked = ds.atldld.to_zarr(tmp_path / "b.zarr", variables=["image", "coverage", "displacement"])
    assert report.nbytes < 0.36 * asked.nbytes
    np.testing.assert_array_equal(xr.open_zarr(tmp_path / "b.zarr").displacement, ds.displacement)


KEPT = {
    "computed": lambda: open_noise().assign(displacement=open_noise().displacement * 2),
    "loaded": lambda: open_noise().load(),
    "alone": lambda: open_noise()[["displacement"]],
    # Without the coordinate nothing else says it.
    "no affine": lambda: open_noise().drop_vars("affine"),
    "chosen": lambda: open_noise()[["image", "displacement"]],
}


@pytest.mark.parametrize("case", KEPT)
def test_what_nothing_else_says_is_written(tmp_path, case):
    ds = KEPT[case]()
    ds.atldld.to_zarr(tmp_path / "a.zarr")
    back = xr.open_zarr(tmp_path / "a.zarr")
    np.testing.assert_array_equal(back.displacement, ds.displacement)
    back.atldld.to_zarr(tmp_path / "b.zarr")  # who asked for it once has it in copies, too
    np.testing.assert_array_equal(xr.open_zarr(tmp_path / "b.zarr").displacement, ds.displacement)


def test_only_what_is_asked_for_is_written(tmp_path):
    open_noise().atldld.to_zarr(tmp_path / "a.zarr", variables="coverage")
    back = xr.open_zarr(tmp_path / "a.zarr")
    assert list(back.data_vars) == ["coverage"]
    assert "affine" in back.coords
    for names in (["image", "imgae"], "reason", [], [3]):
        with pytest.raises(InvalidArgumentError, match="image, displacement, coverage"):
            open_noise().atldld.to_zarr(tmp_path / "b.zarr", variables=names)
    assert not (tmp_path / "b.zarr").exists()


def test_the_command_line(tmp_path):
    options = ["export", "phantom", tmp_path / "a.zarr", "--resolution", "500"]
    said = run(*options, "--variables", "image,nonsense", code=2).stderr
    assert "image, displacement, coverage" in said
    run(*options, "--variables", "image, coverage", "--variables", "displacement")
    assert set(xr.open_zarr(tmp_path / "a.zarr").data_vars) == {"image", "coverage", "displacement"}
