"""Pixels without their fill: what means, sums and quantiles are to be of."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.errors import InvalidArgumentError
from noise import DATASET_ID, NoiseSource
from volumes import READERS


def open_noise(**options):
    options = {"source": NoiseSource(), "resolution": 100, "expression": "intensity"} | options
    return atldld_xr.open_dataset(DATASET_ID, **options)


@pytest.mark.parametrize("chunks", [None, "auto", 30])
def test_means_are_of_the_tissue(chunks):
    ds = open_noise(chunks=chunks)
    masked = ds.atldld.masked
    assert masked.image.dtype == masked.expression.dtype == np.float32
    assert masked.image.chunks is not None, "nothing is computed yet"
    values, covered = ds.image.values, ds.coverage.values
    tissue = values[covered].astype(float)
    np.testing.assert_allclose(masked.image.mean(), tissue.mean(), rtol=1e-5)
    np.testing.assert_array_equal(np.isnan(masked.image).all("channel"), ~covered)
    np.testing.assert_array_equal(masked.image.values[covered], tissue)
    # The mistake that it is for, and where it is warned of.
    assert float(ds.image.mean()) > tissue.mean() + 20
    for name in ("image", "expression"):
        assert "masked" in ds[name].attrs["comment"]
        assert "fill_value" not in masked[name].attrs
    xr.testing.assert_identical(
        masked.drop_vars(["image", "expression"]), ds.drop_vars(["image", "expression"])
    )


def test_a_loaded_or_stored_one(tmp_path):
    ds = open_noise()
    ds.atldld.to_zarr(tmp_path / "a.zarr")
    expected = ds.atldld.masked.compute()
    for other in (ds.compute(), xr.open_zarr(tmp_path / "a.zarr"), ds.isel(coronal=0)):
        found = other.atldld.masked
        for name in ("image", "expression"):
            np.testing.assert_array_equal(found[name], expected[name].sel(coronal=other.coronal))


def test_where_pixels_are_must_be_told():
    ds = open_noise()
    assert "image" not in ds[["coverage"]].atldld.masked
    with pytest.raises(InvalidArgumentError, match="no coverage"):
        _ = ds[["image"]].atldld.masked
    with pytest.raises(InvalidArgumentError, match="no expression_coverage"):
        _ = ds[["expression"]].atldld.masked


@pytest.mark.parametrize("suffix", READERS)
def test_a_volume_of_it_has_numbers_where_something_was_measured(tmp_path, suffix):
    ds = open_noise()
    ds.atldld.masked.atldld.to_volume(tmp_path / f"a{suffix}", variable="expression")
    ds.atldld.to_volume(tmp_path / f"b{suffix}", variable="expression_coverage")
    values, where = (READERS[suffix](tmp_path / f"{name}{suffix}")[0] for name in "ab")
    np.testing.assert_array_equal(np.isfinite(values), where == 1)
    expected = ds.expression.values[ds.expression_coverage.values]
    np.testing.assert_allclose(values[where == 1].mean(), expected.mean(), rtol=1e-5)
