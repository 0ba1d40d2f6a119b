"""Stores over HTTP: each kind of path, and what goes wrong."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests
import zarr

import atldld_xr
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.serve import AllenStore, VolumeStore
from atldld_xr.serve.plan_store import CHUNKS
from atldld_xr.testing import AllenServer, Faults
from gated import Gated, ask_and_keep_open, first_key
from noise import DATASET_ID, NoiseSource

server_module = pytest.importorskip("atldld_xr.serve.server", exc_type=ImportError)
Server = server_module.Server

NOISE = {"source": NoiseSource(), "resolution": 50, "chunks": 70}
ORIGIN = {"Origin": "https://neuroglancer-demo.appspot.com"}


@pytest.fixture(scope="module")
def store():
    return AllenStore(DATASET_ID, **NOISE | {"levels": 2})


@pytest.fixture(scope="module")
def served(store):
    with Server({"5": store}, port=0) as server:
        yield server


@pytest.fixture(scope="module")
def http():
    """One client, who looks at no proxy."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_all_keys_are_those_of_the_store(served, store, http):
    keys = [*store.files]
    for level in range(2):
        blocks = [*store.pyramid.blocks(level)][:12]
        keys += ["/".join(map(str, (level, "c", *place))) for place in blocks]
    for key in keys:
        answer = http.get(served.address("5") + key, headers=ORIGIN)
        content = store.read(key)
        assert answer.status_code == (404 if content is None else 200)
        assert content in (None, answer.content)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "immutable" in answer.headers["Cache-Control"]
        head = http.head(served.address("5") + key)
        assert head.status_code == answer.status_code
        assert head.headers["Content-Length"] == answer.headers["Content-Length"]


EVERY = {
    "sections": lambda: AllenStore(DATASET_ID, **NOISE),
    "mask": lambda: AllenStore(DATASET_ID, **NOISE, variable="expression"),
    "annotated": lambda: AllenStore("phantom-sagittal", resolution=400, levels=2, annotation=True),
    "volume": lambda: VolumeStore(DATASET_ID, source=NoiseSource(), resolution=400, levels=2),
}


@pytest.mark.parametrize("name", EVERY)
def test_validators_and_zarr_read_each_address(name):
    pytest.importorskip("aiohttp")
    models, yaozarrs = map(pytest.importorskip, ("ome_zarr_models", "yaozarrs"))
    store = EVERY[name]()
    with Server({name: store}, port=0) as server:
        address = server.address(name)
        kinds = {"": "Image"}
        if name == "annotated":
            kinds["labels/annotation/"] = "ImageLabel"
        for path, kind in kinds.items():
            group = zarr.open_group(address + path, mode="r")
            assert type(models.open_ome_zarr(group)).__name__ == kind
            assert yaozarrs.validate_zarr_store(address + path).ome_version() == "0.5"
            plane = store.pyramid.planes.places[1]
            got, want = (g["0"][:, plane] for g in (group, zarr.open(store, path=path)))
            assert (got == want).all()


@pytest.mark.parametrize(
    ("asked", "status", "part", "says"),
    [
        ("bytes=3-9", 206, slice(3, 10), "bytes 3-9/"),
        ("bytes=5-", 206, slice(5, None), "bytes 5-"),
        ("bytes=-7", 206, slice(-7, None), None),
        ("bytes=0-99999999", 206, slice(None), "bytes 0-"),
        ("bytes=-99999999", 206, slice(None), "bytes 0-"),
        ("bytes=1-2,5-6", 200, slice(None), None),
        ("bytes=-", 200, slice(None), None),
        ("lines=1-2", 200, slice(None), None),
        ("bytes=99999999-", 416, None, "bytes */"),
        ("bytes=7-3", 416, None, "bytes */"),
        ("bytes=-0", 416, None, "bytes */"),
    ],
)
def test_ranges(served, store, http, asked, status, part, says):
    key = first_key(store)
    answer = http.get(served.address("5") + key, headers={"Range": asked})
    assert answer.status_code == status
    if part is not None:
        assert answer.content == store.read(key)[part]
    assert answer.headers.get("Content-Range", "").startswith(says or "")


def test_pages_of_any_origin_may_ask(served, http):
    wanted = {
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "range",
        "Access-Control-Request-Private-Network": "true",
    }
    answer = http.options(served.address("5") + "zarr.json", headers=ORIGIN | wanted)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Private-Network"] == "true"
    assert "range" in answer.headers["Access-Control-Allow-Headers"]


