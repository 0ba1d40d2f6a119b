"""What is promised of an export that ended early, on whatever runs it: one matrix."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext

import dask
import pytest

from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.errors import SectionImageError
from atldld_xr.export import status, verify
from kills import entered, marks, tree
from masks import FAILING, Masks, open_masks


@contextmanager
def cluster():
    """Connect to workers that are threads of this process, where the source can be mended."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as workers,
        distributed.Client(workers),
    ):
        yield


RUNNERS = {
    "threads": nullcontext,
    "one thread": lambda: dask.config.set(scheduler="sync"),
    "cluster": cluster,
}
ARRAYS = {
    "sections": lambda ds: ds,
    "Dask": lambda ds: ds.assign(expression=ds.expression // 2),
}


@pytest.fixture(params=RUNNERS)
def runner(request):
    with RUNNERS[request.param]():
        yield


@pytest.fixture(params=ARRAYS)
def arrays(request):
    """Give what makes the arrays: section by section, or one of them by Dask."""
    return ARRAYS[request.param]


@pytest.fixture
def opened(arrays, monkeypatch):
    def opened(*, fails, **options):
        monkeypatch.setattr(Masks, "fails", fails)
        TILES.reset()
        return arrays(open_masks(resolution=200, **options))

    return opened


@pytest.fixture
def whole(opened, tmp_path):
    """Give the files of a store whose export nothing disturbed, on threads."""

    def whole(**options):
        with dask.config.set(scheduler="threads"):
            opened(fails=False, **options).atldld.to_zarr(tmp_path / "whole" / "a.zarr")
        return tree(tmp_path / "whole")

    return whole


@pytest.mark.usefixtures("runner")
def test_what_ended_at_a_section_goes_on_there(opened, whole, tmp_path):
    store = tmp_path / "a" / "a.zarr"
    with pytest.raises(SectionImageError, match=str(FAILING)):
        opened(fails=True, on_error="raise").atldld.to_zarr(store)
    assert status(store).state == "interrupted"
    done = entered(store)
    before = marks(store, done)
    opened(fails=False, on_error="raise").atldld.to_zarr(store)
    assert marks(store, done) == before
    assert tree(store.parent) == whole(on_error="raise")


@pytest.mark.usefixtures("runner")
def test_what_was_filled_is_made_again_when_asked_for(opened, whole, tmp_path):
    store = tmp_path / "a" / "a.zarr"
    report = opened(fails=True).atldld.to_zarr(store)
    assert {entry["section_image_id"] for entry in report.failures} == {FAILING}
    assert opened(fails=False).atldld.to_zarr(store).blocks == 0
    assert status(store).failures == report.failures
    assert opened(fails=False).atldld.to_zarr(store, retry_failed=True).failures == ()
    assert tree(store.parent) == whole()


@pytest.mark.usefixtures("runner")
def test_what_is_lost_is_made_again(opened, whole, tmp_path):
    store = tmp_path / "a" / "a.zarr"
    total = opened(fails=False).atldld.to_zarr(store).blocks
    files = sorted((store / "expression" / "c").rglob("0")) + sorted((store / "image").rglob("2"))
    lost, cut = [file for file in files if file.is_file()][:2]
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    assert len(verify(store).problems) == 2
    assert 2 <= opened(fails=False).atldld.to_zarr(store).blocks < total
    assert verify(store).problems == ()
    assert tree(store.parent) == whole()


@pytest.mark.usefixtures("runner")
def test_another_one_takes_its_place_when_all_of_it_is_there(opened, whole, tmp_path):
    store = tmp_path / "a" / "a.zarr"
    opened(fails=False, on_error="raise", interpolation="nearest").atldld.to_zarr(store)
    before = tree(store)
    with pytest.raises(SectionImageError):
        opened(fails=True, on_error="raise").atldld.to_zarr(store, mode="w")
    assert tree(store) == before
    opened(fails=False, on_error="raise").atldld.to_zarr(store, mode="w")
    assert tree(store.parent) == whole(on_error="raise")
