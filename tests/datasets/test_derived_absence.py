"""What is made of masks is absent where they are, whatever it is called and wherever it is kept."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
import zarr

from atldld_xr.arrays.made_of import made_of
from atldld_xr.export import status
from masks import FAILING, READABLE, WITHOUT, Masks, open_masks
from volumes import READERS

pytestmark = pytest.mark.usefixtures("failing_masks")


def positive(ds):
    """Return where a mask has expression, as a variable with a fill value and a name of its own."""
    some = (ds.expression > 0).astype(np.uint8)
    return ds[["image", *_statuses(ds)]].assign(positive=some.assign_attrs(fill_value=0))


def _statuses(ds):
    return [name for name in ("status", "expression_status") if name in ds]


DERIVED = {
    "mask": lambda ds: ds.rename(expression="mask"),
    "positive": positive,
    "covered": lambda ds: ds.rename(expression_coverage="covered").assign(
        covered=lambda ds: ds.covered.astype(np.uint8).assign_attrs(fill_value=0)
    ),
    "expressive": lambda ds: ds.rename(expression="expressive").drop_vars("image"),
    "product": lambda ds: ds.assign(
        product=(ds.image[..., 0] * (ds.expression > 0)).assign_attrs(fill_value=0)
    ),
}


def as_it_is(ds, tmp_path):
    return ds


def loaded(ds, tmp_path):
    return ds.compute()


def read_back(ds, tmp_path):
    ds.atldld.to_zarr(tmp_path / "kept.zarr")
    return xr.open_zarr(tmp_path / "kept.zarr")


def in_parts(ds, tmp_path):
    """Give a Dataset of which only the masks are loaded."""
    return ds.assign(expression=ds.expression.compute())


KEPT = [as_it_is, loaded, read_back, in_parts]
# What takes a derived variable before it is kept, or after.
BEFORE = [as_it_is, loaded, read_back]


@pytest.mark.parametrize(
    ("keep", "first"), [*((keep, False) for keep in KEPT), *((keep, True) for keep in BEFORE)]
)
@pytest.mark.parametrize("name", DERIVED)
def test_a_volume_lists_what_it_has(tmp_path, name, keep, first):
    ds = open_masks()
    ds = keep(DERIVED[name](ds), tmp_path) if first else DERIVED[name](keep(ds, tmp_path))
    report = ds.atldld.to_volume(tmp_path / "a.nrrd", variable=name)
    _, listing = READERS[".nrrd"](tmp_path / "a.nrrd")
    assert [entry["valid"] for entry in listing["planes"]] == READABLE
    assert [(e["variable"], e["section_image_id"]) for e in report.failures] == [
        ("expression", FAILING)
    ]
    assert [(e["variable"], e["section_image_id"]) for e in report.absent] == [
        ("expression", WITHOUT)
    ]
    if "image" in ds:
        whole = ds.atldld.to_volume(tmp_path / "b.nrrd")
        assert len(whole.valid_planes) == 4
        assert (whole.failures, whole.absent) == ((), ())


def test_what_was_chosen_by_another_variable_is_of_both(tmp_path):
    """`where` keeps the attributes of the first."""
    ds = open_masks()
    ds = ds.assign(image=ds.image.where(ds.expression > 0, 0))
    report = ds.atldld.to_zarr(tmp_path / "a.zarr")
    assert [entry["section_image_id"] for entry in report.absent] == [WITHOUT]
    assert status(tmp_path / "a.zarr").absent == report.absent
    back = xr.open_zarr(tmp_path / "a.zarr")
    assert made_of(back, "image") == made_of(ds, "image") == ("image", "expression")
    assert len(back.atldld.to_volume(tmp_path / "a.nrrd").valid_planes) == 2


@pytest.mark.parametrize("chunks", [None, "auto"])
@pytest.mark.parametrize("name", ["mask", "positive", "covered", "expressive"])
def test_without_fill_too(tmp_path, name, chunks):
    Masks.fails = False
    ds = DERIVED[name](open_masks(on_error="raise", chunks=chunks))
    report = ds.atldld.to_volume(tmp_path / "a.nrrd", variable=name)
    assert [entry["section_image_id"] for entry in report.absent] == [WITHOUT]
    assert len(report.valid_planes) == 3
    told = ds.atldld.failures()
    assert told[["section_image_id", "status"]].values.tolist() == [[WITHOUT, "absent"]]


@pytest.mark.parametrize("keep", BEFORE)
@pytest.mark.parametrize("name", DERIVED)
def test_stores_tell(tmp_path, name, keep):
    ds = keep(DERIVED[name](open_masks()), tmp_path).chunk()
    ome = ds.atldld.to_ome_zarr(tmp_path / "a.ome.zarr", variable=name)
    plain = ds[[name, *_statuses(ds)]].atldld.to_zarr(tmp_path / "a.zarr")
    for report, store in ((ome, "a.ome.zarr"), (plain, "a.zarr")):
        found = status(tmp_path / store)
        for told in (report, found):
            assert [entry["section_image_id"] for entry in told.absent] == [WITHOUT], store
            assert [entry["section_image_id"] for entry in told.failures] == [FAILING], store
            assert {e["variable"] for e in (*told.failures, *told.absent)} == {"expression"}
    sections = zarr.open_group(tmp_path / "a.ome.zarr").attrs["atldld_xr"]["sections"]
    assert ["failure" in section for section in sections] == [False, False, True, False]


def test_where_nothing_tells_every_status_counts(tmp_path):
    ds = open_masks().compute().drop_attrs(deep=True)
    ds = ds.assign_attrs(resolution=100.0).rename(image="one", expression="other")
    for name in ("one", "other"):
        assert made_of(ds, name) == ("image", "expression")
        report = ds.atldld.to_volume(tmp_path / f"{name}.nrrd", variable=name)
        assert len(report.valid_planes) == 2


def test_what_variables_are_made_of():
    ds = open_masks()
    for name in ds.data_vars:
        expected = "expression" if name.startswith("expression") else "image"
        for kept in (ds, open_masks(chunks=None), ds[[name]].compute()):
            assert made_of(kept, name) == (expected,)
            assert made_of(kept.rename({name: "other"}), "other") == (expected,)
            assert kept[name].attrs["made_of"] == expected
    where = ds.assign(both=ds.image.where(ds.expression_coverage))
    assert made_of(where, "both") == ("image", "expression")
    half = ds.assign(both=ds.expression.compute() * ds.image)
    assert made_of(half, "both") == ("image", "expression")
    assert made_of(ds.rename(image="expression", expression="image"), "image") == ("expression",)
    assert made_of(xr.Dataset({"a": ("x", [1])}), "a") == ("image", "expression")
    other = ds.assign(weights=("y", np.ones(ds.sizes["y"])))
    assert made_of(other, "weights") == ()
