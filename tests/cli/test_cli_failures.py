"""The command line when something fails: one line, an exit code, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import xarray as xr
from click.testing import CliRunner

import atldld_xr
from atldld_xr.cli import cli
from atldld_xr.testing import AllenServer, Faults
from commandline import COARSE, IMAGE, SMALL, run, tree


@pytest.fixture(scope="module")
def shared():
    with AllenServer(phantoms=[SMALL]) as server:
        yield server


BAD_OPTIONS = [
    (["--resolution", "0"], "resolution=0"),
    (["--resolution", "-1"], "resolution=-1"),
    (["--resolution", "nan"], "resolution=nan"),
    (["--resolution", "x"], "--resolution"),
    (["--tier", "99"], "tier=99 is out of range"),
    (["--tier", "-1"], "tier=-1"),
    (["--tier", "1.5"], "--tier"),
    (["--chunks", "0"], "chunks"),
    (["--chunks", "z=3"], "'z'"),
    (["--fill-value", "256"], "fill_value"),
    (["--reference-space", "3"], "reference space 3"),
    (["--detection-xy", "nan", "1"], "detection_xy"),
    (["--interpolation", "best"], "--interpolation"),
    (["--expression=yes"], "--expression"),
    (["--on-error", "ignore"], "--on-error"),
    (["--no-such-option"], "--no-such-option"),
    (["--source", "http://"], "is no source"),
    (["--source", "http:///api/v2"], "names no host"),
    (["--source", "http://[::1/api/v2"], "malformed"),
    (["--source", "http://127.0.0.1:99999/api/v2"], "malformed"),
    (["--source", "ftps:/nowhere"], "is no source"),
    (["--source", "http://user:pass@127.0.0.1/api/v2"], "password"),
]


@pytest.mark.parametrize(("flags", "said"), BAD_OPTIONS, ids=lambda v: "_".join(v) if v else "")
def test_options_that_cannot_work(server, tmp_path, flags, said):
    source = [] if "--source" in flags else ["--source", server.url]
    for command in (["info", SMALL.id], ["export", SMALL.id, tmp_path / "a.zarr"]):
        result = run(*command, *source, *flags, code=2)
        assert said in result.stderr
        assert "pass@" not in result.stderr
    assert tree(tmp_path) == {}
    assert server.image_requests == 0


@pytest.mark.parametrize("flags", [["--resolution", "0"], ["--fill-value", "-1"]])
def test_what_needs_no_metadata_is_checked_before_any_request(server, flags):
    run("info", SMALL.id, "--source", server.url, *flags, code=2)
    assert server.log == []


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["info", "../../etc"], 2, "names no section data set"),
        (["info", "12"], 3, "there is no section data set 12"),
        (["info", "99999999999999999999"], 2, "names no section data set"),
        (["export", "../../etc", "OUT/a.zarr"], 2, "names no section data set"),
        (["export", "12", "OUT/a.zarr"], 3, "there is no section data set 12"),
        (["export", SMALL.id, "OUT/a.zarr", "--storage-option", "novalue"], 2, "KEY=VALUE"),
        (["export", SMALL.id, "OUT/a.zarr", "--mode", "a"], 2, "--mode"),
        (["export", SMALL.id, ""], 2, "is no path or URL"),
        (["export", SMALL.id, "nosuch://bucket/a.zarr"], 2, "nosuch"),
        (["image", "../../etc", "OUT/a.png"], 2, "the id of a section image"),
        (["image", "12", "OUT/a.png"], 3, "there is no section image 12"),
        (["image", "0", "OUT/a.png"], 2, "positive whole number"),
        (["image", IMAGE.id, "OUT/a.bmp"], 2, ".png"),
        (["image", IMAGE.id, "OUT/a"], 2, ".png"),
        (["image", IMAGE.id, "OUT/a.png", "--tier", "99"], 2, "tier=99"),
        (["preview", SMALL.id, "OUT/a.txt"], 2, ".svg"),
        (["preview", "12", "OUT/a.png"], 3, "there is no section data set 12"),
        (["mirror", "12", "OUT/m"], 3, "there is no section data set 12"),
        (["mirror", "../../etc", "OUT/m"], 2, "names no section data set"),
        (["mirror", SMALL.id, "OUT/m", "--tiers", "9"], 2, "tiers"),
        (["mirror", SMALL.id, "OUT/m", "--tiers", "a"], 2, "--tiers"),
        (["mirror", SMALL.id, "OUT/m", "--views", "all"], 2, "--views"),
        (["export", SMALL.id], 2, "Missing argument 'URL', where to write"),
        (["export", "allen:12", "--format", "zarr"], 2, "Missing argument 'URL', where to write"),
        (["export", "OUT/a.zarr"], 2, "Missing argument 'DATASET...'"),
        (["export"], 2, "Missing argument"),
        (["mirror", SMALL.id], 2, "Missing argument 'PATH', where to write"),
        (["mirror", "OUT/m"], 2, "Missing argument 'DATASET...'"),
        (["nosuch"], 2, "nosuch"),
    ],
    ids=lambda v: "_".join(map(str, v)).replace("/", "-") if isinstance(v, list) else None,
)
def test_arguments_that_cannot_work(server, tmp_path, args, code, said):
    args = [str(a).replace("OUT", str(tmp_path)) for a in args]
    source = ["--source", server.url] if len(args) > 1 else []
    assert said in run(*args, *source, code=code).stderr
    assert tree(tmp_path) == {}
    assert server.image_requests == 0


@pytest.mark.parametrize(
    "args",
    [
        ["export", SMALL.id, "FILE"],
        ["export", SMALL.id, "FILE/a.zarr"],
        ["image", IMAGE.id, "FILE/a.png"],
        ["preview", SMALL.id, "FILE/a.png"],
        ["mirror", SMALL.id, "FILE"],
        ["mirror", SMALL.id, "FILE/m"],
    ],
    ids=lambda args: f"{args[0]} {args[-1]}",
)
def test_a_file_in_the_way(server, tmp_path, args):
    file = tmp_path / "file"
    file.write_text("mine")
    run(*(str(a).replace("FILE", str(file)) for a in args), "--source", server.url, code=1)
    assert tree(tmp_path) == {str(file): b"mine"}


def test_what_is_no_store_is_not_replaced(server, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("mine")
    before = tree(tmp_path)
    for mode in ("w-", "w"):
        out = tmp_path / "thesis"
        run("export", SMALL.id, out, "--source", server.url, "--mode", mode, code=1)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("command", ["info", "export", "image", "cache info", "cache clear"])
def test_a_cache_that_cannot_be_written(server, tmp_path, command):
    (tmp_path / "file").write_text("mine")
    before = tree(tmp_path)
    args = {
        "info": ["info", SMALL.id],
        "export": ["export", SMALL.id, tmp_path / "a.zarr"],
        "image": ["image", IMAGE.id, tmp_path / "a.png"],
    }.get(command, command.split())
    source = [] if "cache" in command else ["--source", server.url]
    with atldld_xr.config.set({"cache.directory": str(tmp_path / "file" / "below")}):
        result = run(*args, *source, code=1)
    assert "cache.directory" in result.stderr
    assert tree(tmp_path) == before


def test_no_cache_at_all():
    with atldld_xr.config.set({"cache.enabled": False}):
        assert "cache.enabled" in run("cache", "info", code=1).stderr


def test_a_service_that_is_not_there(tmp_path):
    with AllenServer() as gone:
        url = gone.url
    with atldld_xr.config.set({"http.retries": 1}):
        result = run("export", 12, tmp_path / "a.zarr", "--source", url, code=1)
    assert "refused" in result.stderr
    assert tree(tmp_path) == {}


def test_a_mirror_needs_one_source(tmp_path):
    result = run("mirror", "phantom", "12", tmp_path / "m", code=2)
    assert "a mirror each" in result.stderr


def test_debug_shows_where_it_failed(server):
    args = ["--debug", "info", "12", "--source", server.url]
    result = CliRunner().invoke(cli, args)
    assert result.exit_code == 3
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("atldld-xr: error: there is no")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device", "/disk/a"), 1, "/disk/a: No space left on device"),
        (RuntimeError("two\nlines"), 1, "RuntimeError: two lines (--debug shows where)"),
    ],
    ids=["interrupted", "system", "unforeseen"],
)
def test_whatever_happens_is_told_in_one_line(monkeypatch, error, code, said):
    def fail(*args, **options):
        raise error

    monkeypatch.setattr("atldld_xr.datasets.plan_dataset.resolve", fail)
    assert run("info", "phantom", code=code).stderr == f"atldld-xr: error: {said}\n"


# As a program of its own


def start(*args, cache, **extra):
    environment = os.environ | {
        "ATLDLD_XR_CACHE__DIRECTORY": str(cache),
        "ATLDLD_XR_HTTP__BACKOFF": "0.01",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "atldld_xr", *map(str, args)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **extra,
    )


def test_a_run_of_its_own(server, tmp_path):
    out = tmp_path / "a.zarr"
    flags = ["--source", server.url, *COARSE, "--json", "--progress"]
    with start("export", SMALL.id, out, *flags, cache=tmp_path / "c") as process:
        told, progress = process.communicate(timeout=60)
    assert process.returncode == 0
    report = json.loads(told)
    assert report["url"] == str(out)
    assert f"{report['blocks']}/{report['blocks']}" in progress
    assert xr.open_zarr(out).attrs["atldld_xr_export"] == "complete"


def test_an_error_of_its_own(tmp_path):
    with start("info", "../../etc", cache=tmp_path / "c") as process:
        told, said = process.communicate(timeout=60)
    assert (process.returncode, told) == (2, "")
    assert re.fullmatch("atldld-xr: error: .*\n", said)
    assert not (tmp_path / "c").exists()


def test_interrupted_it_ends_at_once(server, tmp_path):
    server.faults = Faults(rate=1, kinds=("slow",), delay=20)
    out = tmp_path / "a.zarr"
    flags = ["--source", server.url, *COARSE, "--no-progress"]
    with start("export", SMALL.id, out, *flags, cache=tmp_path / "c") as process:
        deadline = time.monotonic() + 30
        while not (out / "zarr.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        # Not waiting for the answers under way, which take longer than this.
        told, said = process.communicate(timeout=15)
    assert (process.returncode, told) == (130, "")
    assert said == "atldld-xr: error: interrupted; the same command goes on where it ended\n"
    assert xr.open_zarr(out, consolidated=False).attrs["atldld_xr_export"] == "incomplete"
