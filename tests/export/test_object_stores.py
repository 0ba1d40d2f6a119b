"""Stores and mirrors in object stores: the same bytes as on a disk, and no secret told anywhere."""

from __future__ import annotations

import itertools
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import dask
import numpy as np
import pytest
import xarray as xr
from dask.callbacks import Callback

import atldld_xr
from atldld_xr.errors import AtldldError, DatasetNotFoundError, StoreError
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.save_mirror import save_mirror
from look_at_store import look
from loopback import unused_port, web_server, write_certificate
from noise import DATASET_ID, NoiseSource
from object_stores import STORES, ObjectStore, s3

FRESH = Path(__file__).parents[1] / "helpers" / "look_at_store.py"


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    with STORES[request.param]() as running:
        yield running


with_a_server = pytest.mark.parametrize("store", ["s3", "gs", "az"], indirect=True)


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clients of Google's and Azure's storage try again at once: they wait a minute."""

    class Patient:
        @staticmethod
        async def sleep(*_: object) -> None:
            pass

    if "gcsfs" in sys.modules:
        monkeypatch.setattr("gcsfs.retry.asyncio", Patient)
    if "adlfs" in sys.modules:
        policy = "azure.storage.blob._shared.policies_async.AsyncStorageRetryPolicy"
        monkeypatch.setattr(f"{policy}.sleep", Patient.sleep)


def open_noise(**options: Any) -> xr.Dataset:
    options = {"source": NoiseSource(sections=2), "expression": True} | options
    options = {"resolution": 200, "chunks": {"y": 20, "x": 30}} | options
    return atldld_xr.open_dataset(DATASET_ID, **options)


def seen(store: ObjectStore, *paths: str, zarr: bool = True) -> list[dict[str, dict[str, str]]]:
    """Look at stores from one fresh process.

    Not so on a disk, which has no clients, and in memory, which is this process's alone.
    """
    requests = [
        {"url": f"{store.url}/{path}", "options": store.options, "zarr": zarr} for path in paths
    ]
    if "://" not in store.url or store.url.startswith("memory"):
        return [look(**request) for request in requests]
    done = subprocess.run(
        [sys.executable, FRESH], input=json.dumps(requests), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def seen_on_disk(*paths: Path, zarr: bool = True) -> list[dict[str, dict[str, str]]]:
    return [look(str(path), {}, zarr) for path in paths]


def files(store: ObjectStore, path: str) -> dict[str, bytes]:
    """Return what files there are, as this process's client sees them when it asks anew."""
    import fsspec

    fs, root = fsspec.core.url_to_fs(f"{store.url}/{path}", **store.options)
    fs.invalidate_cache()
    root = root.rstrip("/")
    return {name.removeprefix(f"{root}/"): fs.cat_file(name) for name in fs.find(root)}


def told(error: BaseException | None) -> str:
    """Return everything that an error says, whichever way it holds what it came from."""
    out, waiting, met = [], [error], set()
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in met:
            met.add(id(one))
            out.append(f"{one} {one!r} {one.args} {vars(one)}")
            waiting += [one.__cause__, one.__context__]
    return "\n".join(out)


def tells(text: str, store: ObjectStore) -> list[str]:
    return [secret for secret in store.secrets if secret in text]


def test_the_same_bytes_as_on_a_disk(store: ObjectStore, tmp_path: Path) -> None:
    ds, options = open_noise(), store.options or None
    part = ds[["image"]].isel(y=slice(30))
    for name in ("new.zarr", "old.zarr"):
        ds.atldld.to_zarr(f"{store.url}/{name}", storage_options=options)
        with pytest.raises(StoreError, match="exists"):
            part.atldld.to_zarr(f"{store.url}/{name}", storage_options=options)
    part.atldld.to_zarr(f"{store.url}/old.zarr", storage_options=options, mode="w")
    ds.atldld.to_zarr(tmp_path / "new.zarr")
    part.atldld.to_zarr(tmp_path / "old.zarr")

    here = seen_on_disk(tmp_path / "new.zarr", tmp_path / "old.zarr")
    assert len(here[0]["files"]) > 50
    assert seen(store, "new.zarr", "old.zarr") == here


