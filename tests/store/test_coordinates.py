"""Stores whose coordinates were rounded otherwise, as other processors did before: they go on."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from atldld_xr.allen.matrices import product
from atldld_xr.datasets import open_dataset as module
from atldld_xr.errors import SectionImageError, StoreError
from atldld_xr.export import status, verify
from kills import entered, marks
from masks import Masks, open_masks


def open_strictly():
    return open_masks(resolution=200, on_error="raise")


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """Give a function that begins a store where products come out otherwise by a factor."""

    def begin(factor):
        with monkeypatch.context() as there:
            there.setattr(module, "product", lambda *pair: product(*pair) * factor)
            ds = open_strictly()
        monkeypatch.setattr(Masks, "fails", True)
        with pytest.raises(SectionImageError):
            ds.atldld.to_zarr(tmp_path / "a.zarr")
        monkeypatch.setattr(Masks, "fails", False)
        return tmp_path / "a.zarr"

    return begin


def test_a_store_of_another_processor_goes_on(begun):
    store = begun(1 + np.finfo(float).eps)
    there = xr.open_zarr(store, consolidated=False).affine.values
    done = entered(store)
    before = marks(store, done)
    assert done
    ds = open_strictly()
    assert (ds.affine.values != there).any()
    ds.atldld.to_zarr(store)
    assert marks(store, done) == before  # nothing was made again
    assert status(store).state == "complete"
    assert not verify(store).problems
    back = xr.open_zarr(store)
    np.testing.assert_array_equal(back.affine.values, there)
    np.testing.assert_array_equal(back.image, ds.image)


def test_somebody_elses_coordinates_are_theirs_however_small(tmp_path, monkeypatch):
    monkeypatch.setattr(Masks, "fails", False)
    ds = open_strictly()
    sizes = np.linspace(1e-10, 2e-10, ds.sizes["coronal"])
    ds.assign_coords(size=("coronal", sizes)).atldld.to_zarr(tmp_path / "a.zarr")
    with pytest.raises(StoreError, match="size"):
        ds.assign_coords(size=("coronal", 4 * sizes)).atldld.to_zarr(tmp_path / "a.zarr")


@pytest.mark.parametrize("factor", [1 + 1e-6, np.nan])
def test_a_store_of_other_coordinates_is_refused(begun, factor):
    store = begun(factor)
    with pytest.raises(StoreError, match="affine"):
        open_strictly().atldld.to_zarr(store)
