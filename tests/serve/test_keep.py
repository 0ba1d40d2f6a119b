"""What is looked at is kept in a store, which an export goes on with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import atldld_xr
from atldld_xr.errors import StoreError
from atldld_xr.export.ome.to_ome_zarr import begun_ome
from atldld_xr.files.file_store import FileStore
from atldld_xr.serve import AllenStore, DatasetStore
from commandline import tree
from noise import DATASET_ID, NoiseSource

NOISE = {"source": NoiseSource(), "resolution": 50, "chunks": 70}


def export(path):
    ds = atldld_xr.open_dataset(DATASET_ID, **NOISE)
    return ds.atldld.to_ome_zarr(path, levels=2)


def keys_of(store, level=0):
    return ["/".join(map(str, (level, "c", *at))) for at in store.pyramid.blocks(level)]


def test_an_export_goes_on_with_what_was_looked_at(tmp_path):
    store = AllenStore(DATASET_ID, **NOISE, levels=2)
    some = keys_of(store)[::3]
    for part in (some[:5], some):  # begun, and gone on with
        with store.kept_in(tmp_path / "kept.zarr"), ThreadPoolExecutor(4) as threads:
            list(threads.map(store.read, part + keys_of(store, 1)))
        assert atldld_xr.status(tmp_path / "kept.zarr").state != "complete"
    for key in some:
        content = store.read(key)
        path = tmp_path / "kept.zarr" / key
        assert path.exists() == (content is not None)
        assert content is None or path.read_bytes() == content
    report = export(tmp_path / "kept.zarr")
    assert report.skipped == len(some)
    assert export(tmp_path / "plain.zarr").blocks == report.blocks + report.skipped
    kept, plain = (
        {key.removeprefix(str(tmp_path / name)): v for key, v in tree(tmp_path / name).items()}
        for name in ("kept.zarr", "plain.zarr")
    )
    assert {*kept} == {*plain}
    assert {k for k in kept if kept[k] != plain[k] and "lease" not in k} == set()
    assert atldld_xr.verify(tmp_path / "kept.zarr").problems == ()
    # A store that is finished has it all.
    with store.kept_in(tmp_path / "kept.zarr"):
        store.read(keys_of(store)[1])


def test_one_writes_at_a_time_and_nothing_else_is_replaced(tmp_path):
    store = AllenStore(DATASET_ID, **NOISE, levels=2)
    with store.kept_in(tmp_path / "a.zarr"), pytest.raises(StoreError, match="writing"):
        export(tmp_path / "a.zarr")
    assert store.keeper is None
    other = AllenStore(DATASET_ID, **NOISE | {"resolution": 60}, levels=2)
    with pytest.raises(StoreError, match="resolution"), other.kept_in(tmp_path / "a.zarr"):
        pass


def test_a_disk_that_is_full_keeps_nobody_from_looking(tmp_path, monkeypatch, caplog):
    store = AllenStore(DATASET_ID, **NOISE, levels=2)
    want = [AllenStore(DATASET_ID, **NOISE, levels=2).read(key) for key in keys_of(store)[8:12]]
    from atldld_xr.serve.plan_store import CHUNKS

    CHUNKS().reset()

    def full(self, key, content, **options):
        raise StoreError("no space left on device")

    with store.kept_in(tmp_path / "a.zarr"), monkeypatch.context() as patched:
        patched.setattr(FileStore, "put", full)
        assert [store.read(key) for key in keys_of(store)[8:12]] == want
    assert sum("no space left" in record.message for record in caplog.records) == 1
    export(tmp_path / "a.zarr")


def test_other_planes_that_are_there_take_no_section_of_these(tmp_path):
    """Of planes a section's thickness apart, plane 4 holds another section than plane 4 here."""
    ds = atldld_xr.open_dataset(DATASET_ID, **NOISE)
    ds = ds.assign_coords(coronal=1000.0 + 200 * np.arange(ds.sizes["coronal"]))
    ds.attrs["section_thickness"] = 50.0
    with begun_ome(ds, FileStore(tmp_path / "a.zarr"), step=50, levels=1):
        pass  # as one that was begun when this was the default
    before = tree(tmp_path / "a.zarr")
    store = DatasetStore(ds, levels=1)
    with pytest.raises(StoreError, match="step=50 "), store.kept_in(tmp_path / "a.zarr"):
        store.read(keys_of(store)[-1])
    after = tree(tmp_path / "a.zarr")
    assert {key for key in after if "/c/" in key} == {key for key in before if "/c/" in key}


def test_what_is_made_after_the_end_is_not_kept(tmp_path, caplog):
    store = AllenStore(DATASET_ID, **NOISE, levels=1)
    with store.kept_in(tmp_path / "a.zarr"):
        keeper = store.keeper
    before = tree(tmp_path / "a.zarr")
    plane = store.pyramid.planes.places[0]
    keeper.keep((0, plane, 0, 0), b"late")
    assert tree(tmp_path / "a.zarr") == before
    assert not caplog.records  # nothing went wrong
