"""Sections without a mask, or whose mask cannot be read: nobody takes them for measured zeros."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
import zarr

import atldld_xr
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export import status, verify
from atldld_xr.testing import AllenServer, Faults, Phantom
from commandline import facts, run
from masks import FAILING, READABLE, WITHOUT, Masks, open_masks
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource
from volumes import READERS

pytestmark = pytest.mark.usefixtures("failing_masks")


def measured(ds):
    """Return the mask's values where it was measured, taken section by section."""
    image = ds[["expression", "coverage"]].compute()
    some = [n for n, there in enumerate(READABLE) if there]
    return np.concatenate(
        [image.expression.values[n][image.coverage.values[n]].astype(float) for n in some]
    )


@pytest.mark.parametrize("chunks", [None, "auto", 30])
def test_means_are_of_what_was_measured(chunks):
    ds = open_masks(chunks=chunks)
    expected = measured(ds)
    np.testing.assert_allclose(ds.expression.where(ds.expression_coverage).mean(), expected.mean())
    np.testing.assert_allclose(ds.atldld.masked.expression.mean(), expected.mean(), rtol=1e-5)
    every = ds.expression.where(ds.coverage)
    assert float(every.mean()) < 0.6 * expected.mean(), "the case is to be one that misleads"


@pytest.mark.parametrize("on_error", ["fill", "raise"])
def test_what_misses_the_coverage_of_its_masks_takes_no_other(on_error):
    Masks.fails = on_error == "fill"
    ds = open_masks(on_error=on_error)
    expected = ds.expression.values[ds.expression_coverage.values].mean(dtype=float)
    for without in (ds.drop_vars("expression_coverage"), ds[["expression", "coverage"]].compute()):
        with pytest.raises(InvalidArgumentError, match="no expression_coverage"):
            _ = without.atldld.masked
    # A store of an earlier version has one coverage for all, and no word of masks.
    earlier = ds.drop_vars(
        ["expression_coverage", "expression_status", "has_expression"], errors="ignore"
    )
    assert float(earlier.atldld.masked.expression.mean()) < 0.9 * expected
    coordinate = ds.set_coords(["coverage", "expression_coverage", "expression"])
    np.testing.assert_allclose(coordinate.atldld.masked.expression.mean(), expected, rtol=1e-5)


def test_what_was_averaged_with_its_coverage_lets_no_fill_in():
    ds = open_masks(chunks="auto")
    coarse = ds[["image", "expression", "coverage", "expression_coverage"]].coarsen(
        y=7, x=7, boundary="trim"
    )
    masked = coarse.mean().atldld.masked.compute()
    inner = coarse.min().compute()
    for name, where in (("image", "coverage"), ("expression", "expression_coverage")):
        found = masked[name].notnull()
        np.testing.assert_array_equal(
            found.all("channel") if name == "image" else found, inner[where]
        )
        assert found.any()
        assert "throughout" in masked[name].attrs["comment"]


def test_each_variable_has_its_own_coverage_and_status():
    ds = open_masks().compute()
    covered = ds.coverage.any(["y", "x"])
    assert covered.all()
    assert ds.expression_coverage.any(["y", "x"]).values.tolist() == READABLE
    some = np.flatnonzero(READABLE)
    np.testing.assert_array_equal(ds.expression_coverage[some], ds.coverage[some])
    assert ds.status.values.tolist() == [0, 0, 0, 0]
    assert ds.expression_status.values.tolist() == [0, 2, 1, 0]
    assert ds.has_expression.values.tolist() == [True, False, True, True]
    for name in ("status", "expression_status"):
        attrs = ds[name].attrs
        meanings = dict(zip(attrs["flag_values"], attrs["flag_meanings"].split(), strict=True))
        assert meanings == {0: "read", 1: "unreadable", 2: "absent", 255: "pending"}


def test_an_image_that_cannot_be_read_says_nothing_of_its_mask():
    source = NoiseSource(bad=((FIRST_IMAGE_ID, 0, 0),))

    class Images(NoiseSource):
        def read(self, image, tile, view):
            return (source if view == "image" else super()).read(image, tile, view)

    ds = atldld_xr.open_dataset(
        DATASET_ID, source=Images(), resolution=100, expression=True, on_error="fill"
    ).compute()
    assert ds.status.values.tolist() == [1, 0, 0]
    assert ds.expression_status.values.tolist() == [0, 2, 0]
    assert (ds.expression_coverage[0] & ~ds.coverage[0]).any()


def test_without_fill_absence_is_told_too():
    Masks.fails = False
    ds = open_masks(on_error="raise")
    assert "expression_status" not in ds
    assert ds.expression_coverage.any(["y", "x"]).values.tolist() == [True, False, True, True]
    told = ds.atldld.failures()
    assert told[["section_image_id", "status"]].values.tolist() == [[WITHOUT, "absent"]]