def test_names_lead_to_the_digest_and_no_other(served, store, http):
    assert http.get(served.url).json() == {"5": served.address("5")}
    answer = http.get(f"{served.url}/5.ome.zarr/0/zarr.json")
    assert answer.url == served.address("5") + "0/zarr.json"
    assert answer.history[0].headers["Cache-Control"] == "no-store"
    for path in ("/6.ome.zarr/zarr.json", "/0123/5.ome.zarr/zarr.json", "/5/zarr.json", "/x"):
        answer = http.get(served.url + path)
        assert answer.status_code == 404
        assert "immutable" not in answer.headers.get("Cache-Control", "")


def test_nothing_is_asked_for_where_nothing_can_be(http):
    source = Gated()  # which would wait
    store = AllenStore(DATASET_ID, **NOISE | {"source": source, "step": 25})
    with Server({"5": store}, port=0) as server:
        for key in ("0/c/0/1/0/0", "9/c/0/0/0/0", ".zgroup", "0/.zarray", "..%2f0/zarr.json"):
            assert http.get(server.address("5") + key).status_code == 404
    assert source.reads == []


def test_elsewhere_a_token_is_needed(store, http):
    with Server({"5": store}, port=0, token="mine") as server:
        assert http.get(f"{server.url}/5.ome.zarr/zarr.json").url.startswith(server.address("5"))
        assert server.address("5").startswith(f"{server.url}/{store.digest}")
        assert http.get(server.url + "/").json() == {"5": server.address("5")}
        root = server.url.removesuffix("mine")
        answer = http.get(f"{root}yours/5.ome.zarr/zarr.json")
        assert (answer.status_code, "token" in answer.text) == (403, True)
        assert http.get(f"{root}{store.digest}/5.ome.zarr/zarr.json").status_code in (403, 404)
        assert http.get(root).status_code == 404
    with Server({"5": store}, port=0, host="0.0.0.0") as server:
        assert len(urlsplit(server.url).path) > 16


@pytest.mark.parametrize("token", ["", "a/b", "a b", "#", "é"])
def test_a_token_is_a_part_of_a_path(store, token):
    with pytest.raises(InvalidArgumentError, match="token is 1 to 256 letters"):
        Server({"5": store}, port=0, token=token)


def test_an_address_that_is_taken_is_told(served, store):
    port = urlsplit(served.url).port
    with pytest.raises(InvalidArgumentError, match=f"127.0.0.1:{port}"):
        Server({"5": store}, port=port)


def test_what_the_service_cannot_give_is_told_and_not_kept(http):
    with AllenServer() as service, atldld_xr.config.set({"http.retries": 1}):
        store = AllenStore("phantom", source=service.url, resolution=200)
        key = f"0/c/0/{store.pyramid.planes.places[3]}/0/0"
        bad = int(store.dataset.section_image_id[3])
        service.faults = Faults(never={bad}, never_kind="503")
        with Server({"phantom": store}, port=0) as server:
            answer = http.get(server.address("phantom") + key, headers=ORIGIN)
            assert answer.status_code == 502
            assert f"section image {bad}" in answer.text
            assert "503" in answer.text
            assert "on_error" not in answer.text
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            service.faults = Faults()
            answer = http.get(server.address("phantom") + key)
        CHUNKS().reset()
        assert answer.status_code == 200
        assert answer.content == store.read(key)


def test_clients_that_left_cost_nothing(http):
    source = Gated()
    before = {*threading.enumerate()}
    with atldld_xr.config.set({"http.connections": 1}):
        store = AllenStore(DATASET_ID, **NOISE | {"source": source})
        planes = store.pyramid.planes.places
        key = first_key(store).replace(f"/{planes[0]}/", "/{}/")
        with Server({"5": store}, port=0) as server, ThreadPoolExecutor(1) as threads:
            patient = threads.submit(http.get, server.address("5") + key.format(planes[0]))
            while not source.reads:  # it has not begun
                time.sleep(0.001)
            left = [ask_and_keep_open(server, key.format(plane)) for plane in planes[1:]]
            # What is answered at once shows that the server has seen what came before it.
            http.get(server.url)
            for connection in left:
                connection.close()
            http.get(server.url)
            http.get(server.url)
            source.may_go_on.set()
            assert patient.result().status_code == 200
            assert http.get(server.address("5") + key.format(planes[0])).status_code == 200
    assert {image for image, _ in source.reads} == {int(store.dataset.section_image_id[0])}
    ours = ("atldld-serve", "AnyIO", "asyncio")
    assert [t for t in {*threading.enumerate()} - before if t.name.startswith(ours)] == []
