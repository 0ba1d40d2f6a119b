"""xarray's own methods over every kind of our Datasets: no variable keeps one from working."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource

BAD = ((FIRST_IMAGE_ID + 2, 0, 0),)


def opened(chunks="auto", **options):
    source = NoiseSource(bad=BAD if options.get("on_error") == "fill" else ())
    return atldld_xr.open_dataset(
        DATASET_ID, source=source, resolution=400, chunks=chunks, **options
    )


def stored(folder, **options):
    opened(**options).atldld.to_zarr(folder / "a.zarr")
    return folder / "a.zarr"


FULL = {"expression": "intensity", "on_error": "fill"}
KINDS = {
    "plain": lambda folder: opened(),
    "with masks": lambda folder: opened(expression=True),
    "filled": lambda folder: opened(**FULL),
    "without Dask": lambda folder: opened(chunks=None, **FULL),
    "loaded": lambda folder: opened(**FULL).load(),
    "from a store": lambda folder: xr.open_zarr(stored(folder, **FULL)),
    "from a store, without Dask": lambda folder: xr.open_zarr(stored(folder, **FULL), chunks=None),
}
GRID = {"y": slice(4), "x": slice(5)}


def numbers(ds):
    """Return what is no truth value, which NumPy has no quantiles of."""
    return ds[[name for name, v in ds.data_vars.items() if v.dtype.kind != "b"]].isel(GRID)


def grouped(ds, name):
    """Return groups by a coordinate, which xarray wants in memory."""
    return ds.isel(GRID).assign_coords({name: ds[name].load()}).groupby(name)


METHODS = {
    "all": lambda ds: ds.all(),
    "any": lambda ds: ds.any("coronal"),
    "argmax": lambda ds: ds.argmax("coronal"),
    "assign_coords": lambda ds: ds.assign_coords(coronal=ds.coronal + 1),
    "astype(float)": lambda ds: ds.astype(float),
    "astype(str)": lambda ds: ds.isel(GRID).astype(str),
    "broadcast_like": lambda ds: ds[["status"] if "status" in ds else []].broadcast_like(ds),
    "chunk": lambda ds: ds.chunk(),
    "chunk('auto')": lambda ds: ds.chunk("auto"),
    "clip": lambda ds: ds.clip(0, 1),
    "coarsen coronal": lambda ds: ds.coarsen(coronal=2, boundary="pad").mean(),
    "coarsen coronal max": lambda ds: ds.coarsen(coronal=3).max(),
    "coarsen y": lambda ds: ds.coarsen(y=4).mean(),
    "coarsen x": lambda ds: ds.coarsen(x=4).mean(),
    "combine_first": lambda ds: ds.isel(coronal=[0]).combine_first(ds),
    "concat": lambda ds: xr.concat([ds.isel(coronal=[0]), ds.isel(coronal=[2])], "coronal"),
    "concat, outer": lambda ds: xr.concat(
        [ds.isel(y=slice(3)), ds.isel(y=slice(2, 6))], "copy", join="outer"
    ),
    "count": lambda ds: ds.count("coronal"),
    "cumsum": lambda ds: ds.cumsum("coronal"),
    "diff": lambda ds: ds.astype(float).diff("coronal"),
    "drop_isel": lambda ds: ds.drop_isel(coronal=[1]),
    "dropna": lambda ds: ds.where(ds.coronal > 3000).dropna("coronal", how="all"),
    "expand_dims": lambda ds: ds.expand_dims(copy=2),
    "fillna": lambda ds: ds.fillna(0),
    "fillna after where": lambda ds: ds.where(ds.coverage).fillna(0),
    "groupby.first": lambda ds: grouped(ds, "section_number").first(),
    "groupby.mean": lambda ds: grouped(ds, "tier").mean(),
    "interp": lambda ds: ds.interp(coronal=[3000.0, 3600.0]),
    "isel": lambda ds: ds.isel(coronal=-1),
    "isin": lambda ds: ds.isin([0, 1]),
    "isnull": lambda ds: ds.isnull(),
    "max": lambda ds: ds.max(),
    "max coronal": lambda ds: ds.max("coronal"),
    "mean": lambda ds: ds.mean(),
    "mean coronal": lambda ds: ds.mean("coronal"),
    "median": lambda ds: ds.chunk(coronal=-1).median("coronal"),
    "merge, inner": lambda ds: xr.merge(
        [ds, ds.isel(coronal=[1])], join="inner", compat="override"
    ),
    "merge, outer": lambda ds: xr.merge(
        [ds, ds.isel(coronal=[1]).assign_coords(coronal=[9e3])],
        join="outer",
        compat="no_conflicts",
    ),
    "min": lambda ds: ds.min(),
    "pad": lambda ds: ds.pad(coronal=1),
    "quantile": lambda ds: numbers(ds).chunk(coronal=-1).quantile([0.2, 0.8], "coronal"),
    "reindex": lambda ds: ds.reindex(coronal=[2000.0, *ds.coronal.values]),
    "reindex y": lambda ds: ds.reindex(y=[*ds.y.values, 8400.0]),
    "roll": lambda ds: ds.roll(coronal=1),
    "rolling": lambda ds: ds.rolling(coronal=2).mean(),
    "rolling max": lambda ds: ds.rolling(coronal=2, min_periods=1).max(),
    "round": lambda ds: ds.round(),
    "sel": lambda ds: ds.sel(coronal=3000, method="nearest"),
    "shift": lambda ds: ds.shift(coronal=1),
    "sortby": lambda ds: ds.sortby("section_number", ascending=False),
    "stack": lambda ds: ds.stack(pixel=("y", "x")),
    "std": lambda ds: ds.std("coronal"),
    "sum": lambda ds: ds.sum(),
    "swap_dims": lambda ds: ds.swap_dims(coronal="section_number"),
    "thin": lambda ds: ds.thin(2),
    "to_array": lambda ds: ds[["image", "coverage"]].to_array().to_dataset("variable"),
    "to_dataframe": lambda ds: ds.isel(GRID).to_dataframe().to_xarray(),
    "transpose": lambda ds: ds.transpose("x", "y", ...),
    "unstack": lambda ds: ds.isel(GRID).stack(pixel=("y", "x")).unstack(),
    "where": lambda ds: ds.where(ds.coverage),
    "where, dropped": lambda ds: ds.where(ds.coronal > 3000, drop=True),
    "weighted": lambda ds: ds.weighted(ds.coverage.astype(float).fillna(0)).mean("coronal"),
}


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    return {kind: make(tmp_path_factory.mktemp("stores")) for kind, make in KINDS.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_it_works(datasets, kind, method):
    out = METHODS[method](datasets[kind].copy()).compute()
    assert isinstance(out, xr.Dataset)


@pytest.mark.parametrize("kind", KINDS)
def test_no_data_variable_is_text(datasets, kind):
    assert {variable.dtype.kind for variable in datasets[kind].variables.values()} <= set("biuf")


@pytest.mark.parametrize("kind", KINDS)
def test_xarray_writes_it(datasets, kind, tmp_path):
    ds = datasets[kind].drop_encoding()
    ds.to_zarr(tmp_path / "a.zarr", zarr_format=3, consolidated=False)
    back = xr.open_zarr(tmp_path / "a.zarr", consolidated=False)
    xr.testing.assert_equal(back.compute(), ds.compute())
    assert len(back.atldld.failures()) == len(ds.atldld.failures())


CHANGES = {
    "as it is": lambda ds: ds,
    "a section": lambda ds: ds.isel(coronal=2),
    "backwards": lambda ds: ds.isel(coronal=slice(None, None, -1)),
    "in other chunks": lambda ds: ds.chunk("auto"),
    "masked": lambda ds: ds.where(ds.coverage),
    "twice": lambda ds: xr.concat([ds, ds.isel(coronal=[2])], "coronal"),
}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("plain", "with masks")])
@pytest.mark.parametrize("change", CHANGES)
def test_failures_are_told_of_what_was_changed(datasets, kind, change):
    ds = CHANGES[change](datasets[kind])
    table = ds.atldld.failures()
    ids = np.atleast_1d(ds.section_image_id.values).tolist()
    failed, without = FIRST_IMAGE_ID + 2, FIRST_IMAGE_ID + 1
    expected = sorted([failed] * 2 * ids.count(failed) + [without] * ids.count(without))
    assert sorted(table.section_image_id) == expected
    assert set(table.status[table.section_image_id == failed]) == {"unreadable"}
    # What has no Dask is loaded by these, and its reasons are gone.
    gone = kind == "without Dask" and change in ("masked", "twice")
    known = kind != "loaded" and not gone
    words = "it is made to fail (memory://tile)" if known else "it could not be read"
    assert set(table.reason[table.section_image_id == failed]) == {words}
