"""What all tests share: nothing kept from the user's cache or settings, and none of it touched."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import atldld_xr

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _own_settings(tmp_path):
    """Give each test a cache of its own, and retries that do not wait."""
    settings = {
        "cache.directory": str(tmp_path / "cache"),
        "http.backoff": 0.01,
        "http.longest_wait": 0.5,
    }
    with atldld_xr.config.set(settings):
        yield


@pytest.fixture
def cluster():
    """Connect a client to a Dask cluster of two worker processes on this machine."""
    distributed = pytest.importorskip("distributed")
    # Fresh processes have their own settings: no cache of this test's, and none of the user's.
    environment = {"ATLDLD_XR_CACHE__ENABLED": "False"}
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", env=environment
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