@pytest.mark.parametrize("chunks", [None, "auto"])
def test_a_zarr_store_tells(tmp_path, chunks):
    ds = open_masks(chunks=chunks)
    report = ds.atldld.to_zarr(tmp_path / "a.zarr")
    found = status(tmp_path / "a.zarr")
    assert found.state == "complete"
    for told in (report, found):
        (failure,), (absent,) = told.failures, told.absent
        assert (failure["variable"], failure["section_image_id"]) == ("expression", FAILING)
        assert failure["reason"].startswith("it is made to fail (memory://mask)")
        assert (absent["variable"], absent["section_image_id"]) == ("expression", WITHOUT)
    assert verify(tmp_path / "a.zarr").problems == ()
    back = xr.open_zarr(tmp_path / "a.zarr")
    xr.testing.assert_equal(back.compute(), ds.drop_vars("displacement").compute())
    mean = back.expression.where(back.expression_coverage).mean()
    np.testing.assert_allclose(mean, measured(ds).mean())
    table = back.atldld.failures()
    assert table.status.tolist() == ["absent", "unreadable"]
    assert table.section_image_id.tolist() == [WITHOUT, FAILING]
    assert table.reason.tolist() == [report.absent[0]["reason"], report.failures[0]["reason"]]


def test_what_is_told_in_the_attributes_is_verified(tmp_path):
    open_masks().atldld.to_zarr(tmp_path / "a.zarr")
    group = zarr.open_group(tmp_path / "a.zarr")
    group.attrs["unread_sections"] = "[]"
    assert any("other attributes" in problem for problem in verify(tmp_path / "a.zarr").problems)


def test_only_what_failed_is_tried_again(tmp_path):
    open_masks().atldld.to_zarr(tmp_path / "a.zarr")
    Masks.fails = False
    assert open_masks().atldld.to_zarr(tmp_path / "a.zarr").blocks == 0
    report = open_masks().atldld.to_zarr(tmp_path / "a.zarr", retry_failed=True)
    assert report.failures == ()
    assert [absent["section_image_id"] for absent in report.absent] == [WITHOUT]
    back = xr.open_zarr(tmp_path / "a.zarr")
    assert back.expression_status.values.tolist() == [0, 2, 0, 0]
    assert "unread_sections" not in back.attrs


def test_an_ome_zarr_tells(tmp_path):
    report = open_masks().atldld.to_ome_zarr(tmp_path / "a.ome.zarr", variable="expression")
    found = status(tmp_path / "a.ome.zarr")
    assert (found.failures, found.absent) == (report.failures, report.absent)
    assert [entry["section_image_id"] for entry in found.absent] == [WITHOUT]
    sections = zarr.open_group(tmp_path / "a.ome.zarr").attrs["atldld_xr"]["sections"]
    assert [section["has_expression"] for section in sections] == [True, False, True, True]
    assert ["failure" in section for section in sections] == [False, False, True, False]
    assert verify(tmp_path / "a.ome.zarr").problems == ()
    whole = open_masks().atldld.to_ome_zarr(tmp_path / "b.ome.zarr")
    assert (whole.failures, whole.absent) == ((), ())


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("chunks", [None, "auto"])
def test_a_volume_lists_its_valid_planes(tmp_path, suffix, chunks):
    ds = open_masks(chunks=chunks)
    report = ds.atldld.to_volume(tmp_path / f"a{suffix}", variable="expression")
    assert [entry["section_image_id"] for entry in report.failures] == [FAILING]
    assert [entry["section_image_id"] for entry in report.absent] == [WITHOUT]
    values, listing = READERS[suffix](tmp_path / f"a{suffix}")
    planes = listing["planes"]
    assert [entry["valid"] for entry in planes] == READABLE
    valid = [entry["plane"] for entry in planes if entry["valid"]]
    assert list(report.valid_planes) == listing["valid_planes"] == valid
    whole = ds.atldld.to_volume(tmp_path / f"b{suffix}")
    assert len(whole.valid_planes) == 4

    # Beside it the coverage as a volume of its own tells fill from what was measured.
    ds.atldld.to_volume(tmp_path / f"c{suffix}", variable="expression_coverage")
    where, listed = READERS[suffix](tmp_path / f"c{suffix}")
    assert listed["valid_planes"] == valid
    assert where.shape == values.shape
    assert set(np.unique(where)) == {0, 1}
    np.testing.assert_allclose(values[where == 1].mean(), measured(ds).mean())
    assert (values[where == 0] == 0).all()


@dataclass(frozen=True)
class Maskless(Phantom):
    """A phantom whose first section has no mask."""

    def _image_record(self, index):
        some = {"expression_path": None} if index == 0 else {}
        return super()._image_record(index) | some


def test_the_command_line_tells(tmp_path):
    phantom = Maskless(id=900000003, count=4, resolution=40.0)
    ids = [image["id"] for image in phantom.record["section_images"] if not image["failed"]]
    store = tmp_path / "a.zarr"
    with AllenServer(phantoms=[phantom]) as server:
        options = ["--source", server.url, "--resolution", "200", "--expression=intensity"]
        assert facts("info", phantom.id, *options)["without_expression"] == [ids[0]]
        assert f"section image {ids[0]}" in run("info", phantom.id, *options).stdout
        server.faults = Faults(never=frozenset([ids[-1]]))
        fill = [*options, "--on-error", "fill"]
        said = run("export", phantom.id, store, *fill, code=4).stdout
        assert f"section image {ids[-1]} could not be read" in said
        assert f"the expression mask of section image {ids[-1]} could not be read" in said
        assert f"1 section has no expression mask: section image {ids[0]}" in said
        server.faults = Faults()
        said = run("export", phantom.id, store, *fill, "--retry-failed").stdout
        assert "no expression mask" in said
    shown = run("status", store).stdout  # a mask that there is none of is no failure
    assert f"no expression mask: section image {ids[0]}" in shown
    assert not [line for line in shown.splitlines() if line.startswith("failed")]
    assert facts("status", store)["absent"][0]["section_image_id"] == ids[0]
