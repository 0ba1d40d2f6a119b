"""The commands about exports: what they write, say and refuse."""

from __future__ import annotations

import json

import numcodecs
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

from atldld_xr.cli import cli
from atldld_xr.testing import AllenServer, Faults
from commandline import COARSE, IMAGE, SMALL, facts, run, tree


@pytest.fixture(scope="module")
def shared():
    with AllenServer(phantoms=[SMALL]) as server:
        yield server


def export(server, *args, code=0):
    return run("export", *args, "--source", server.url, *COARSE, code=code)


def test_an_export_and_what_is_told_of_it(server, tmp_path):
    store = tmp_path / "a.zarr"
    said = export(server, SMALL.id, store).stdout
    assert "6 chunks written" in said
    assert "0 chunks written (6 more were there)" in export(server, SMALL.id, store).stdout
    told = run("status", store).stdout
    assert "complete" in told
    assert "3 of 3 chunks" in told
    assert facts("status", store)["state"] == "complete"
    assert "6 chunks" in run("verify", store).stdout
    assert facts("verify", store)["problems"] == []
    refused = run("export", SMALL.id, store, "--source", server.url, code=1).stderr
    assert "was made otherwise (resolution: 100 there, 25 asked" in refused


def test_a_damaged_store_is_found(server, tmp_path):
    store = tmp_path / "a.zarr"
    export(server, SMALL.id, store)
    chunk = store / "image" / "c" / "1" / "0" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[100] ^= 1
    chunk.write_bytes(content)
    (store / "coverage" / "c" / "0" / "0" / "0").unlink()
    told = CliRunner().invoke(cli, ["verify", str(store), "--json"])
    assert told.exit_code == 1
    assert told.stderr.startswith(f"atldld-xr: error: 2 files of {store} are not as they should be")
    assert told.stderr.count("\n") == 1
    found = json.loads(told.stdout)
    assert sorted(found["problems"]) == [
        "coverage/c/0/0/0 is missing",
        "image/c/1/0/0/0 is damaged: its checksum is another",
    ]
    assert found["chunks"] == 4


def test_lost_chunks_are_not_written(server, tmp_path):
    store = tmp_path / "a.zarr"
    export(server, SMALL.id, store)
    (store / "image" / "c" / "1" / "0" / "0" / "0").unlink()
    chunk = store / "coverage" / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    found = facts("status", store, code=4)
    assert found["state"] == "interrupted"
    assert found["written"] == {"image": 2, "coverage": 2}
    assert "2 of 3 chunks" in run("status", store, code=4).stdout
    assert "2 chunks written (4 more were there)" in export(server, SMALL.id, store).stdout
    assert facts("status", store)["state"] == "complete"


def test_failed_sections_are_told_and_tried_again(server, tmp_path):
    store = tmp_path / "a.zarr"
    image = IMAGE.id
    server.faults = Faults(never=frozenset([image]))
    said = export(server, SMALL.id, store, "--on-error", "fill", code=4).stdout
    assert f"section image {image} could not be read" in said
    assert f"section image {image}" in run("status", store, code=4).stdout
    assert run("verify", store).stdout
    server.faults = Faults()
    assert (
        "0 chunks written" in export(server, SMALL.id, store, "--on-error", "fill", code=4).stdout
    )
    again = export(server, SMALL.id, store, "--on-error", "fill", "--retry-failed").stdout
    assert "2 chunks written (4 more were there)" in again
    assert run("status", store).stdout
    assert xr.open_zarr(store).status.values.tolist() == [0, 0, 0]


def test_on_processes(server, tmp_path):
    export(server, SMALL.id, tmp_path / "a" / "a.zarr", "--workers", 2)
    export(server, SMALL.id, tmp_path / "b" / "a.zarr")
    one, other = tree(tmp_path / "a"), tree(tmp_path / "b")
    assert [*map(str, one.values())] == [*map(str, other.values())]


@pytest.mark.parametrize(
    ("format", "name"),
    [("ome-zarr", "a.zarr"), ("nrrd", "a.nrrd"), ("nifti", "a.nii.gz"), ("tiff", "a.tif")],
)
def test_other_formats(server, tmp_path, format, name):
    for package in {"nifti": ["nibabel"], "tiff": ["tifffile"]}.get(format, []):
        pytest.importorskip(package)
    export(server, SMALL.id, tmp_path / name, "--format", format)
    assert (tmp_path / name).exists()
    if format == "ome-zarr":
        assert facts("verify", tmp_path / name)["problems"] == []
        assert facts("status", tmp_path / name)["state"] == "complete"
    else:
        assert len(json.loads((tmp_path / f"{name}.json").read_text())) > 1


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.nrrd", b"NRRD"),
        ("A.NRRD", b"NRRD"),
        ("a.nii", b"\x5c\x01\x00\x00"),
        ("a.nii.gz", b"\x1f\x8b"),
        ("a.tif", b"II"),
        ("a.tiff", b"II"),
    ],
)
def test_the_address_says_which_volume(server, tmp_path, name, start):
    package = {".tif": "tifffile", ".nii": "nibabel"}.get(name[1:5])
    if package:
        pytest.importorskip(package)
    export(server, SMALL.id, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("name", "options", "is_ome"),
    [
        ("a.zarr", (), False),
        ("a", (), False),
        ("nrrd", (), False),
        ("a.nrrd.zarr", (), False),
        ("a.ome.zarr", (), True),
        ("a.ome.zarr/", (), True),
        ("a.ome.zarr", ("--format", "zarr"), False),
        ("a.zarr", ("--format", "ome-zarr"), True),
    ],
)
def test_the_address_says_which_store(server, tmp_path, name, options, is_ome):
    export(server, SMALL.id, f"{tmp_path}/{name}", *options)
    assert ("ome" in zarr.open_group(tmp_path / name, mode="r").attrs) == is_ome


