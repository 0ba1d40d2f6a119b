"""``summary`` of many data sets: one table, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import xarray as xr

from collection import IDS, SIX, files


def command(server, atlas, tmp_path, *args):
    where = ["--source", server.url, "--annotation", atlas, "--resolution", "100"]
    line = [sys.executable, "-m", "atldld_xr", "summary", *where, *map(str, args)]
    environment = {**os.environ, "ATLDLD_XR_CACHE__DIRECTORY": str(tmp_path / "cache")}
    environment["ATLDLD_XR_HTTP__CONNECTIONS"] = "1"
    return subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def told(process, code=0):
    return both(process, code)[0]


def both(process, code=0):
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err.decode()
    return out.decode(), err.decode()


def test_what_it_takes_is_told_first_and_of_a_dry_run_alone(server, atlas, tmp_path):
    line = ["--gene", "Gene*", "-o", tmp_path / "a.zarr"]
    out, err = both(command(server, atlas, tmp_path, *line, "--dry-run"))
    assert (out, server.image_requests) == ("", 0)
    assert not (tmp_path / "a.zarr").exists()
    assert err.startswith("6 data sets: 12 sections, 24 image requests, about ")
    assert len(err.splitlines()) == 2
    out, said = both(command(server, atlas, tmp_path, *line))
    assert said == err
    assert server.image_requests == 24
    told = json.loads(both(command(server, atlas, tmp_path, *line, "--dry-run", "--json"))[0])
    assert (told["cost"]["datasets"], told["skipped"]) == (0, 6)


def test_genes_become_a_table(server, atlas, tmp_path):
    path = tmp_path / "a.zarr"
    out = told(command(server, atlas, tmp_path, "--gene", "Gene*", "-o", path))
    assert out == f"{path}: 6 data sets counted\n"
    table = xr.open_zarr(path)
    assert table.gene.values.tolist() == [phantom.gene for phantom in SIX]
    server.clear_log()
    out, err = both(command(server, atlas, tmp_path, "--gene", "Gene*", "-o", path, "--json"))
    assert (json.loads(out)["skipped"], err) == (6, "")
    assert server.image_requests == 0


def test_a_file_of_ids_becomes_parquet_and_one_that_is_none_a_row(server, atlas, tmp_path):
    ids = tmp_path / "ids.txt"
    ids.write_text(f"{IDS[0]}\n77\n")
    path = tmp_path / "a.parquet"
    out = told(command(server, atlas, tmp_path, "--from", ids, "-o", path), code=4)
    assert "77: " in out
    assert "--retry-failed counts these again" in out
    frame = pd.read_parquet(path)
    assert set(frame[frame.error != ""].dataset) == {77}


def test_one_that_is_killed_goes_on_with_what_is_missing(server, atlas, tmp_path):
    told(command(server, atlas, tmp_path, *IDS, "-o", tmp_path / "whole.zarr"))
    path = tmp_path / "a.zarr"
    process = command(server, atlas, tmp_path, *IDS, "-o", path)
    pages = path / "atldld_xr_export" / "pages"
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        if (path / "reason" / "c" / "1").exists() or list(pages.glob("*")):
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    told(command(server, atlas, tmp_path, *IDS, "-o", path))
    assert files(path) == files(tmp_path / "whole.zarr")


def test_what_is_missing_is_said(server, atlas, tmp_path):
    process = command(server, atlas, tmp_path, *IDS[:2])
    assert b"-o table.zarr" in process.communicate(timeout=60)[1]
    process = command(server, atlas, tmp_path, *IDS[:2], "-o", tmp_path / "a.csv")
    assert b"CSV is of one data set" in process.communicate(timeout=60)[1]
    assert not (tmp_path / "a.csv").exists()
    process = command(server, atlas, tmp_path, *IDS[:2], "-o", tmp_path / "a.zarr", "--by=section")
    assert b"--by section is of one data set" in process.communicate(timeout=60)[1]
