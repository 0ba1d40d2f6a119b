"""Stores that are not as an export left them: refused with the reason or mended, not believed."""

from __future__ import annotations

import shutil

import pytest
import xarray as xr
from click.testing import CliRunner

from atldld_xr.cli import cli
from atldld_xr.export import status, verify
from damage import (
    LEDGER,
    PAGE,
    PLAN,
    RECORDS,
    emptied,
    garbled,
    made_a_folder,
    made_a_pipe,
    nested,
    one_line,
    refused,
    truncated,
)
from kills import tree

DAMAGES = [truncated, emptied, garbled, made_a_folder, made_a_pipe, nested]
MENDED = {"zarr.json", "status/c/0", "chunk"}
FILES = [PLAN, PAGE, "image/zarr.json", "status/zarr.json", "y/zarr.json", "y/c/0"]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("key", [*FILES, *sorted(MENDED)])
def test_every_file_damaged_in_every_way(made, tmp_path, key, damage):
    store = made.copy(tmp_path)
    array, *place = made.chunk
    path = store / (f"{array}/c/{'/'.join(map(str, place))}" if key == "chunk" else key)
    damage(path)
    before = tree(store)
    for look in (status, verify):
        one_line(lambda look=look: look(store))
    assert tree(store) == before
    if key in MENDED and damage not in (made_a_folder, made_a_pipe):
        made.ds.atldld.to_zarr(store)
        assert tree(store.parent) == tree(made.whole.parent)
    elif key in MENDED or (key, damage) == (PAGE, made_a_folder):
        one_line(lambda: made.ds.atldld.to_zarr(store))
    else:
        refused(lambda: made.ds.atldld.to_zarr(store))
        assert tree(store) == before
        made.ds.atldld.to_zarr(store, mode="w")
        assert tree(store.parent) == tree(made.whole.parent)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("key", [PLAN, LEDGER, *FILES[2:], "zarr.json", "chunk"])
def test_what_is_damaged_in_a_whole_store_is_found(made, tmp_path, key, damage):
    store = made.copy(tmp_path, "whole")
    assert verify(store).problems == ()
    array, *place = made.chunk
    key = f"{array}/c/{'/'.join(map(str, place))}" if key == "chunk" else key
    damage(store / key)
    found = one_line(lambda: verify(store))
    told = [found] if isinstance(found, str) else found.problems
    assert any(key.removesuffix("/c/0") in problem for problem in told)


def test_a_flipped_bit_is_found_and_made_anew(made, tmp_path):
    store = made.copy(tmp_path, "whole")
    array, *place = made.chunk
    path = store / array / "c" / "/".join(map(str, place))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (problem,) = verify(store).problems
    assert "checksum" in problem
    told = CliRunner().invoke(cli, ["verify", str(store)])
    assert told.exit_code == 1
    assert "run again, makes chunks anew" in told.stderr
    path.unlink()
    assert made.ds.atldld.to_zarr(store).blocks > 0
    assert tree(store) == tree(made.whole)


def test_an_interrupted_store_says_what_to_do(made, tmp_path):
    store = made.copy(tmp_path, "half")
    assert status(store).state == "interrupted"
    told = CliRunner().invoke(cli, ["status", str(store)])
    assert told.exit_code == 4
    assert "interrupted: the command that wrote it, run again, goes on\n" in told.stdout


# What is somebody else's


@pytest.mark.parametrize("state", ["complete", "incomplete"])
def test_a_store_made_of_an_export_is_no_export(made, tmp_path, state):
    store = tmp_path / "mine.zarr"
    mine = xr.open_zarr(made.whole)[["image"]].assign_attrs({RECORDS: state})
    mine.drop_encoding().to_zarr(store, zarr_format=3, consolidated=False)
    before = tree(tmp_path)
    said = refused(lambda: made.ds.atldld.to_zarr(store))
    assert "was not written by this package" in said
    refused(lambda: status(store))
    assert tree(tmp_path) == before


@pytest.mark.parametrize("mode", ["w-", "w"])
def test_a_folder_of_that_name_is_no_store(made, tmp_path, mode):
    (tmp_path / "papers" / RECORDS).mkdir(parents=True)
    (tmp_path / "papers" / "thesis.tex").write_text("all of it")
    before = tree(tmp_path)
    said = refused(lambda: made.ds.atldld.to_zarr(tmp_path / "papers", mode=mode))
    assert "no Zarr store" in said
    assert tree(tmp_path) == before


def test_what_a_link_in_a_store_leads_to_is_left_alone(made, tmp_path):
    store = made.copy(tmp_path)
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "data").write_text("precious")
    shutil.rmtree(store / "image")
    (store / "image").symlink_to(tmp_path / "far")
    refused(lambda: made.ds.atldld.to_zarr(store))
    made.ds.atldld.to_zarr(store, mode="w")
    assert tree(store.parent) == tree(made.whole.parent)
    assert tree(tmp_path / "far") == {"data": b"precious"}


def test_a_beginning_of_another_kind_aside_is_cleared(made, tmp_path):
    store = made.copy(tmp_path, "whole")
    aside = store.with_name(".a.zarr.atldld-new")
    shutil.copytree(made.half, aside)
    (aside / RECORDS / "replaces").touch()
    (aside / PAGE).write_bytes(b"damaged")
    made.ds.atldld.to_zarr(store, mode="w")
    assert tree(store.parent) == tree(made.whole.parent)
