"""Exports on clusters: what their scheduler holds, their connections, many data sets."""

from __future__ import annotations

import time

import dask
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export.many import export_many
from atldld_xr.testing import AllenServer, Faults, Phantom
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource

distributed = pytest.importorskip("distributed")

FINE = Phantom(id=900000004, count=4, resolution=4.0)


def open_noise(**options):
    options = {"source": NoiseSource(), "resolution": 50, "chunks": 40} | options
    return atldld_xr.open_dataset(DATASET_ID, **options)


def contents(path):
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}


class Most(distributed.SchedulerPlugin):
    """Remembers the most tasks that a scheduler has held."""

    name = "most"

    def start(self, scheduler):
        self.scheduler, self.count = scheduler, 0

    def transition(self, *args, **kwargs):
        self.count = max(self.count, len(self.scheduler.tasks))


def most_tasks(dask_scheduler):
    return dask_scheduler.plugins["most"].count


def test_the_scheduler_holds_a_task_a_thread(cluster, tmp_path):
    cluster.register_plugin(Most())
    ds = open_noise(source=NoiseSource(sections=12))
    assert ds.image.data.npartitions > 12 * 16
    ds.atldld.to_zarr(tmp_path / "a" / "a.zarr")
    # Those in work, and those just done that it has not forgotten.
    assert 0 < cluster.run_on_scheduler(most_tasks) <= 8
    with dask.config.set(scheduler="threads"):
        ds.atldld.to_zarr(tmp_path / "b" / "a.zarr")
    assert contents(tmp_path / "a" / "a.zarr") == contents(tmp_path / "b" / "a.zarr")


def test_the_cap_on_connections_holds_across_the_cluster(cluster, tmp_path):
    with AllenServer(phantoms=[FINE], faults=Faults(rate=1, kinds=("slow",))) as server:
        ds = atldld_xr.open_dataset(FINE.id, source=server.url, tier=0, resolution=20, chunks=200)[
            ["image"]
        ]
        with atldld_xr.config.set({"http.connections": 3}):
            ds.atldld.to_zarr(tmp_path / "a.zarr")
        assert 1 < server.most_at_once <= 3


def test_one_section_is_shared_by_the_workers(cluster, tmp_path):
    ds = open_noise(resolution=20)[["image", "coverage"]].isel(coronal=[1])
    with distributed.get_task_stream(cluster) as stream:
        ds.atldld.to_zarr(tmp_path / "a" / "a.zarr")
    assert len({entry["worker"] for entry in stream.data}) == 2
    with dask.config.set(scheduler="threads"):
        ds.atldld.to_zarr(tmp_path / "b" / "a.zarr")
    assert contents(tmp_path / "a" / "a.zarr") == contents(tmp_path / "b" / "a.zarr")


@pytest.mark.parametrize("processes", [True, False])
def test_many_data_sets(request, tmp_path, processes):
    if processes:
        request.getfixturevalue("cluster")
    phantoms = [Phantom(id=900000010 + n, count=3, resolution=40.0) for n in range(4)]
    ids = [phantom.id for phantom in phantoms]
    with AllenServer(phantoms=phantoms) as server:
        opening = {"source": server.url, "resolution": 200}
        url = str(tmp_path / "{id}.zarr")
        outcomes = {o.dataset: o for o in export_many([*ids, 77], url, opening=opening)}
        assert set(outcomes) == {*map(str, ids), "77"}
        assert "77" in outcomes["77"].error
        assert outcomes["77"].report is None
        for dataset in ids:
            assert outcomes[str(dataset)].report.blocks > 0
            expected = atldld_xr.open_dataset(dataset, **opening).drop_vars("displacement")
            xr.testing.assert_equal(xr.open_zarr(tmp_path / f"{dataset}.zarr"), expected)
        again = list(export_many(ids, url, opening=opening))
        assert [o.report.blocks for o in again] == [0] * 4


def test_many_data_sets_need_a_place_each():
    with pytest.raises(InvalidArgumentError, match="several data sets"):
        next(export_many([1, 2], "out.zarr"))
    with pytest.raises(InvalidArgumentError, match="format"):
        next(export_many([1, 2], "{id}.zarr", format="xyz"))


def test_failures_on_a_cluster(cluster, tmp_path):
    bad = ((FIRST_IMAGE_ID + 1, 0, 0),)
    ds = open_noise(source=NoiseSource(bad=bad))
    with pytest.raises(atldld_xr.errors.SectionImageError, match="made to fail"):
        ds.atldld.to_zarr(tmp_path / "a.zarr")
    assert atldld_xr.export.status(str(tmp_path / "a.zarr")).state == "interrupted"


def _export_there(path):
    import atldld_xr  # a task, on a worker

    ds = atldld_xr.open_dataset("phantom", resolution=200)[["image"]]
    return ds.assign(half=ds.image // 2).atldld.to_zarr(path).blocks


def test_an_export_within_a_task(cluster, tmp_path):
    path = str(tmp_path / "a.zarr")
    assert cluster.submit(_export_there, path).result(timeout=60) > 0
    assert atldld_xr.export.status(path).state == "complete"


class Lasting(NoiseSource):
    """Noise of which one section fails at once, and the others take their time."""

    def read(self, image, tile, view):
        if image.id == FIRST_IMAGE_ID:
            raise atldld_xr.errors.SectionImageError(
                image.id, "memory://tile", "it is made to fail"
            )
        time.sleep(0.05)
        return super().read(image, tile, view)


def test_nothing_is_written_once_an_export_has_failed(cluster, tmp_path):
    path = tmp_path / "a.zarr"
    ds = open_noise(source=Lasting(), resolution=20)[["image"]]
    with pytest.raises(atldld_xr.errors.SectionImageError):
        ds.atldld.to_zarr(path)
    before = contents(path)
    time.sleep(2)
    assert contents(path) == before


def test_connections_when_there_are_more_workers_than_those(cluster, tmp_path):
    with AllenServer(phantoms=[FINE], faults=Faults(rate=1, kinds=("slow",))) as server:
        ds = atldld_xr.open_dataset(FINE.id, source=server.url, resolution=100)[["image"]]
        with atldld_xr.config.set({"http.connections": 1}):
            ds.atldld.to_zarr(tmp_path / "a.zarr")
        assert server.most_at_once == 1
