"""Many genes exported on two workers while a third of the requests fail: complete, and resumed.

As a program it does so with 10 and with 50 genes, and prints what memory they took::

    python tests/export/test_many_genes.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import xarray as xr

import atldld_xr
from atldld_xr.export.many import path_of
from atldld_xr.testing import AllenServer, Faults, gene_phantoms
from atldld_xr.testing.faults import KINDS

# The command, in a process of its own, which then tells its peak memory and its largest worker's.
# The system's own figure of a process begins with what its parent had, hence the status file.
PROGRAM = """
import re, resource, sys
from atldld_xr.cli import cli
try:
    cli.main(sys.argv[1:], prog_name="atldld-xr")
finally:
    peak = re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(int(peak) / 1e3, worker / 1e3, file=sys.stderr)
"""
STORM = Faults(rate=1 / 3, kinds=KINDS, delay=0.1)


def export(server, folder, resolution):
    """Export all genes; return the report, and the peak memory of client and worker in MB."""
    report = folder / "report.json"
    line = ["export", "--gene", "Gene*", str(folder / "{gene}-{id}.zarr"), "--workers", "2"]
    line += ["--source", server.url, "--resolution", str(resolution), "--expression", "intensity"]
    environment = {
        "ATLDLD_XR_CACHE__ENABLED": "False",  # what is not asked for again is in the stores
        "ATLDLD_XR_HTTP__BACKOFF": "0.01",
        "ATLDLD_XR_HTTP__LONGEST_WAIT": "0.5",
        "ATLDLD_XR_HTTP__RETRIES": "12",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *line, "--report", str(report)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr
    *_, client, worker = done.stderr.split()
    return json.loads(report.read_text()), float(client), float(worker)


def storm(count, folder, *, sections, resolution, source_resolution):
    """Export genes amid faults, then again; return seconds and peak memory of the first time."""
    phantoms = gene_phantoms(count, count=sections, resolution=source_resolution)
    with AllenServer(phantoms, faults=STORM) as server:
        start = time.perf_counter()
        report, client, worker = export(server, folder, resolution)
        seconds = time.perf_counter() - start
        assert report["counts"] == {"done": count}
        failed = sum(request.fault is not None for request in server.log)
        asked = server.image_requests
        assert failed > asked / 5
        server.clear_log()
        again, *_ = export(server, folder, resolution)
        assert server.image_requests == 0
        assert again["counts"] == {"done": count}
        assert all(entry["blocks"] == 0 for entry in again["datasets"])
        server.faults = Faults()
        for phantom in (phantoms[0], phantoms[-1]):
            store = folder / f"{phantom.gene}-{phantom.id}.zarr"
            expected = atldld_xr.open_dataset(
                phantom.id, source=server.url, resolution=resolution, expression="intensity"
            )
            names = ["image", "expression", "coverage", "expression_coverage"]
            xr.testing.assert_equal(xr.open_zarr(store)[names], expected[names])
    return seconds, asked, failed, client, worker


@pytest.mark.parametrize("acronym", ["..", ".", "../../x", "a/../..", "{id}", "x" * 5000, "", "é"])
def test_no_acronym_leads_out_of_the_folder(tmp_path, acronym):
    """Records are the service's, or a mirror's: what is in them is not trusted."""
    path = path_of(f"{tmp_path}/{{gene}}/{{id}}.zarr", 7, [acronym])
    folder = Path(path).parent
    assert path == os.path.normpath(path)
    assert folder.parent == tmp_path
    folder.mkdir()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells no peak memory here")
def test_genes_in_a_storm(tmp_path):
    pytest.importorskip("distributed")
    storm(6, tmp_path, sections=3, resolution=200, source_resolution=40.0)


if __name__ == "__main__":
    for number in (10, 50):
        without = atldld_xr.config.set({"cache.enabled": False})
        with tempfile.TemporaryDirectory() as made, without:
            found = storm(number, Path(made), sections=8, resolution=25, source_resolution=16.0)
        took = "{:.0f} s, {} image requests, {} failed, client {:.0f} MB, largest worker {:.0f} MB"
        print(f"{number} genes: {took.format(*found)}", flush=True)
