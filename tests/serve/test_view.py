"""Links to what is served, and what a browser makes of them: a data set that was never exported."""

from __future__ import annotations

import threading
import webbrowser
from http.server import BaseHTTPRequestHandler

import numpy as np
import pytest
import requests
import zarr

import atldld_xr
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.serve import AllenStore, DatasetStore
from browser import BEYOND, look, needs_browser, open_viewer, picture
from loopback import serving

pytest.importorskip("uvicorn")

from atldld_xr.serve.server import Server  # once it is known to be installed
from atldld_xr.serve.view import stop_viewing, viewer_link, viewer_state

RESOLUTION = 50


@pytest.fixture(scope="module")
def store():
    return AllenStore("phantom", resolution=RESOLUTION, annotation=True, levels=2, step=25)


@pytest.fixture(scope="module")
def served(store):
    with Server({"phantom": store}, port=0) as server:
        yield server


@pytest.mark.parametrize(("at", "index"), [(None, None), (6600, None), (0, 0), (1e6, -1)])
def test_a_state_is_at_a_section_that_there_is(store, at, index):
    state = viewer_state(store, "http://here/", at=at)
    positions = store.dataset.coronal.values
    if index is None:
        index = len(positions) // 2 if at is None else np.abs(positions - at).argmin()
    x, y, z = state["position"]
    assert abs(z - positions[index]) <= 12.5
    assert abs(store.pyramid.planes.axis.centres - z).min() < 1e-6
    assert (x, y) == (5700, 4000)
    assert [layer["source"]["url"] for layer in state["layers"]] == [
        "zarr://http://here/",
        "zarr://http://here/labels/annotation/",
    ]


def test_links_lead_to_states(served, store):
    url = served.address("phantom")
    for at in (None, 6600, 5203.5):
        _, _, address = viewer_link(url, at=at).partition("#!")
        answer = requests.get(address, headers={"Origin": "https://neuroglancer"})
        assert answer.json() == viewer_state(store, url, at=at)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert requests.get(f"{address}?again").json() == answer.json()
    assert requests.get(f"{served.url}/?again").json() == {"phantom": url}
    for wrong in ("neuroglancer-x.json", "neuroglancer-1e999.json", "0/neuroglancer.json"):
        assert requests.get(url + wrong).status_code == 404


@pytest.fixture
def stopped():
    before = {*threading.enumerate()}
    yield
    stop_viewing()
    new = {*threading.enumerate()} - before
    assert [t for t in new if t.name == "atldld-serve"] == []


def test_a_dataset_is_looked_at(monkeypatch, stopped):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    ds = atldld_xr.open_dataset("phantom", resolution=200)
    links = [
        ds.atldld.view(),
        ds.isel(coronal=slice(3, 9)).atldld.view(at=5200, viewer="http://mine/"),
        ds.atldld.view(variable="coverage", open_browser=False),
    ]
    assert opened == links[:2]
    assert links[1].startswith("http://mine/#!http://127.0.0.1:")
    addresses = [link.partition("#!")[2] for link in links]
    assert len({address.partition("neuroglancer")[0] for address in addresses}) == 3
    assert len({address.split("/")[2] for address in addresses}) == 1  # one server
    for address, variable in zip(addresses, ("image", "image", "coverage"), strict=True):
        state = requests.get(address).json()
        assert state["layers"][0]["name"] == variable
        group = requests.get(
            state["layers"][0]["source"]["url"].removeprefix("zarr://") + "zarr.json"
        )
        assert group.json()["attributes"]["atldld_xr"]["variable"] == variable
    for wrong in ("here", True, float("nan")):
        with pytest.raises(InvalidArgumentError, match="coordinate"):
            ds.atldld.view(at=wrong)
    with pytest.raises(InvalidArgumentError, match="no variable"):
        ds.atldld.view(variable="nothing")


def test_others_words_are_in_no_address(stopped):
    ds = atldld_xr.open_dataset("phantom", resolution=400, chunks=None)
    link = ds.assign_attrs(section_data_set_id="../<x>\x1b#").atldld.view(open_browser=False)
    address = link.partition("#!")[2]
    assert "/dataset-" in address
    assert requests.get(address).json()["layers"][0]["name"] == "image"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with open_viewer(tmp_path_factory.mktemp("browser")) as (viewer, driver):
        yield viewer, driver


class Page(BaseHTTPRequestHandler):
    """An empty page of another origin."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *args):
        pass


FETCH = """
const [url, headers, done] = arguments;
fetch(url, {headers})
  .then(async r => done([r.status, [...new Uint8Array(await r.arrayBuffer())],
                         r.headers.get("Content-Range")]))
  .catch(error => done([String(error)]));
"""


@needs_browser
def test_a_page_of_another_origin_reads_chunks(browser, served, store):
    _, driver = browser
    key = f"1/c/0/{store.pyramid.planes.places[7]}/0/0"
    content = store.read(key)
    main = driver.current_window_handle
    with serving(Page) as port:
        driver.switch_to.new_window("tab")
        driver.get(f"http://127.0.0.1:{port}/")
        asked = {
            served.address("phantom") + key: ({}, [200, [*content], None]),
            f"{served.url}/phantom.ome.zarr/{key}": ({}, [200, [*content], None]),
            served.address("phantom") + key + "?": (
                {"Range": "bytes=2-5"},
                [206, [*content[2:6]], f"bytes 2-5/{len(content)}"],
            ),
        }
        for url, (headers, want) in asked.items():
            assert driver.execute_async_script(FETCH, url, headers) == want
        driver.close()
        driver.switch_to.window(main)


@needs_browser
def test_neuroglancer_moves_through_what_was_never_exported(browser, served, store, tmp_path):
    viewer, _ = browser
    url = served.address("phantom")
    group = zarr.open(store)
    pyramid = store.pyramid
    levels = []
    for level in range(2):
        z, y, x = pyramid.axes(level)
        scale, first = (1, z.step, y.step, x.step), (0, z.first, y.first, x.first)
        levels.append((group[str(level)], scale, first))
    state = viewer_state(store, url)
    shown = viewer.state.to_json() | {k: state[k] for k in ("layers", "layout", "position")}
    shown["layers"] = shown["layers"][:1]
    viewer.set_state(shown)
    sections = [pyramid.planes.places[k] for k in (4, 8, 9)]
    for plane in [sections[0] + 1, *sections]:
        z = float(pyramid.planes.axis.centres[plane])
        for level, pixel in ((0, float(RESOLUTION)), (1, 2.0 * RESOLUTION)):
            array, scale, first = levels[level]
            # Of the plane alone: nothing else is made for the test.
            one = [None, None]
            one[level] = (array[:, plane : plane + 1], scale, (0, z, *first[2:]))
            position = (5531.25, 3981.25, z)
            got = look(viewer, tmp_path / f"{plane}-{level}.png", "xy", position, pixel)
            want = picture(one, level, "xy", position, pixel)
            want[(want == 255).all(-1)] = BEYOND  # fill is transparent
            np.testing.assert_array_equal(got, want)
            tissue = (want < 225).any(-1) & (want != BEYOND).any(-1)
            assert tissue.any() == (plane in sections)


def test_a_sliced_dataset_has_its_own_place_in_addresses():
    ds = atldld_xr.open_dataset("phantom", resolution=200)
    digests = {DatasetStore(part).digest for part in (ds, ds.isel(y=slice(3, None)))}
    assert len(digests) == 2
