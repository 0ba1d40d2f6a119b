"""The command line: what it prints, and what it writes."""

from __future__ import annotations

import inspect
import json
import re

import cv2
import numpy as np
import pytest
import simplejpeg
import xarray as xr

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.poses import allen_pose
from atldld_xr.cli import cli
from atldld_xr.cli.options import EXPRESSIONS
from atldld_xr.messages.text import format_bytes
from atldld_xr.plan.load_plan import INTERPOLATIONS
from atldld_xr.testing import CORONAL_ID, SAGITTAL_ID, AllenServer, Faults
from atldld_xr.utils import get_image
from commandline import COARSE, IMAGE, IMAGES, SMALL, facts, run, tree
from quicknii import as_json, moved, series_of


@pytest.fixture(scope="module")
def shared():
    with AllenServer(phantoms=[SMALL]) as server:
        yield server


# What is told


def test_help_documents_the_exit_codes():
    text = run("--help").stdout
    for code in (0, 1, 2, 3, 4, 130):
        assert re.search(rf"^ +{code} +\S", text, re.MULTILINE)
    for command in cli.commands:
        assert command in text


def test_every_option_of_open_dataset_is_one_of_info_and_export():
    arguments = set(inspect.signature(atldld_xr.open_dataset).parameters)
    for name in ("info", "export"):
        parameters = {p.name for p in cli.commands[name].params}
        assert arguments <= parameters
        written = {flag for p in cli.commands[name].params for flag in p.opts}
        assert {f"--{a.replace('_', '-')}" for a in arguments - {"dataset"}} <= written


def test_choices_are_those_of_the_library():
    (option,) = [p for p in cli.commands["export"].params if p.name == "interpolation"]
    assert set(option.type.choices) == set(INTERPOLATIONS)
    assert EXPRESSIONS == ("true", "intensity")


def test_defaults_are_those_of_the_library():
    for name, parameter in inspect.signature(atldld_xr.open_dataset).parameters.items():
        if name == "dataset":
            continue
        context = cli.commands["info"].make_context("info", ["phantom"])
        assert context.params[name] == parameter.default, name


def test_version():
    assert run("--version").stdout == f"atldld-xr {atldld_xr.__version__}\n"


def test_info_in_rows():
    text = run("info", "phantom-sagittal").stdout
    rows = dict(re.findall(r"^(\S.*?)  +(\S.*)$", text, re.MULTILINE))
    assert rows["section data set"] == str(SAGITTAL_ID)
    assert rows["genes"] == "Phans"
    assert rows["plane of section"] == "sagittal"
    assert rows["reference space"] == "10 (P56 Brain, L/R Flipped)"
    assert rows["sides"] == "left: the brain's left is at low r, and its right at high r"
    assert rows["sections"].startswith("7,")
    assert rows["native resolution"] == "4 um"
    assert rows["excluded sections"] == "1: 1 failed"
    assert "Allen marked it as failed" in text
    assert rows["requests"] == "7 for images"
    assert "estimate" in rows["download"]
    # The values are in one column, and no line ends in blanks.
    assert len({re.match(r"\S*( \S+)*  +|", line).end() for line in text.splitlines() if line}) == 1
    assert all(line == line.rstrip() for line in text.splitlines())
    assert "\x1b" not in text


def test_info_as_json(server):
    told = facts("info", SMALL.id, "--source", server.url, "--expression", *COARSE)
    opened = atldld_xr.open_dataset(SMALL.id, source=server.url, resolution=100)
    assert told["section_data_set_id"] == SMALL.id
    assert told["coordinates"] == opened.coronal.values.tolist()
    assert told["spacing"] == np.median(np.diff(opened.coronal))
    assert told["excluded_sections"] == json.loads(opened.attrs["excluded_section_records"])
    assert sorted(told["widths"]) == sorted(i.width for i in IMAGES)
    assert told["options"]["expression"] is True
    assert told["options"]["resolution"] == 100
    assert told["costs"]["tiers"] == {"image": {"2": 3}, "expression": {"2": 3}}
    assert server.image_requests == 0
    assert server.metadata_requests == 1


@pytest.mark.parametrize("name", ["phantom", CORONAL_ID, f"allen:{CORONAL_ID}"])
def test_names_of_data_sets(name):
    told = facts("info", name, "--source", "phantom")
    assert told["section_data_set_id"] == CORONAL_ID


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["phantom"], False),
        (["--expression", "phantom"], True),
        (["phantom", "--expression"], True),
        (["phantom", "--expression=intensity"], "intensity"),
        (["--expression", "intensity", "phantom"], "intensity"),
        (["--expression", "true", "--", "phantom"], True),
    ],
)
def test_the_expression_option_takes_a_value_or_none(args, expected):
    told = json.loads(run("info", *COARSE, "--json", *args).stdout)
    assert told["options"]["expression"] == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("auto", "auto"), ("-1", -1), ("y=40,x=-1", {"y": 40, "x": -1})]
)
def test_chunks(text, expected):
    assert facts("info", "phantom", *COARSE, "--chunks", text)["options"]["chunks"] == expected


