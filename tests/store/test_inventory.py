"""What is in a store besides its chunks: each file is as it was written, and none is another's."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import atldld_xr
from atldld_xr.export import verify
from noise import DATASET_ID, NoiseSource

KINDS = {"zarr": "zarr.json", "0.5": "zarr.json", "0.4": ".zmetadata"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    with atldld_xr.config.set({"cache.enabled": False}):
        ds = atldld_xr.open_dataset(DATASET_ID, source=NoiseSource(sections=2), resolution=100)
        ds.atldld.to_zarr(folder / "zarr")
        for version in ("0.5", "0.4"):
            ds.atldld.to_ome_zarr(folder / version, ome_version=version)
    return folder


@pytest.fixture
def store(made, tmp_path, request):
    shutil.copytree(made / request.param, tmp_path / "a.zarr")
    return tmp_path / "a.zarr"


kinds = pytest.mark.parametrize("store", KINDS, indirect=True)


def changed(store, change):
    """Change what is consolidated, and return the file that has it."""
    name = ".zmetadata" if (store / ".zmetadata").exists() else "zarr.json"
    document = json.loads((store / name).read_bytes())
    gathered = document if name == ".zmetadata" else document["consolidated_metadata"]
    arrays = [node for node in gathered["metadata"].values() if "shape" in node]
    change(document, gathered, arrays)
    (store / name).write_text(json.dumps(document))
    return name


CHANGES = {
    "a shape": lambda d, g, arrays: arrays[0]["shape"].__setitem__(0, 7),
    "a fill value": lambda d, g, arrays: arrays[-1].update(fill_value=3),
    "another key": lambda d, g, arrays: arrays[0].update(nose=1),
    "a node less": lambda d, g, arrays: g["metadata"].popitem(),
    "a node more": lambda d, g, arrays: g["metadata"].update({"x": arrays[0]}),
    "no nodes": lambda d, g, arrays: g["metadata"].clear(),
    "none at all": lambda d, g, arrays: g.pop("metadata"),
    "a list": lambda d, g, arrays: g.update(metadata=[]),
    "a list for a node": lambda d, g, arrays: g.update(metadata={k: [] for k in g["metadata"]}),
}


@kinds
@pytest.mark.parametrize("change", CHANGES)
def test_consolidated_metadata_that_is_not_that_of_the_files(store, change):
    assert verify(store).problems == ()
    name = changed(store, CHANGES[change])
    (problem,) = verify(store).problems
    assert problem == f"{name} has other consolidated metadata than was written"


@kinds
def test_consolidated_metadata_laid_out_in_another_way(store):
    changed(store, lambda *_: None)
    assert verify(store).problems == ()


@pytest.mark.parametrize("store", ["0.4"], indirect=True)
@pytest.mark.parametrize("content", [None, b"", b"\xff", b"[]", b"[" * 100_000])
def test_no_consolidated_metadata(store, content):
    (store / ".zmetadata").unlink()
    if content is not None:
        (store / ".zmetadata").write_bytes(content)
    assert verify(store).problems == (".zmetadata is missing or damaged",)


@kinds
def test_metadata_and_its_copy_damaged_alike(store):
    name = "zarr.json" if (store / "zarr.json").exists() else ".zarray"
    path = next(p for p in sorted(store.glob(f"*/{name}")) if b'"shape"' in p.read_bytes())
    before = path.read_bytes()
    path.write_text(json.dumps(json.loads(before) | {"fill_value": 9}))
    key = str(path.relative_to(store))
    copy = key.removesuffix("/zarr.json")
    file = changed(store, lambda d, gathered, _: gathered["metadata"][copy].update(fill_value=9))
    # Of a coordinate there is a checksum alone: what it was is known from nowhere else.
    assert verify(store).problems[0] == f"{key} is not as it was written"
    path.write_bytes(before)
    assert verify(store).problems == (f"{file} has other consolidated metadata than was written",)


@kinds
@pytest.mark.parametrize(
    "key",
    [
        "mine.txt",
        "notes/of/mine",
        "atldld_xr_export/mine",
        "atldld_xr_export/pages/1.jsonl",
        "atldld_xr_export/plan.json.0123abcd.atldld-part",
        "nose/zarr.json",
        "nose/.zarray",
        "nose/c/0",
    ],
)
def test_files_that_nobody_wrote(store, key):
    (store / key).parent.mkdir(parents=True, exist_ok=True)
    (store / key).write_bytes(b"{}")
    assert verify(store).problems == (f"{key} was not written by an export",)


@pytest.mark.parametrize("store", ["zarr"], indirect=True)
@pytest.mark.parametrize("key", ["status/c/2", "status/c/a", "section_number/c/1"])
def test_files_of_small_arrays_that_nobody_wrote(store, key):
    (store / key).parent.mkdir(parents=True, exist_ok=True)
    (store / key).write_bytes(b"{}")
    assert verify(store).problems == (f"{key} was not written by an export",)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_wherever_metadata_is_changed(made, tmp_path_factory, data):
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    store = tmp_path_factory.mktemp("x") / "a.zarr"
    shutil.copytree(made / kind, store)
    names = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")
    found = sorted(p.relative_to(store) for p in store.rglob("*") if p.name in names)
    path = store / data.draw(st.sampled_from(found))
    before = path.read_bytes()
    content = bytearray(before)
    at = data.draw(st.integers(0, len(content) - 1))
    content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(content)
    problems = verify(store).problems
    if parsed(content) != parsed(before):
        assert str(path.relative_to(store)) in " ".join(problems)


def parsed(content):
    try:
        return json.loads(content)
    except ValueError:
        return None
