"""Consolidated metadata, beside what Zarr itself makes of the same files."""

from __future__ import annotations

import json

import pytest
import xarray as xr
import zarr

import atldld_xr
from atldld_xr.export import verify
from atldld_xr.store.consolidated import CONSOLIDATED, consolidated, encoded, same
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource

# Of the oracle, each of whose calls says that this is not in the specification.
by_the_oracle = pytest.mark.filterwarnings("ignore:Consolidated metadata:UserWarning")
ATTRIBUTES = {"none": None, "nan": float("nan"), "über": [1, {"a": "µm"}], "zero": -0.0}


def arrays(group, *names):
    for name in names:
        group.create_array(name, shape=(4, 6), chunks=(2, 3), dtype="i2", attributes=ATTRIBUTES)


def nested(group):
    arrays(group, "b", "B", "a", "Straße", "é", "a b")
    below = group.create_group("group", attributes=ATTRIBUTES)
    arrays(below, "a", "0")
    below.create_group("empty").create_group("emptier")
    arrays(group.create_group("Group").create_group("deep"), "z")
    group.create_array("f", shape=(), dtype="f4", fill_value=float("nan"))
    group.create_array("text", shape=(3,), dtype="str", fill_value="a")


LAYOUTS = {"nothing": lambda group: None, "flat": lambda group: arrays(group, "x"), "all": nested}


def files(memory):
    return {key: bytes(value.to_bytes()) for key, value in memory.items()}


def by_zarr(there, zarr_format):
    store = zarr.storage.MemoryStore()
    for key, content in there.items():
        store._store_dict[key] = zarr.core.buffer.cpu.Buffer.from_bytes(content)
    zarr.consolidate_metadata(store, zarr_format=zarr_format)
    return files(store._store_dict)


@by_the_oracle
@pytest.mark.filterwarnings("ignore:The data type:zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("zarr_format", [3, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_as_by_zarr(layout, zarr_format):
    memory = {}
    group = zarr.open_group(
        zarr.storage.MemoryStore(memory), zarr_format=zarr_format, attributes=ATTRIBUTES
    )
    LAYOUTS[layout](group)
    there = files(memory)
    parsed = {key: json.loads(content) for key, content in there.items()}
    document = consolidated(parsed, zarr_format)
    oracle = json.loads(by_zarr(there, zarr_format)[CONSOLIDATED[zarr_format]])
    assert same(document, oracle)
    assert same(json.loads(encoded(document, zarr_format)), oracle)
    # Made of files of which one has been consolidated before, it is the same.
    again = parsed | ({"zarr.json": document} if zarr_format == 3 else {})
    assert same(consolidated(again, zarr_format), oracle)


BAD = ((FIRST_IMAGE_ID + 1, 0, 0),)


def noise():
    options = {"source": NoiseSource(bad=BAD), "on_error": "fill", "resolution": 50}
    return atldld_xr.open_dataset(DATASET_ID, chunks={"y": 100, "x": 120}, **options)


WAYS = {
    "zarr": (3, lambda ds, path: ds.atldld.to_zarr(path)),
    "0.5": (3, lambda ds, path: ds.atldld.to_ome_zarr(path, ome_version="0.5")),
    "0.4": (2, lambda ds, path: ds.atldld.to_ome_zarr(path, ome_version="0.4")),
}


@by_the_oracle
@pytest.mark.parametrize("way", WAYS)
def test_stores_have_it(tmp_path, way):
    zarr_format, export = WAYS[way]
    export(noise(), tmp_path / "a.zarr")
    key = CONSOLIDATED[zarr_format]
    found = json.loads((tmp_path / "a.zarr" / key).read_bytes())
    assert len(found["metadata" if zarr_format == 2 else "consolidated_metadata"]) > 2
    there = {
        path.relative_to(tmp_path / "a.zarr").as_posix(): path.read_bytes()
        for path in (tmp_path / "a.zarr").rglob("*")
        if path.name in ("zarr.json", ".zgroup", ".zattrs", ".zarray")
    }
    assert same(json.loads(by_zarr(there, zarr_format)[key]), found)
    assert verify(tmp_path / "a.zarr").problems == ()


@pytest.mark.filterwarnings("error")
def test_readers_are_not_warned(tmp_path):
    expected = noise().drop_vars("displacement").compute()
    noise().atldld.to_zarr(tmp_path / "a.zarr")
    xr.testing.assert_equal(xr.open_zarr(tmp_path / "a.zarr").compute(), expected)
    back = xr.open_zarr(tmp_path / "a.zarr", consolidated=True)
    xr.testing.assert_equal(back.compute(), expected)
