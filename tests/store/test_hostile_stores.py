"""Stores whose metadata say what cannot be, with checksums that fit: nothing raw, no memory."""

from __future__ import annotations

import json
import shutil
import tracemalloc

import pytest
import xarray as xr

import atldld_xr
from atldld_xr.errors import AtldldError
from atldld_xr.export import status, verify
from atldld_xr.files.checksum import checksum
from kills import RECORDS

BOUND = 200_000_000
IDS = "section_image_id"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    store = tmp_path_factory.mktemp("made") / "a.zarr"
    ds = atldld_xr.open_dataset("phantom", resolution=1000, expression=True, on_error="fill")
    ds.isel(coronal=slice(2)).atldld.to_zarr(store)
    return store


def look(store):
    """Return what is said of a store, by function; and check what that took."""
    tracemalloc.start()
    said = {}
    for function in (status, verify):
        try:
            said[function.__name__] = function(store)
        except AtldldError as error:
            said[function.__name__] = error
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < BOUND
    return said


OWN = [
    "x",
    [],
    5,
    {"variable": "expression"},
    {"variable": "expression", "sections": 5},
    {"variable": "expression", "sections": [5]},
    {"variable": "expression", "sections": [{"plane": [1], IDS: 5}]},
    {"variable": "expression", "sections": [{"plane": 1, IDS: {}}]},
    {"variable": ["expression"], "sections": None},
]


@pytest.mark.parametrize("own", OWN, ids=map(repr, OWN))
@pytest.mark.parametrize("has_masks", [False, True])
def test_whatever_an_ome_zarr_says_of_itself(made, tmp_path, own, has_masks):
    store = shutil.copytree(made, tmp_path / "a.zarr")
    path = store / RECORDS / "plan.json"
    plan = json.loads(path.read_text())
    plan["dataset"]["atldld_xr"] = own
    if not has_masks:  # of which the store tells by itself
        plan["crc32c of files"].pop("has_expression/zarr.json")
    path.write_text(json.dumps(plan))
    look(store)


def change_array(store, name, change):
    """Change what a small array is said to be, and the checksum that tells of it."""
    path, key = store / RECORDS / "plan.json", f"{name}/zarr.json"
    plan, metadata = json.loads(path.read_text()), json.loads((store / key).read_text())
    change(metadata)
    (store / key).write_text(json.dumps(metadata))
    told = plan["crc32c of files"]
    for chunk in [k for k in told if k.startswith(f"{name}/c")]:
        del told[chunk]
    shutil.rmtree(store / name / "c", ignore_errors=True)
    told[key] = checksum((store / key).read_bytes())
    path.write_text(json.dumps(plan))


def _long(metadata):
    metadata["shape"] = [10**9]


def _long_in_one(metadata):
    metadata["shape"] = [10**9]
    metadata["chunk_grid"]["configuration"]["chunk_shape"] = [10**9]


def _in_a_huge_chunk(metadata):
    metadata["chunk_grid"]["configuration"]["chunk_shape"] = [10**10]


def _wide(metadata):
    metadata["data_type"] = {
        "name": "fixed_length_utf32",
        "configuration": {"length_bytes": 4 * 10**9},
    }
    metadata["fill_value"] = ""


def _negative(metadata):
    metadata["shape"] = [-5]


def _deep(metadata):
    metadata["shape"] = [1] * 40
    metadata["chunk_grid"]["configuration"]["chunk_shape"] = [1] * 40


@pytest.mark.parametrize("name", [IDS, "has_expression"])
@pytest.mark.parametrize("change", [_long, _long_in_one, _in_a_huge_chunk, _wide, _negative, _deep])
def test_small_arrays_that_say_that_they_are_large(made, tmp_path, name, change):
    store = shutil.copytree(made, tmp_path / "a.zarr")
    change_array(store, name, change)
    look(store)


def test_small_arrays_of_large_files(made, tmp_path):
    store = shutil.copytree(made, tmp_path / "a.zarr")
    key = store / "status" / "zarr.json"
    metadata = json.loads(key.read_text())
    metadata["shape"] = [8 * 10**4]
    metadata["chunk_grid"]["configuration"]["chunk_shape"] = [10**4]
    key.write_text(json.dumps(metadata))
    for n in range(8):
        path = store / "status" / "c" / str(n)
        path.parent.mkdir(exist_ok=True)
        with open(path, "wb") as file:
            file.truncate(250_000_000)
    said = look(store)
    assert "status/zarr.json is not as it was written" in said["verify"].problems


def test_what_is_as_it_was_written_is_read(made):
    said = look(made)
    assert said["status"].state == "complete"
    assert said["verify"].problems == ()
    assert xr.open_zarr(made, consolidated=False).sizes["coronal"] == 2
