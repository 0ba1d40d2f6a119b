"""Commands on clusters: those that have no worker yet."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import xarray as xr

distributed = pytest.importorskip("distributed")


@pytest.mark.parametrize("names", [["phantom"], ["phantom", "phantom-sagittal"]])
def test_a_scheduler_without_workers_is_waited_for_and_told_of(tmp_path, names):
    environment = os.environ | {"ATLDLD_XR_CACHE__ENABLED": "False"}
    line = ["export", *names, str(tmp_path / "{id}.zarr"), "--resolution", "400"]
    with distributed.LocalCluster(
        n_workers=0, threads_per_worker=1, dashboard_address=":0", env=environment
    ) as cluster:
        line += ["--scheduler", cluster.scheduler_address]
        process = subprocess.Popen(
            [sys.executable, "-m", "atldld_xr", *line],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        end = threading.Timer(120, process.kill)  # what waits in silence would do so for ever
        end.start()
        try:
            said = process.stderr.readline()
            assert said.startswith(f"the scheduler at {cluster.scheduler_address} has no workers")
            cluster.scale(1)
            _, more = process.communicate()
        finally:
            end.cancel()
            process.kill()
            process.communicate()
    assert (process.returncode, more) == (0, "")
    stores = list(tmp_path.glob("*.zarr"))
    assert len(stores) == len(names)
    assert all(xr.open_zarr(s).attrs["atldld_xr_export"] == "complete" for s in stores)
