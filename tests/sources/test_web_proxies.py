"""Mirrors and stores on web servers, behind the environment's proxies as the service is."""

from __future__ import annotations

import base64
import functools
import http.server
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

import atldld_xr
from answering import Server, forget_routes, running
from atldld_xr.errors import AtldldError, StoreError
from atldld_xr.sources import http as service
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.save_mirror import save_mirror
from loopback import serving, unused_port
from noise import DATASET_ID, NoiseSource

pytest.importorskip("aiohttp")

HOST = "no-such-host.test"  # the name is reserved: only a proxy can lead there
NOWHERE = f"http://{HOST}"
BASIC = "Basic " + base64.b64encode(b"me:hu@sh").decode()
OPENING = {"resolution": 200, "chunks": None}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    forget_routes(monkeypatch)
    with atldld_xr.config.set({"http.retries": 0, "cache.enabled": False}):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of a mirror and a store."""
    root = tmp_path_factory.mktemp("web")
    source = NoiseSource(tile=4096)
    save_mirror([DATASET_ID], str(root / "mirror"), source=source, tiers=[2])
    opened = atldld_xr.open_dataset(DATASET_ID, source=source, resolution=200)
    opened.atldld.to_zarr(root / "a.zarr")
    return root


class Files(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, for what host ever it is asked, and notes what was asked for and by whom."""

    def __init__(self, *args: Any, asked: list[tuple[str, str | None]], **more: Any) -> None:
        self.asked = asked
        super().__init__(*args, **more)

    def send_head(self) -> Any:
        self.asked.append((self.path, self.headers["Proxy-Authorization"]))
        self.path = urlsplit(self.path).path
        return super().send_head()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def files(folder: Path) -> Iterator[tuple[int, list[tuple[str, str | None]]]]:
    """Serve a folder; gives the port, and all that is asked for."""
    asked: list[tuple[str, str | None]] = []
    with serving(functools.partial(Files, directory=str(folder), asked=asked)) as port:
        yield port, asked


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_mirrors_and_stores_are_read_through_a_proxy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("REQUEST_METHOD", raising=False)
    with files(folder) as (port, asked):
        monkeypatch.setenv(variable, f"http://me:hu%40sh@127.0.0.1:{port}")
        ds = atldld_xr.open_dataset(DATASET_ID, source=f"{NOWHERE}/mirror", **OPENING)
        near = atldld_xr.open_dataset(DATASET_ID, source=folder / "mirror", **OPENING)
        np.testing.assert_array_equal(ds.image, near.image)
        assert atldld_xr.status(f"{NOWHERE}/a.zarr").state == "complete"
        assert atldld_xr.verify(f"{NOWHERE}/a.zarr").problems == ()
    assert {urlsplit(path).netloc for path, _ in asked} == {HOST}
    assert {user for _, user in asked} == {BASIC}


@pytest.mark.parametrize("exempt", ["127.0.0.1", "127.0.0.0/8", "*"])
def test_what_is_exempt_is_asked_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch, exempt: str
) -> None:
    with files(folder) as (port, asked), unused_port() as nobody:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{nobody}")
        monkeypatch.setenv("no_proxy", exempt)
        MirrorSource(f"http://127.0.0.1:{port}/mirror").dataset_record(DATASET_ID)
        atldld_xr.status(f"http://127.0.0.1:{port}/a.zarr")
    assert {path[0] for path, _ in asked} == {"/"}


def test_a_proxy_that_is_set_or_unset_later_is_heeded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a notebook, when the first request has failed."""
    with files(folder) as (port, direct), files(folder) as (other, proxied):
        site = f"http://127.0.0.1:{port}"
        mirror = MirrorSource(f"{site}/mirror")

        def ask() -> None:
            mirror.dataset_record(DATASET_ID)
            atldld_xr.status(f"{site}/a.zarr")
            service.get(f"{site}/mirror/mirror.json", check=bytes, limit=1_000_000)

        for proxy in (None, f"http://127.0.0.1:{other}", None, f"127.0.0.1:{other}"):
            if proxy is None:
                monkeypatch.delenv("http_proxy", raising=False)
            else:
                monkeypatch.setenv("http_proxy", proxy)
            direct.clear()
            proxied.clear()
            ask()
            here, elsewhere = (direct, proxied) if proxy is None else (proxied, direct)
            assert elsewhere == []
            assert len(here) > 3


def test_the_service_takes_a_proxy_that_is_set_after_its_first_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running(Server()) as server, running(Server()) as proxy:
        service.get(server.url, check=bytes, limit=10_000)
        monkeypatch.setenv("http_proxy", proxy.url)
        service.get(server.url, check=bytes, limit=10_000)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        service.get(server.url, check=bytes, limit=10_000)
    assert len(server.requests) == 2
    assert [path for path, _ in proxy.requests] == [f"{server.url}/"]


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("http://me:hush@127.0.0.1:{}", "127.0.0.1"),
        ("http://me:hush@", "malformed"),
        ("http://me:hush@[::1", "malformed"),
        ("http://me:hush@host:port", "malformed"),
        ("socks5://me:hush@127.0.0.1:{}", "SOCKS5 proxy, through which no files"),
    ],
)
def test_a_proxy_that_is_of_no_use_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str, said: str
) -> None:
    with unused_port() as nobody:
        monkeypatch.setenv("http_proxy", proxy.format(nobody))
        for read in (
            lambda: MirrorSource(f"{NOWHERE}/mirror").dataset_record(DATASET_ID),
            lambda: atldld_xr.status(f"{NOWHERE}/a.zarr"),
        ):
            with pytest.raises(AtldldError, match=said) as caught:
                read()
            assert isinstance(caught.value, StoreError)
            assert "hush" not in "".join(traceback.format_exception(caught.value))


def test_options_of_ones_own_are_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with files(folder) as (port, asked), unused_port() as nobody:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{nobody}")
        for options in (
            {"proxy": f"http://127.0.0.1:{port}"},
            {"client_kwargs": {"proxy": f"http://127.0.0.1:{port}"}},
        ):
            MirrorSource(f"{NOWHERE}/mirror", options).dataset_record(DATASET_ID)
    assert {urlsplit(path).netloc for path, _ in asked} == {HOST}