def test_sizes_in_words():
    sizes = {0: "0 bytes", 999: "999 bytes", 1000: "1 kB", 999_999: "1 MB", 152e9: "152 GB"}
    assert {n: format_bytes(n) for n in sizes} == sizes
    assert format_bytes(12_345_000_000_000_000) == "12,345 TB"


# What is written


def test_export_is_what_the_library_writes(server, tmp_path):
    options = ["--source", server.url, *COARSE, "--expression=intensity", "--chunks", "40"]
    costs = facts("info", SMALL.id, *options)["costs"]
    server.clear_log()
    report = facts("export", SMALL.id, tmp_path / "a.zarr", *options)
    assert server.image_requests == costs["requests"] == 6
    assert report["blocks"] == costs["chunks"]
    assert report["nbytes"] == costs["output_bytes"]
    assert report["failures"] == []
    expected = atldld_xr.open_dataset(
        SMALL.id, source=server.url, resolution=100, expression="intensity", chunks=40
    )
    written = xr.open_zarr(tmp_path / "a.zarr")
    # Six numbers a section say what the displacement says: it is written if it is asked for.
    expected = expected.drop_vars("displacement")
    xr.testing.assert_equal(written.compute(), expected.compute())
    assert written.image.encoding["compressors"]


def test_export_takes_all_options(server, tmp_path):
    options = {
        "resolution": 200,
        "tier": 1,
        "anchor": "edge",
        "interpolation": "cubic",
        "fill_value": 7,
        "reference_space": 10,
        "plane": "oblique",
    }
    flags = [f for k, v in options.items() for f in (f"--{k.replace('_', '-')}", v)]
    flags += ["--detection-xy", "-3", "4.5", "--source", server.url, "--compressor", "none"]
    data = parse_dataset(SMALL.record)
    poses = {i.id: moved(allen_pose(data, i), shift=(150, 30, 90)) for i in data.images}
    options["registration"] = tmp_path / "anchors.json"
    options["registration"].write_bytes(as_json(series_of(data, poses)))
    flags += ["--registration", options["registration"]]
    text = run("export", SMALL.id, tmp_path / "deeper" / "a.zarr", *flags).stdout
    assert "6 chunks" in text  # of three sections' image and coverage
    expected = atldld_xr.open_dataset(
        SMALL.id, source=server.url, detection_xy=(-3, 4.5), **options
    )
    written = xr.open_zarr(tmp_path / "deeper" / "a.zarr")
    expected = expected.drop_vars("displacement")
    xr.testing.assert_equal(written.compute(), expected.compute())
    assert not written.image.encoding["compressors"]


def test_export_with_storage_options(server, bucket):
    place, options = bucket
    flags = ["--source", server.url, *COARSE]
    for key, value in options.items():
        flags += ["--storage-option", f"{key}={value}"]
    result = run("export", SMALL.id, f"{place}/a.zarr", *flags, code=0)
    assert options["secret"] not in result.output
    assert xr.open_zarr(f"{place}/a.zarr", storage_options=options).attrs["resolution"]


def test_an_existing_store_is_left_alone_unless_replaced(server, tmp_path):
    out, options = tmp_path / "a.zarr", ["--source", server.url]
    run("export", SMALL.id, out, *options, *COARSE)
    before = tree(tmp_path)
    result = run("export", SMALL.id, out, *options, "--resolution", "200", code=1)
    assert "--mode w" in result.stderr
    # Nor is it replaced by what fails before it is written.
    run("export", 12, out, *options, "--mode", "w", code=3)
    run("export", SMALL.id, out, *options, "--mode", "w", "--tier", "99", code=2)
    assert tree(tmp_path) == before
    run("export", SMALL.id, out, *options, "--resolution", "200", "--mode", "w")
    assert xr.open_zarr(out).attrs["resolution"] == 200


def test_sections_that_cannot_be_read(server, tmp_path):
    server.faults = Faults(missing={IMAGE.id})
    options = [SMALL.id, "--source", server.url, *COARSE]
    result = run("export", *options, tmp_path / "a.zarr", code=1)
    assert str(IMAGE.id) in result.stderr
    assert "404" in result.stderr
    assert "--on-error fill goes on" in result.stderr
    report = facts("export", *options, tmp_path / "b.zarr", "--on-error", "fill", code=4)
    assert [f["section_image_id"] for f in report["failures"]] == [IMAGE.id]
    text = run("export", *options, tmp_path / "c.zarr", "--on-error", "fill", code=4).stdout
    assert f"section image {IMAGE.id} could not be read: " in text
    assert xr.open_zarr(tmp_path / "b.zarr").status.values.sum() == 1