@pytest.mark.parametrize("name", ["a.nrrd", "a.nrrd/", "a.nii", "a.nii.gz", "A.Tif", "a.tiff"])
@pytest.mark.parametrize("format", ["zarr", "ome-zarr"])
def test_no_folder_is_named_as_a_volume(server, tmp_path, name, format):
    said = export(server, SMALL.id, f"{tmp_path}/{name}", "--format", format, code=2).stderr
    assert f"--format {format} writes a folder" in said
    assert tree(tmp_path) == {}
    assert not server.log


def test_ome_zarr_of_the_older_version(server, tmp_path):
    options = ("--format", "ome-zarr", "--ome-version", "0.4", "--compressor", "lz4")
    export(server, SMALL.id, tmp_path / "a.zarr", *options)
    assert zarr.open_group(tmp_path / "a.zarr", mode="r").metadata.zarr_format == 2
    assert facts("verify", tmp_path / "a.zarr")["problems"] == []
    codec = zarr.open_array(tmp_path / "a.zarr" / "0", mode="r").compressors[0]
    assert (codec.cname, codec.clevel, codec.shuffle) == ("lz4", 1, numcodecs.Blosc.BITSHUFFLE)


def test_lz4_of_floats_is_that_of_the_default(server, tmp_path):
    all_ = ("--variables", "image,coverage", "--variables", "displacement")
    export(server, SMALL.id, tmp_path / "a.zarr", "--compressor", "lz4", *all_)
    export(server, SMALL.id, tmp_path / "b.zarr", *all_)
    one, other = (tree(tmp_path / name / "displacement") for name in ("a.zarr", "b.zarr"))
    assert len(one) > 3
    assert [*one.values()] == [*other.values()]
    image = zarr.open_array(tmp_path / "a.zarr" / "image", mode="r")
    assert image.compressors[0].typesize == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("zstd:23", "from -131072 to 22"),
        ("zstd:999", "from -131072 to 22"),
        ("zstd:-131073", "from -131072 to 22"),
        ("lz4:10", "from 0 to 9"),
        ("lz4:-1", "from 0 to 9"),
        ("zstd:--5", "none of auto"),
        ("zstd:" + "9" * 5000, "none of auto"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--format", "ome-zarr", "--ome-version", "0.4")])
def test_levels_that_compressors_do_not_have(server, tmp_path, options, value, said):
    flags = (*options, "--compressor", value)
    assert said in export(server, SMALL.id, tmp_path / "a.zarr", *flags, code=2).stderr
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("value", ["zstd:-131072", "zstd:22", "zstd:0", "lz4:0", "lz4:9"])
def test_levels_that_compressors_have(server, tmp_path, value):
    export(server, SMALL.id, tmp_path / "a.zarr", "--compressor", value)
    assert xr.open_zarr(tmp_path / "a.zarr").image.values.any()


@pytest.mark.parametrize(
    "options",
    [
        ("--format", "nrrd", "--inner-chunks", "y=10"),
        ("--format", "zarr", "--header", "allen"),
        ("--format", "tiff", "--storage-option", "key=x"),
        ("--compressor", "gzip:1"),
        ("--compressor", "zstd:x"),
        ("--inner-chunks", "y"),
        ("--inner-chunks", "y=0"),
        ("--workers", "0"),
        ("--workers", "2", "--scheduler", "tcp://127.0.0.1:1"),
    ],
)
def test_what_cannot_work_is_refused(server, tmp_path, options):
    export(server, SMALL.id, tmp_path / "a.nrrd", *options, code=2)
    assert not (tmp_path / "a.nrrd").exists()


def test_shards_and_compressors(server, tmp_path):
    options = ("--inner-chunks", "y=40,x=57", "--compressor", "zstd:3", "--chunks", "y=80,x=114")
    export(server, SMALL.id, tmp_path / "a.zarr", *options)
    image = zarr.open_array(tmp_path / "a.zarr" / "image", mode="r")
    assert (image.shards, image.chunks) == ((1, 80, 114, 3), (1, 40, 57, 3))
    assert facts("verify", tmp_path / "a.zarr")["problems"] == []


@pytest.mark.parametrize("command", ["status", "verify"])
def test_what_is_no_export(tmp_path, command):
    for name in ("nothing", "papers"):
        (tmp_path / "papers").mkdir(exist_ok=True)
        assert "no export" in run(command, tmp_path / name, code=1).stderr