def test_what_is_no_store_is_left_alone(store: ObjectStore) -> None:
    import fsspec

    options = store.options or None
    fs, root = fsspec.core.url_to_fs(f"{store.url}/papers", **store.options)
    fs.makedirs(root, exist_ok=True)
    fs.pipe_file(f"{root}/thesis.tex", b"all of it")
    for mode in ("w-", "w"):
        for path in ("papers", "papers/thesis.tex"):
            with pytest.raises(StoreError):
                open_noise().atldld.to_zarr(
                    f"{store.url}/{path}", storage_options=options, mode=mode
                )
    assert files(store, "papers") == {"thesis.tex": b"all of it"}


def unusable(store: ObjectStore, way: str) -> tuple[str, dict[str, Any]]:
    """Return an address and options that lead nowhere."""
    if way == "missing":
        return store.missing, store.options
    return store.url, getattr(store, way)


@with_a_server
@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("way", ["refused", "gone", "missing"])
def test_what_cannot_be_written_is_told_in_a_line_without_secrets(
    store: ObjectStore, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url, options = unusable(store, way)
    with pytest.raises(StoreError) as caught:
        open_noise().atldld.to_zarr(f"{url}/a.zarr", storage_options=options)
    assert f"{url}/a.zarr" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not tells(told(caught.value) + caplog.text, store)


@with_a_server
@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("way", ["refused", "gone", "missing"])
def test_a_mirror_that_cannot_be_read_or_written(
    store: ObjectStore, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url, options = unusable(store, way)
    with pytest.raises((StoreError, DatasetNotFoundError)) as read:
        open_noise(source=MirrorSource(f"{url}/mirror", options))
    with pytest.raises(StoreError) as written:
        save_mirror(
            [DATASET_ID],
            f"{url}/mirror",
            source=NoiseSource(),
            tiers=[2],
            storage_options=options,
        )
    for caught in (read.value, written.value):
        assert f"{url}/mirror" in str(caught)
        assert "\n" not in str(caught)
        assert not tells(told(caught), store)
    assert not tells(caplog.text, store)


def test_a_mirror_in_a_bucket(store: ObjectStore, tmp_path: Path) -> None:
    url = f"{store.url}/mirror"
    arguments = {"source": NoiseSource(tile=4096, sections=2), "tiers": [2]}
    save_mirror([DATASET_ID], url, storage_options=store.options, **arguments)
    save_mirror([DATASET_ID], str(tmp_path / "mirror"), **arguments)
    there = seen(store, "mirror", zarr=False)
    assert there == seen_on_disk(tmp_path / "mirror", zarr=False)
    assert len(there[0]["files"]) == 4
    one, other = (
        open_noise(source=source, expression=False)
        for source in (MirrorSource(url, store.options), tmp_path / "mirror")
    )
    np.testing.assert_array_equal(one.image, other.image)
    again = save_mirror([DATASET_ID], url, storage_options=store.options, **arguments)
    assert again.skipped == 2


_SCRIPT = """
import json, sys
import atldld_xr
from atldld_xr.sources.mirror import MirrorSource
url, options = json.load(sys.stdin)
ds = atldld_xr.open_dataset("phantom", resolution=400)[["image"]].isel(coronal=slice(2))
ds.atldld.to_zarr(f"{url}/script.zarr", storage_options=options)
try:
    atldld_xr.open_dataset(5, source=MirrorSource(f"{url}/no-mirror", options))
except atldld_xr.errors.DatasetNotFoundError:
    print("done")
"""


@with_a_server
def test_a_script_ends_without_a_word(store: ObjectStore) -> None:
    # Sessions that nobody has closed are told when the interpreter ends.
    done = subprocess.run(
        [sys.executable, "-W", "default::ResourceWarning", "-c", _SCRIPT],
        input=json.dumps([store.url, store.options]),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert "image/c/0/0/0/0" in files(store, "script.zarr")


class _Revoking(NoiseSource):
    """Noise, of which the third tile finds the credentials revoked."""

    tiles = itertools.count()
    revoke: Callable[[], object]

    def read(self, image: Any, tile: Any, view: str) -> np.ndarray:
        if next(self.tiles) == 2:
            type(self).revoke()
        return super().read(image, tile, view)


def test_credentials_that_are_revoked_on_the_way(caplog: pytest.LogCaptureFixture) -> None:
    with s3() as store:
        caplog.set_level(logging.DEBUG)  # not before: moto is asked for a key, and answers
        _Revoking.revoke = store.revoke
        ds = open_noise(source=_Revoking(sections=9))
        with pytest.raises(StoreError, match=r"a\.zarr") as caught:
            ds.atldld.to_zarr(f"{store.url}/a.zarr", storage_options=store.options)
        caplog.set_level(logging.WARNING)
    assert "\n" not in str(caught.value)
    assert not tells(told(caught.value) + caplog.text, store)


@with_a_server
def test_no_secret_is_in_a_store(store: ObjectStore) -> None:
    url = f"{store.url}/told.zarr"
    report = open_noise().atldld.to_zarr(url, storage_options=store.options)
    metadata = {k: v.decode() for k, v in files(store, "told.zarr").items() if k.endswith(".json")}
    assert len(metadata) > 5
    assert not tells(f"{metadata} {report}", store)


@with_a_server
def test_no_secret_is_in_the_graph_of_an_export(store: ObjectStore) -> None:
    graphs = []
    url = f"{store.url}/graph.zarr"
    ds = open_noise()
    ds = ds.assign(half=ds.image // 2)  # Dask makes this one's chunks
    with Callback(start=lambda graph: graphs.append(cloudpickle.dumps(dict(graph)))):
        ds.atldld.to_zarr(url, storage_options=store.options)
    assert graphs
    assert not tells("".join(graph.decode("latin-1") for graph in graphs), store)


def test_a_cluster_writes_to_a_bucket(
    cluster: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with s3() as store:
        caplog.set_level(logging.DEBUG)
        ds = open_noise()[["image", "coverage"]]
        ds.atldld.to_zarr(f"{store.url}/a.zarr", storage_options=store.options)
        state = repr(cluster.sync(cluster.scheduler.get_cluster_state, exclude=()))
        logs = repr((cluster.get_worker_logs(), cluster.get_scheduler_logs()))
        there = seen(store, "a.zarr")
    with dask.config.set(scheduler="threads"):
        ds.atldld.to_zarr(tmp_path / "a.zarr")
    assert there == seen_on_disk(tmp_path / "a.zarr")
    assert not tells(state + logs + caplog.text, store)


def test_what_a_library_tells_of_a_token_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # gcsfs asks Google what a token is good for, with the token in an address that its error has.
    pytest.importorskip("gcsfs")
    caplog.set_level(logging.DEBUG)
    store = ObjectStore("gs://sections", {"token": "ya29.hidden-token"}, secrets=("hidden-token",))
    with unused_port() as nobody:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{nobody}")
        with pytest.raises(StoreError, match=r"gs://sections/m.*\*\*\*") as read:
            open_noise(source=MirrorSource(f"{store.url}/m", store.options))
        with pytest.raises(AtldldError) as written:
            open_noise().atldld.to_zarr(f"{store.url}/a.zarr", storage_options=store.options)
    assert not tells(told(read.value) + told(written.value) + caplog.text, store)


def test_a_store_on_a_web_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp")
    open_noise().atldld.to_zarr(tmp_path / "a.zarr")
    certificate = tmp_path / "certificate.pem"
    write_certificate(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with web_server(tmp_path, certificate) as (address, _):
        assert address.startswith("https://")
        (there,) = seen(ObjectStore(address), "a.zarr")
    (here,) = seen_on_disk(tmp_path / "a.zarr")
    assert there["values"] == here["values"]


@pytest.mark.parametrize("mode", ["w-", "w"])
def test_a_web_server_is_not_written_to(tmp_path: Path, mode: Any) -> None:
    pytest.importorskip("aiohttp")
    open_noise().atldld.to_zarr(tmp_path / "a.zarr")
    with web_server(tmp_path) as (address, requests):
        for name in ("a.zarr", "b.zarr"):
            with pytest.raises(AtldldError, match=r"http.*read"):
                open_noise().atldld.to_zarr(f"{address}/{name}", mode=mode)
        assert requests == []
