"""OME-Zarr in neuroglancer, in a real browser: every pixel of the picture is where it should be."""

from __future__ import annotations

import functools
import http.server
import threading

import numpy as np
import pytest
import zarr

import atldld_xr
from atldld_xr.export.ome import plan_pyramid
from atldld_xr.export.ome.neuroglancer import layer_of, link, state_of
from browser import BEYOND, SIZE, look, needs_browser, open_viewer, picture

pytestmark = needs_browser

COLOURS = """
void main() {
  emitRGB(vec3(toNormalized(getDataValue(0)), toNormalized(getDataValue(1)),
               toNormalized(getDataValue(2))));
}
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files for any page."""

    protocol_version = "HTTP/1.1"

    def end_headers(self):
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Serve a directory over HTTP; gives its path and address."""
    directory = tmp_path_factory.mktemp("served")
    handler = functools.partial(Handler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield directory, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def viewer(tmp_path_factory):
    with open_viewer(tmp_path_factory.mktemp("browser")) as (viewer, _):
        yield viewer


def show(viewer, url, scales):
    """Show an image, its channels as colours: the name c^ is neuroglancer's for that."""
    import neuroglancer

    space = neuroglancer.CoordinateSpace(
        names=["c^", "z", "y", "x"], units=["", "um", "um", "um"], scales=[1, *scales]
    )
    transform = neuroglancer.CoordinateSpaceTransform(output_dimensions=space)
    source = neuroglancer.LayerDataSource(url=f"zarr://{url}/", transform=transform)
    with viewer.txn() as state:
        state.layers.clear()
        state.layers["sections"] = neuroglancer.ImageLayer(source=source, shader=COLOURS)


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_sections_are_in_their_place(served, viewer, tmp_path, version):
    directory, address = served
    name = f"phantom-{version}.zarr"
    ds = atldld_xr.open_dataset("phantom", resolution=50, chunks={"y": 70, "x": 100})
    ds = ds.isel(coronal=slice(4, 13), y=slice(3, None), x=slice(None, 219))
    ds.atldld.to_ome_zarr(directory / name, ome_version=version, levels=2, step=25)
    group = zarr.open_group(directory / name, mode="r")
    # Where pixels are is asked of the Dataset: what the store says of it is what is tested.
    planes = ds.coronal.values // 25 * 25 + 12.5
    levels = []
    for level in range(2):
        n = 2**level
        scale = (1, 25, 50 * n, 50 * n)
        first = (0, planes[0], ds.y.values[:n].mean(), ds.x.values[:n].mean())
        levels.append((group[str(level)][:], scale, first))
    show(viewer, f"{address}/{name}", levels[0][1][1:])

    # A section from the front: two by two pixels of the screen to one of level 0, and one to one
    # of level 1. In the planes before and after there is nothing. Points of the screen are on no
    # border of pixels, which could be taken for either, and so near to those of level 1 that the
    # picture would change if its translation were left out.
    x, y, z = 5531.25, 3981.25, planes[4]
    for zoom, (level, pixel) in {"near": (0, 25.0), "far": (1, 100.0)}.items():
        got = look(viewer, tmp_path / f"{zoom}.png", "xy", (x, y, z), pixel)
        want = picture(levels, level, "xy", (x, y, z), pixel)
        assert (want == BEYOND).all(-1).any() == (zoom == "far")
        tissue = (want < 225).any(-1) & (want != BEYOND).any(-1)
        assert 0.03 < tissue.mean() < 0.9
        np.testing.assert_array_equal(got, want)
    for side in (-25.0, 25.0):
        empty = look(viewer, tmp_path / "empty.png", "xy", (x, y, z + side), 25.0)
        assert (empty == 255).all()

    # All sections from above: lines, each in its row.
    position = (x, 3010.0, z + 12.5)
    got = look(viewer, tmp_path / "above.png", "xz", position, 25.0)
    want = picture(levels, 0, "xz", position, 25.0)
    np.testing.assert_array_equal(got, want)
    lines = np.flatnonzero((want != 255).any(-1).any(-1) & (want != BEYOND).any(-1).any(-1))
    top = position[2] - SIZE[1] / 2 * 25.0
    rows = [int((plane - top) // 25) for plane in planes]
    assert lines.tolist() == [row for row in rows if 0 <= row < SIZE[1]]
    assert len(lines) == 9


def test_a_link_shows_a_section_and_what_is_under_its_fill(served, viewer, tmp_path):
    """The state of a link alone: two images of one place, the upper one of half the sections."""
    import neuroglancer

    directory, address = served
    ds = atldld_xr.open_dataset("phantom", resolution=100)
    layers, arrays = [], []
    for name, part in {"lower": slice(4, 9), "upper": slice(6, 9)}.items():
        # Half of the upper image's pixels hold the fill.
        some = ds.isel(coronal=part)
        if name == "upper":
            some["image"] = some.image.where(some.x < 5700, 255).assign_attrs(some.image.attrs)
        some.astype("u1", keep_attrs=True).atldld.to_ome_zarr(directory / name, levels=1, step=25)
        pyramid = plan_pyramid(some, step=25)
        layers.append(layer_of(pyramid, f"{address}/{name}", name))
        arrays.append(some.image.isel(coronal=-1).values)
    state = neuroglancer.parse_url(link(state_of(pyramid, layers[0].url, "lower", over=layers[1:])))
    assert state.layout.type == "xy"
    z = pyramid.planes.axis.centres[pyramid.planes.places[-1]]
    with viewer.txn() as shown:
        background = shown.cross_section_background_color
        state.show_scale_bar = False
    viewer.set_state(state)
    got = look(viewer, tmp_path / "link.png", "xy", (5712.5, 4012.5, z), 25.0)
    with viewer.txn() as shown:
        shown.cross_section_background_color = background
    y, x = (np.arange(n) + 0.5 - n / 2 for n in (SIZE[1], SIZE[0]))
    rows, columns = (np.floor((4012.5 + 25 * y) / 100), np.floor((5712.5 + 25 * x) / 100))
    want = arrays[0][np.ix_(rows.astype(int), columns.astype(int))]
    np.testing.assert_array_equal(got, want)


def test_what_is_served_is_what_was_written(served):
    """A store through HTTP alone, as a reader that cannot list it."""
    pytest.importorskip("aiohttp")
    directory, address = served
    ds = atldld_xr.open_dataset("phantom", resolution=400).isel(coronal=slice(0, 3))
    ds.atldld.to_ome_zarr(directory / "small.zarr")
    local = zarr.open_group(directory / "small.zarr", mode="r")
    remote = zarr.open_group(f"{address}/small.zarr", mode="r")
    np.testing.assert_array_equal(remote["0"][:], local["0"][:])
