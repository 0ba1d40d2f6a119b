"""Clusters that are restarted, closed or gone as they export; clients that cannot be used."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial

import dask
import pytest

import atldld_xr
from atldld_xr.errors import InvalidArgumentError, StoreError
from atldld_xr.export import verify
from atldld_xr.export.many import export_many
from noise import DATASET_ID, NoiseSource

distributed = pytest.importorskip("distributed")


class Counting(NoiseSource):
    """Noise that takes its time, and in a folder a file for each tile that was read."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def read(self, image, tile, view):
        (self.folder / f"{time.time_ns()}").touch()
        time.sleep(0.02)
        return super().read(image, tile, view)


class Deadly(NoiseSource):
    """Noise that a process dies of."""

    def __init__(self, log):
        super().__init__()
        self.log = log

    def read(self, image, tile, view):
        with open(self.log, "a") as file:
            file.write("died\n")
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def threads():
    """Connect a client to a cluster in this process, which is made at once."""
    with (
        dask.config.set(scheduler=None),  # which a client whose cluster has ended leaves set
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def reading(tmp_path):
    """Return a lazy image, and what waits until some of it was read."""
    folder = tmp_path / "read"
    folder.mkdir()
    ds = atldld_xr.open_dataset(DATASET_ID, source=Counting(folder), resolution=20, chunks=40)

    def begun():
        deadline = time.monotonic() + 60
        while len(list(folder.iterdir())) < 4:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return ds[["image"]], begun


def disturbed(begun, disturb, call):
    """Return what a call raises that is disturbed once it has begun; None if nothing."""

    def run():
        begun()
        disturb()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        call()
    except Exception as error:
        return error
    finally:
        thread.join()
    return None


def test_a_cluster_that_is_restarted_goes_on(threads, reading, tmp_path):
    ds, begun = reading
    path = tmp_path / "a.zarr"

    def restart():
        threads.restart(wait_for_workers=False)
        threads.cluster.scale(4)  # those in a process of their own come back by themselves

    assert disturbed(begun, restart, lambda: ds.atldld.to_zarr(path)) is None
    assert verify(path).problems == ()
    assert ds.atldld.to_zarr(path).blocks == 0


@pytest.mark.parametrize("lost", ["client", "cluster"])
def test_a_cluster_that_is_gone(threads, reading, tmp_path, lost):
    ds, begun = reading
    path = tmp_path / "a.zarr"
    close = threads.close if lost == "client" else threads.cluster.close
    error = disturbed(begun, close, lambda: ds.atldld.to_zarr(path))
    assert type(error) is StoreError
    assert "connection to the cluster's scheduler was lost" in str(error)
    assert "The same call goes on where this one ended" in str(error)
    with dask.config.set(scheduler="threads"):
        ds.atldld.to_zarr(path)
    assert verify(path).problems == ()


def test_a_cluster_that_is_restarted_as_dask_computes(threads, reading, tmp_path):
    ds, begun = reading
    ds, path = (ds // 2), tmp_path / "a.zarr"
    error = disturbed(
        begun, partial(threads.restart, wait_for_workers=False), lambda: ds.atldld.to_zarr(path)
    )
    assert type(error) is StoreError
    assert "the cluster was restarted" in str(error)
    with dask.config.set(scheduler="threads"):
        ds.atldld.to_zarr(path)
    assert verify(path).problems == ()


def test_data_sets_whose_cluster_is_gone(threads, reading, tmp_path):
    _, begun = reading
    opening = {"source": Counting(tmp_path / "read"), "resolution": 20, "chunks": 40}

    def run():
        url = str(tmp_path / "{id}.zarr")
        outcomes.extend(export_many([DATASET_ID], url, opening=opening))

    outcomes = []
    error = disturbed(begun, partial(threads.restart, wait_for_workers=False), run)
    assert error is None
    assert outcomes[0].kind is StoreError
    assert "the cluster was restarted" in outcomes[0].error


def test_an_asynchronous_client_is_refused(tmp_path):
    import asyncio

    ds = atldld_xr.open_dataset(DATASET_ID, source=NoiseSource(), resolution=50, chunks=40)

    async def run():
        options = {"processes": False, "dashboard_address": ":0", "asynchronous": True}
        async with (
            distributed.LocalCluster(n_workers=1, **options) as cluster,
            distributed.Client(cluster, asynchronous=True),
        ):
            ds.atldld.to_zarr(tmp_path / "a.zarr")

    with pytest.raises(InvalidArgumentError, match=r"asynchronous client.*distributed.Client\("):
        asyncio.run(run())
    assert not list(tmp_path.glob("*zarr*"))


def fail_at_once(dask_scheduler):
    dask_scheduler.allowed_failures = 1


def test_as_many_deaths_are_told_as_there_were(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("atldld_xr.export.run.on_cluster._MOST_DEATHS", 2)
    cluster.run_on_scheduler(fail_at_once)
    log = tmp_path / "log"
    ds = atldld_xr.open_dataset(DATASET_ID, source=Deadly(log), resolution=50, chunks=40)
    one = ds[["image"]].isel(coronal=[0], y=slice(40), x=slice(40))
    with pytest.raises(StoreError, match=r"2 workers died while they made section images \d+"):
        one.atldld.to_zarr(tmp_path / "a.zarr")
    assert log.read_text().count("died") == 2
