"""Stores that were begun before Datasets had the coordinate `pose`: gone on with as they are.

`data/stores_without_poses.tar.xz` was written by commit c5b5950: the coronal phantom at 500 um,
finished, and begun by processes that were killed, as Zarr and as OME-Zarr.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.errors import StoreError
from atldld_xr.export import status, verify
from kills import entered, marks

NAMES = ("begun.zarr", "begun.ome.zarr", "finished.zarr")


@pytest.fixture
def stores(tmp_path):
    archive = Path(__file__).parents[1] / "data" / "stores_without_poses.tar.xz"
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    return tmp_path


def open_phantom(**options):
    options = {"resolution": 500, "expression": "intensity", "on_error": "fill"} | options
    return atldld_xr.open_dataset("phantom", **options)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_call_goes_on(stores, name):
    store, ds = stores / name, open_phantom()
    write = ds.atldld.to_ome_zarr if "ome" in name else ds.atldld.to_zarr
    there, done = status(store), entered(store)
    assert there.state == ("complete" if name == "finished.zarr" else "interrupted")
    expected = ("not written yet", ".atldld-part was not written")  # of what a kill leaves
    assert all(any(map(problem.__contains__, expected)) for problem in verify(store).problems)
    before, plan = marks(store, done), (store / "atldld_xr_export/plan.json").read_bytes()
    assert done
    assert write(store).blocks == sum(there.chunks.values()) - sum(there.written.values())
    assert marks(store, done) == before
    assert status(store).state == "complete"
    assert verify(store).problems == ()
    assert write(store).blocks == 0
    assert json.loads((store / "atldld_xr_export/plan.json").read_bytes()) == json.loads(plan)
    if "ome" in name:
        return
    back = xr.open_zarr(store).compute()
    assert "pose" not in back.coords
    xr.testing.assert_allclose(back.coords.to_dataset(), ds.coords.to_dataset().drop_vars("pose"))
    np.testing.assert_array_equal(back.coverage, ds.coverage)


@pytest.mark.parametrize(
    "options", [{"resolution": 400}, {"interpolation": "cubic"}, {"plane": "oblique"}]
)
def test_another_plan_is_refused(stores, options):
    before = {p: p.read_bytes() for p in stores.rglob("*") if p.is_file()}
    with pytest.raises(StoreError, match=next(iter(options))):
        open_phantom(**options).atldld.to_zarr(stores / "begun.zarr")
    assert {p: p.read_bytes() for p in stores.rglob("*") if p.is_file()} == before


def test_what_replaces_it_has_them(stores):
    ds = open_phantom()
    ds.atldld.to_zarr(stores / "begun.zarr", mode="w")
    assert verify(stores / "begun.zarr").problems == ()
    np.testing.assert_array_equal(xr.open_zarr(stores / "begun.zarr").pose, ds.pose)


def test_one_that_has_them_is_not_gone_on_with_without(stores):
    ds = open_phantom()
    ds.atldld.to_zarr(stores / "new.zarr")
    with pytest.raises(StoreError, match="pose"):
        ds.drop_vars("pose").atldld.to_zarr(stores / "new.zarr")