@pytest.mark.parametrize("suffix", ["png", "tif", "PNG"])
@pytest.mark.parametrize("expression", [None, "true", "intensity"])
def test_image_without_loss(server, tmp_path, suffix, expression):
    out = tmp_path / f"image.{suffix}"
    flags = [] if expression is None else [f"--expression={expression}"]
    text = run("image", IMAGE.id, out, "--tier", "1", *flags, "--source", server.url).stdout
    saved = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    opened = atldld_xr.open_image(
        IMAGE.id,
        tier=1,
        source=server.url,
        expression={None: False, "true": True}.get(expression, expression),
    )
    expected = opened.image.values if expression is None else opened.expression.values
    assert saved.ndim == (2 if expression == "intensity" else 3)
    np.testing.assert_array_equal(saved[..., ::-1] if saved.ndim == 3 else saved, expected)
    assert f"{IMAGE.width >> 1} x {IMAGE.height >> 1} px" in text


@pytest.mark.parametrize("grey", [False, True])
def test_image_as_jpeg(server, tmp_path, grey):
    out = tmp_path / "image.jpg"
    flags = ["--expression", "intensity"] if grey else []
    run("image", IMAGE.id, out, *flags, "--source", server.url)
    saved = simplejpeg.decode_jpeg(out.read_bytes(), colorspace="GRAY" if grey else "RGB")
    opened = atldld_xr.open_image(IMAGE.id, source=server.url, expression="intensity")
    expected = opened.expression.values[..., None] if grey else opened.image.values
    assert saved.shape == expected.shape
    assert np.abs(saved.astype(int) - expected).mean() < 2


def test_image_is_that_of_the_library(server, tmp_path):
    run("image", IMAGE.id, tmp_path / "a.png", "--tier", "2", "--source", server.url)
    assert server.image_requests == 1
    expected = get_image(IMAGE.id, downsample=2, source=server.url)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png"))[..., ::-1], expected)


@pytest.mark.parametrize(
    ("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_preview(server, tmp_path, suffix, start):
    run("preview", SMALL.id, tmp_path / f"a.{suffix}", "--source", server.url)
    assert (tmp_path / f"a.{suffix}").read_bytes().startswith(start)
    assert server.image_requests == 0


def test_a_mirror_stands_in_for_the_service(server, tmp_path):
    path = tmp_path / "mirror"
    options = ["--source", server.url, *COARSE, "--views", "image,intensity"]
    summary = facts("mirror", SMALL.id, path, *options)
    assert summary["failures"] == []
    assert server.image_requests == 6
    again = facts("mirror", SMALL.id, path, *options)
    assert again["skipped"] == 6
    assert server.image_requests == 6
    flags = [*COARSE, "--expression", "intensity"]
    run("export", SMALL.id, tmp_path / "a.zarr", *flags, "--source", path)
    run("export", SMALL.id, tmp_path / "b.zarr", *flags, "--source", server.url)
    mine, theirs = (xr.open_zarr(tmp_path / f"{n}.zarr").compute() for n in "ab")
    xr.testing.assert_equal(mine, theirs)


def test_mirrored_tiers(server, tmp_path):
    run("mirror", SMALL.id, tmp_path / "m", "--source", server.url, "--tiers", "2,1")
    names = {p.name for p in (tmp_path / "m").glob("*.jpg")}
    assert names == {
        f"section_image_{i.id}_downsample_{tier}.jpg" for i in IMAGES for tier in (1, 2)
    }


def test_a_mirror_with_gaps(server, tmp_path):
    server.faults = Faults(missing={IMAGE.id})
    options = [SMALL.id, tmp_path / "m", "--source", server.url, *COARSE]
    said = run("mirror", *options, code=1).stderr
    assert str(IMAGE.id) in said
    assert "--on-error skip goes on" in said
    summary = facts("mirror", *options, "--on-error", "skip", code=4)
    assert [f["section_image_id"] for f in summary["failures"]] == [IMAGE.id]
    text = run("mirror", *options, "--on-error", "skip", code=4).stdout
    assert "could not be had" in text
    server.faults = Faults()
    assert facts("mirror", *options)["failures"] == []


def test_the_cache(server, tmp_path):
    assert facts("cache", "info")["files"] == 0
    run("export", SMALL.id, tmp_path / "a.zarr", "--source", server.url, *COARSE)
    told = facts("cache", "info")
    assert told["directory"] == str(tmp_path / "cache")
    assert told["files"] == 4
    entries = facts("cache", "list")
    assert sum(e["bytes"] for e in entries) == told["bytes"]
    assert [e["used"] for e in entries] == sorted(e["used"] for e in entries)
    lines = run("cache", "list").stdout.splitlines()
    assert [line.split()[-1] for line in lines] == [e["key"] for e in entries]
    limit = told["bytes"] - entries[0]["bytes"]
    assert facts("cache", "trim", "--limit", limit)["removed_files"] == 1
    assert run("cache", "clear").stdout.startswith("3 files removed, ")
    assert facts("cache", "list") == []
    assert "files      0" in run("cache", "info").stdout
