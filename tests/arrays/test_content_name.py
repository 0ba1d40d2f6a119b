"""Names of what is in arrays without Dask: the same for the same, and others for all else."""

from __future__ import annotations

import atldld_xr
from atldld_xr.arrays.readers import content_name
from noise import DATASET_ID, NoiseSource

SIZES = {"coronal": 1, "y": 20, "x": 30}

VIEWS = {
    "whole": lambda ds: ds,
    "sections": lambda ds: ds.isel(coronal=slice(1, None)),
    "another section": lambda ds: ds.isel(coronal=[0]),
    "backwards": lambda ds: ds.isel(coronal=slice(None, None, -1)),
    "a window": lambda ds: ds.isel(y=slice(3, 30), x=slice(5, 40)),
    "a window of that": lambda ds: ds.isel(y=slice(3, 30), x=slice(5, 40)).isel(x=slice(2, 9)),
    "pixels by list": lambda ds: ds.isel(x=[1, 2, 5]),
    "a channel": lambda ds: ds.isel(channel=1),
    "turned": lambda ds: ds.transpose("x", "y", ...),
}


def opened(**options):
    options = {"source": NoiseSource(), "resolution": 200, "chunks": None} | options
    return atldld_xr.open_dataset(DATASET_ID, **options)


def name(ds, variable="image", sizes=SIZES):
    return content_name(ds[variable].variable, sizes)


def test_what_is_selected_the_same_way_has_one_name_and_all_else_others():
    names = {view: name(select(opened())) for view, select in VIEWS.items()}
    assert names == {view: name(select(opened())) for view, select in VIEWS.items()}
    names |= {
        "another data set": name(opened(source=NoiseSource(sections=2))),
        "another resolution": name(opened(resolution=400)),
        "another way of sampling": name(opened(interpolation="nearest")),
        "coverage": name(opened(), "coverage"),
        "in other chunks": name(opened(), sizes={**SIZES, "x": 40}),
    }
    assert None not in names.values()
    assert len(set(names.values())) == len(names)


def test_what_no_plan_makes_has_none():
    ds = opened()
    assert name(ds.assign(image=ds.image + 1)) is None
    assert name(ds.load()) is None
    assert name(opened(chunks="auto")) is None
