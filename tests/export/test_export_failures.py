"""Sections that cannot be read: every store tells of them, and later runs mend just these."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import xarray as xr
import zarr

import atldld_xr
from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.errors import SectionImageError, StoreError
from atldld_xr.export import status, verify
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource

FAILING = FIRST_IMAGE_ID + 1
LAST = FIRST_IMAGE_ID + 2


class Mending(NoiseSource):
    """Sections that can be read at times."""

    failing: ClassVar[set[int]] = set()
    reads: ClassVar[list[int]] = []
    fine: ClassVar[int] = 0
    """How often all can be read before some fail."""

    def read(self, image: Any, tile: Any, view: str) -> np.ndarray:
        self.reads.append(image.id)
        if image.id in self.failing and len(self.reads) > self.fine:
            raise SectionImageError(image.id, "memory://tile", "it is made to fail")
        return super().read(image, tile, view)


class Tiles(NoiseSource):
    """A section whose tiles fail each for a reason of its own."""

    def read(self, image: Any, tile: Any, view: str) -> np.ndarray:
        if image.id == FAILING:
            address = f"memory://{tile.left}/{tile.top}"
            raise SectionImageError(image.id, address, "it is made to fail")
        return super().read(image, tile, view)


@pytest.fixture(autouse=True)
def _fails():
    TILES.reset()  # what could be read in another test
    Mending.failing, Mending.reads, Mending.fine = {FAILING}, [], 0
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
    assert failure["variable"] == "image"
    # Loading a Dataset keeps its status alone.
    words = "could not be read" if change == "loaded" else "made to fail"
    assert words in failure["reason"]
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
    with pytest.raises(StoreError, match="is finished, by a run"):
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


@pytest.mark.parametrize("names", [["coverage"], ["coverage", "image"], ["coverage", "status"]])
def test_coverage_is_of_what_could_be_read(tmp_path, names):
    strict, filled = (open_failing(on_error=how) for how in ("raise", "fill"))
    strict, filled = strict[[n for n in names if n in strict]], filled[names]
    try:
        strict.atldld.to_zarr(tmp_path / "a.zarr")
    except SectionImageError:
        assert "image" in names
    if names == ["coverage", "status"]:  # finished without a word about sections
        with pytest.raises(StoreError, match="is finished, by a run"):
            filled.atldld.to_zarr(tmp_path / "a.zarr")
        return
    (failure,) = filled.atldld.to_zarr(tmp_path / "a.zarr").failures
    assert failure["section_image_id"] == FAILING
    (tmp_path / "b").mkdir()
    filled.atldld.to_zarr(tmp_path / "b" / "a.zarr")
    assert contents(tmp_path / "a.zarr") == contents(tmp_path / "b" / "a.zarr")
    Mending.failing = set()
    assert strict.atldld.to_zarr(tmp_path / "a.zarr").failures == ()
    (tmp_path / "c").mkdir()
    strict.atldld.to_zarr(tmp_path / "c" / "a.zarr")
    assert contents(tmp_path / "a.zarr") == contents(tmp_path / "c" / "a.zarr")


def test_what_was_read_is_not_asked_for_again(tmp_path):
    with pytest.raises(SectionImageError):
        open_failing(on_error="raise").atldld.to_zarr(tmp_path / "a.zarr")
    done = xr.open_zarr(tmp_path / "a.zarr", consolidated=False).image.isel(coronal=0)
    assert (done != done.attrs["fill_value"]).any()
    Mending.reads = []
    TILES.reset()
    Mending.failing = {FAILING, FIRST_IMAGE_ID}  # what is there is of no concern to it
    (failure,) = open_failing().atldld.to_zarr(tmp_path / "a.zarr").failures
    assert failure["section_image_id"] == FAILING
    assert FIRST_IMAGE_ID not in Mending.reads
    back = xr.open_zarr(tmp_path / "a.zarr").compute()
    assert back.status.values.tolist() == [0, 1, 0]
    Mending.failing = set()
    open_failing().atldld.to_zarr(tmp_path / "a.zarr", retry_failed=True)
    np.testing.assert_array_equal(xr.open_zarr(tmp_path / "a.zarr").image, open_failing().image)


@pytest.mark.parametrize("kind", ["to_zarr", "to_ome_zarr"])
@pytest.mark.parametrize("change", ["strided", "computed"])
def test_what_fails_only_when_dask_makes_the_image(tmp_path, kind, change):
    ds = CHANGES[change](open_failing())
    assert len(ds.atldld.failures()) == 1
    Mending.fine = len(Mending.reads)
    Mending.reads = []
    TILES.reset()
    report = write(ds, tmp_path / "a.zarr", kind)
    assert [failure["section_image_id"] for failure in report.failures] == [FAILING]
    assert status(tmp_path / "a.zarr").failures == report.failures
    assert verify(tmp_path / "a.zarr").problems == ()
    if kind == "to_zarr":
        assert xr.open_zarr(tmp_path / "a.zarr").status.values.tolist() == [0, 1, 0]
    Mending.failing = set()
    write(ds, tmp_path / "a.zarr", kind, retry_failed=True)
    (tmp_path / "b").mkdir()
    write(ds, tmp_path / "b" / "a.zarr", kind)
    assert contents(tmp_path / "a.zarr") == contents(tmp_path / "b" / "a.zarr")


@pytest.mark.parametrize("kind", ["to_zarr", "to_ome_zarr"])
def test_dask_tells_without_being_asked(tmp_path, kind):
    ds = open_failing()
    half = ds[["image"]].assign(image=(ds.image // 2).assign_attrs(ds.image.attrs))
    (failure,) = write(half, tmp_path / "a.zarr", kind).failures
    assert failure["section_image_id"] == FAILING
    assert status(tmp_path / "a.zarr").failures == (failure,)
    with pytest.raises(SectionImageError, match="made to fail"):  # a store that cannot tell
        half.drop_vars("section_image_id").atldld.to_zarr(tmp_path / "b.zarr")


@pytest.mark.parametrize(("kind", "version"), [("to_zarr", None), ("to_ome_zarr", "0.4")])
def test_a_store_that_is_made_again_in_part_is_not_complete(tmp_path, kind, version):
    options = {"ome_version": version} if version else {}
    ds, strict = (open_failing(on_error=how)[["image"]] for how in ("fill", "raise"))
    write(ds, tmp_path / "a.zarr", kind, **options)
    with pytest.raises(SectionImageError):
        write(strict, tmp_path / "a.zarr", kind, **options)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r", use_consolidated=False)
    assert group.attrs["atldld_xr_export"] == "incomplete"
    assert not (tmp_path / "a.zarr" / ".zmetadata").exists()
    assert status(tmp_path / "a.zarr").state == "interrupted"
    problems = verify(tmp_path / "a.zarr").problems
    assert problems
    assert all("not written yet" in problem for problem in problems)


REASONS = {
    "of rows": lambda ds: ds.assign(reason=("y", np.array(["x"] * ds.sizes["y"], dtype="T"))),
    "of rows, loaded": lambda ds: ds.assign(reason=("y", ["x"] * ds.sizes["y"])),
    "in a table": lambda ds: ds.assign(reason=(("coronal", "y"), np.ones((3, ds.sizes["y"])))),
    "in numbers": lambda ds: ds.assign(reason=("coronal", [0, 0, 1])),
}


@pytest.mark.parametrize("kind", ["to_zarr", "to_ome_zarr"])
@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_a_reason_that_is_something_else(tmp_path, kind, reason):
    ds = open_failing(on_error="raise", chunks=None).isel(coronal=[0, 2, 2])
    ds = ds.isel(coronal=[0, 1]) if kind == "to_ome_zarr" else ds
    ds = ds if reason in ("of rows", "of rows, loaded") else open_failing(on_error="raise")
    Mending.failing = set()
    report = write(REASONS[reason](ds)[["image", "reason"]], tmp_path / "a.zarr", kind)
    assert report.failures == status(tmp_path / "a.zarr").failures == ()


ONE_BY_ONE = {
    "by three": lambda ds: ds.chunk(coronal=3, y=-1, x=-1),
    "transposed": lambda ds: ds.chunk(y=-1, x=-1).transpose("y", "coronal", "x", ...),
    "a mean": lambda ds: ds.assign(mean=ds.image.mean("coronal")).drop_vars("image"),
}


@pytest.mark.parametrize("change", ONE_BY_ONE)
@pytest.mark.parametrize("told", [True, False])
def test_sections_are_more_than_chunks(tmp_path, change, told):
    Mending.failing = {LAST}
    ds = ONE_BY_ONE[change](open_failing())
    ds = ds if told else ds.drop_vars("status")
    (failure,) = ds.atldld.to_zarr(tmp_path / "a.zarr").failures
    assert failure["section_image_id"] == LAST
    assert status(tmp_path / "a.zarr").failures == (failure,)
    assert verify(tmp_path / "a.zarr").problems == ()
    if told:
        assert xr.open_zarr(tmp_path / "a.zarr").status.values.tolist() == [0, 0, 1]
    Mending.failing = set()
    assert ds.atldld.to_zarr(tmp_path / "a.zarr", retry_failed=True).failures == ()


@pytest.mark.parametrize("before", ["raise", "fill"])
def test_coverage_of_what_was_lost_and_fails_now(tmp_path, before):
    Mending.failing = set()
    names = ["image", "coverage"]
    open_failing(on_error=before)[names].atldld.to_zarr(tmp_path / "a.zarr")
    for chunk in (tmp_path / "a.zarr" / "image" / "c" / "1").rglob("*"):
        if chunk.is_file():
            chunk.unlink()
    Mending.failing = {FAILING}
    TILES.reset()
    ds = open_failing()[names]
    assert len(ds.atldld.to_zarr(tmp_path / "a.zarr").failures) == 1
    assert not xr.open_zarr(tmp_path / "a.zarr").coverage[1].any()


@pytest.mark.parametrize("kind", ["to_zarr", "to_ome_zarr"])
def test_what_is_told_does_not_depend_on_where_it_ended(tmp_path, kind, monkeypatch):
    """The batches of a run that goes on are others than an undisturbed run's."""
    from atldld_xr.export.run import on_dask
    from atldld_xr.files.file_store import FileStore

    monkeypatch.setattr(on_dask, "_BATCH", 5)
    ds = open_failing(source=Tiles())[["image"]]
    ds = ds.assign(image=(ds.image // 2).assign_attrs(ds.image.attrs))
    write(ds, tmp_path / "a.zarr", kind)
    put = FileStore.put
    for most in (1, 7, 14, 22):
        left = most

        def put_some(self, key, content, **options):
            nonlocal left
            left -= "/c/" in key and "atldld" not in key and not key.startswith(("s", "t", "d"))
            if left < 0:
                raise StoreError("no more")
            put(self, key, content, **options)

        store = tmp_path / str(most) / "a.zarr"
        with monkeypatch.context() as patched:
            patched.setattr(FileStore, "put", put_some)
            with pytest.raises(StoreError, match="no more"):
                write(ds, store, kind)
        write(ds, store, kind)
        assert contents(store) == contents(tmp_path / "a.zarr")


@pytest.mark.parametrize("selection", [1, 0, {"coronal": 1, "y": 20}])
def test_one_loaded_section_tells_as_a_lazy_one_does(tmp_path, selection):
    selection = selection if isinstance(selection, dict) else {"coronal": selection}
    ds = open_failing().isel(selection)
    lazy = ds.atldld.to_zarr(tmp_path / "lazy.zarr")
    loaded = ds.load()
    for _ in range(2):  # and there is nothing to be gone on with
        report = loaded.atldld.to_zarr(tmp_path / "loaded.zarr")
        told = [entry["section_image_id"] for entry in report.failures]
        assert told == [entry["section_image_id"] for entry in lazy.failures]
    assert report.blocks == 0
    assert verify(tmp_path / "loaded.zarr").problems == ()
    back = xr.open_zarr(tmp_path / "loaded.zarr", consolidated=False)
    np.testing.assert_array_equal(back.image, xr.open_zarr(tmp_path / "lazy.zarr").image)
    assert int(back.status) == (int(back.section_image_id) == FAILING)
