"""Exports in storms: requests that fail in every way, workers that die, a bucket that is gone."""

from __future__ import annotations

import os
import signal
import threading
import uuid
from contextlib import contextmanager

import pytest

import atldld_xr
from atldld_xr.errors import StoreError
from atldld_xr.testing import Faults
from atldld_xr.testing.faults import KINDS
from kills import SLOW, export, opened, tree

pytestmark = pytest.mark.usefixtures("no_cache")


@contextmanager
def losing_workers(cluster):
    """Kill a worker of a cluster now and then."""
    ended = threading.Event()
    lost = []

    def lose():
        while not ended.wait(1.5):
            pids = [w.process.pid for w in cluster.cluster.workers.values() if w.process]
            if pids and pids[0]:
                lost.append(pids[0])
                os.kill(pids[0], signal.SIGKILL)

    thread = threading.Thread(target=lose)
    thread.start()
    try:
        yield lost
    finally:
        ended.set()
        thread.join()


STORM = Faults(rate=1 / 3, kinds=KINDS, delay=1.0)


def test_a_storm_on_threads(server, tmp_path, whole):
    expected = whole()
    server.faults = STORM
    store = tmp_path / "b" / "a.zarr"
    assert export(server.url, store) > 0
    assert tree(store.parent) == expected


def test_a_storm_that_takes_workers_along(server, cluster, tmp_path, whole):
    expected = whole()
    server.faults = STORM
    store = tmp_path / "b" / "a.zarr"
    with losing_workers(cluster) as lost:
        assert export(server.url, store, scheduler=cluster.scheduler.address) > 0
    assert lost
    assert tree(store.parent) == expected


def test_a_bucket_that_is_gone_for_a_while(server, monkeypatch):
    s3fs = pytest.importorskip("s3fs")
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    moto = pytest.importorskip("moto.server")
    import fsspec

    bucket = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    bucket.start()
    host, port = bucket.get_host_and_port()
    options = {"key": "test", "secret": "secret", "endpoint_url": f"http://{host}:{port}"}
    options["config_kwargs"] = {"retries": {"max_attempts": 0}}
    disk = fsspec.filesystem("s3", **options)
    name = f"gone-{uuid.uuid4()}"
    disk.mkdir(name)

    def content(store):
        disk.invalidate_cache()
        return {
            path.removeprefix(f"{name}/{store}"): disk.cat_file(path)
            for path in disk.find(f"{name}/{store}")
        }

    ds = opened(server.url, resolution=100)
    ds.atldld.to_zarr(f"s3://{name}/whole/a.zarr", storage_options=options)
    server.faults = SLOW
    stopped = threading.Event()

    def stop():
        while len(disk.find(f"{name}/b")) < 40:
            disk.invalidate_cache()
        bucket.stop()
        stopped.set()

    thread = threading.Thread(target=stop)
    thread.start()
    with (
        atldld_xr.config.set({"http.connections": 1}),
        pytest.raises(StoreError, match=f"s3://{name}/b/a.zarr cannot be"),
    ):
        ds.atldld.to_zarr(f"s3://{name}/b/a.zarr", storage_options=options)
    thread.join()
    assert stopped.is_set()
    with pytest.raises(StoreError, match=f"s3://{name}/b/a.zarr cannot be"):
        ds.atldld.to_zarr(f"s3://{name}/b/a.zarr", storage_options=options)
    again = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    again.start()
    try:
        server.faults = Faults()
        ds.atldld.to_zarr(f"s3://{name}/b/a.zarr", storage_options=options)
        assert content("b") == content("whole")
    finally:
        again.stop()
