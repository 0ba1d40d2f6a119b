"""Sections that cannot be read: every store tells of them, and later runs mend just these."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import xarray as xr
import zarr

import atldld_xr
from atldld_xr.errors import SectionImageError, StoreError
from atldld_xr.export import status, verify
from atldld_xr.memory import TILES
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource

FAILING = FIRST_IMAGE_ID + 1


class Mending(NoiseSource):
    """Sections that can be read at times."""

    failing: ClassVar[set[int]] = set()
    reads: ClassVar[list[int]] = []

    def read(self, image: Any, tile: Any, view: str) -> np.ndarray:
        self.reads.append(image.id)
        if image.id in self.failing:
            raise SectionImageError(image.id, "memory://tile", "it is made to fail")
        return super().read(image, tile, view)


@pytest.fixture(autouse=True)
def _fails():
    TILES.reset()  # what could be read in another test
    Mending.failing = {FAILING}
    Mending.reads = []
    yield
    Mending.failing = set()


def open_failing(**options):
    options = {"source": Mending(), "resolution": 50, "chunks": 60, "on_error": "fill"} | options
    return atldld_xr.open_dataset(DATASET_ID, **options)


def contents(path):
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def write(ds, path, kind, **options):
    return getattr(ds.atldld, kind)(path, **options)


CHANGES = {
    "as it is": lambda ds: ds,
    "a window": lambda ds: ds.isel(y=slice(15, 125), x=slice(30, 200)),
    "strided": lambda ds: ds.isel(y=slice(None, None, 2), x=slice(None, None, 2)),
    "transposed": lambda ds: ds.transpose("y", "coronal", "x", ...),
    "by two": lambda ds: ds.chunk(coronal=2),
    "computed": lambda ds: ds.assign(image=(ds.image // 2).assign_attrs(ds.image.attrs)),
    "loaded": lambda ds: ds.load(),
    "without Dask": lambda ds: open_failing(chunks=None),
}


@pytest.mark.parametrize("kind", ["to_zarr", "to_ome_zarr"])
@pytest.mark.parametrize("change", CHANGES)
def test_every_store_tells_of_them(tmp_path, kind, change):
    ds = CHANGES[change](open_failing())
    report = write(ds, tmp_path / "a.zarr", kind)
    told = status(tmp_path / "a.zarr")
    assert (told.state, told.failures) == ("complete", report.failures)
    (failure,) = told.failures
    assert failure["section_image_id"] == FAILING
    assert "made to fail" in failure["reason"]
    assert verify(tmp_path / "a.zarr").problems == ()
    if kind == "to_zarr":
        assert xr.open_zarr(tmp_path / "a.zarr").status.values.tolist() == [0, 1, 0]
    else:
        sections = zarr.open_group(tmp_path / "a.zarr").attrs["atldld_xr"]["sections"]
        assert ["failure" in section for section in sections] == [False, True, False]


@pytest.mark.parametrize("kind", ["to_zarr", "to_ome_zarr"])
def test_from_another_store(tmp_path, kind):
    open_failing().atldld.to_zarr(tmp_path / "a.zarr")
    report = write(xr.open_zarr(tmp_path / "a.zarr"), tmp_path / "b.zarr", kind)
    assert [failure["section_image_id"] for failure in report.failures] == [FAILING]
    assert status(tmp_path / "b.zarr").failures == report.failures


@pytest.mark.parametrize("kind", ["to_zarr", "to_ome_zarr"])
@pytest.mark.parametrize("change", [c for c in CHANGES if c != "loaded"])
def test_they_are_tried_again(tmp_path, kind, change):
    write(CHANGES[change](open_failing()), tmp_path / "a.zarr", kind)
    Mending.failing = set()
    ds = CHANGES[change](open_failing())
    assert write(ds, tmp_path / "a.zarr", kind).blocks == 0
    report = write(ds, tmp_path / "a.zarr", kind, retry_failed=True)
    assert report.blocks > 0
    assert report.failures == status(tmp_path / "a.zarr").failures == ()
    (tmp_path / "b").mkdir()
    write(ds, tmp_path / "b" / "a.zarr", kind)
    assert contents(tmp_path / "a.zarr") == contents(tmp_path / "b" / "a.zarr")


@pytest.mark.parametrize("kind", ["to_zarr", "to_ome_zarr"])
@pytest.mark.parametrize("change", ["as it is", "a window"])
def test_an_export_that_ended_at_one_goes_on_without_it(tmp_path, kind, change):
    ds = CHANGES[change](open_failing(on_error="raise"))
    with pytest.raises(SectionImageError, match="made to fail"):
        write(ds, tmp_path / "a.zarr", kind)
    filled = CHANGES[change](open_failing())
    done = status(tmp_path / "a.zarr").written
    report = write(filled, tmp_path / "a.zarr", kind)
    assert report.skipped == sum(done.values()) > 0
    assert [failure["section_image_id"] for failure in report.failures] == [FAILING]
    assert verify(tmp_path / "a.zarr").problems == ()
    (tmp_path / "b").mkdir()
    write(filled, tmp_path / "b" / "a.zarr", kind)
    assert contents(tmp_path / "a.zarr") == contents(tmp_path / "b" / "a.zarr")


def test_what_is_finished_is_not_made_to_tell_more(tmp_path):
    Mending.failing = set()
    open_failing(on_error="raise").atldld.to_zarr(tmp_path / "a.zarr")
    before = contents(tmp_path)
    with pytest.raises(StoreError, match=r"values.status is only in the new one"):
        open_failing().atldld.to_zarr(tmp_path / "a.zarr")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("kind", ["to_zarr", "to_ome_zarr"])
def test_who_wants_no_fill_gets_none(tmp_path, kind):
    ds, strict = (open_failing(on_error=how)[["image", "coverage"]] for how in ("fill", "raise"))
    (failure,) = write(ds, tmp_path / "a.zarr", kind).failures
    assert (failure,) == status(tmp_path / "a.zarr").failures
    with pytest.raises(SectionImageError):
        write(strict, tmp_path / "a.zarr", kind)
    Mending.failing, Mending.reads = set(), []
    report = write(strict, tmp_path / "a.zarr", kind)
    assert report.blocks > 0
    assert report.failures == status(tmp_path / "a.zarr").failures == ()
    assert set(Mending.reads) == {FAILING}
    (tmp_path / "b").mkdir()
    write(strict, tmp_path / "b" / "a.zarr", kind)
    assert contents(tmp_path / "a.zarr") == contents(tmp_path / "b" / "a.zarr")
