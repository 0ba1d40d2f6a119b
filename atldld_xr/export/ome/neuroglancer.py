"""Links that open OME-Zarr in neuroglancer: its state, as JSON, is the fragment of the address.

Pure. Neuroglancer takes no colours and no position from OME-NGFF, and opens on four panels of which
three show thin stripes. Its states are described at
https://github.com/google/neuroglancer/blob/master/python/neuroglancer/viewer_state.py, and what a
shader can say at https://github.com/google/neuroglancer/blob/master/src/sliceview/image_layer_rendering.md.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

import numpy as np

from atldld_xr.export.ome.pyramid import Pyramid
from atldld_xr.planes.axis import round_off

VIEWER = "https://neuroglancer-demo.appspot.com/"
"""Where neuroglancer's authors have it. What it shows goes from its own place to the browser."""

LOCAL = "http://127.0.0.1:8000"
"""Where a folder of this machine is to be served, with CORS, for a browser to read it."""

Layout = Literal["xy", "xz", "yz", "4panel", "3d"]

_METRE = 1e-6  # a micrometre
_SCREEN = 600  # pixels that any screen has, of which a section fills most
_CHANNEL = "c"
_ALPHA = 0.3  # of labels: what is under them is to be seen


@dataclass(frozen=True)
class Layer:
    """An OME-Zarr in neuroglancer.

    Attributes
    ----------
    name : str
        What it is called there.
    url : str
        Of the store: ``https://...``, ``http://127.0.0.1:...``, ``s3://...``, ``gs://...``.
    pixels : mapping of float
        Size of the finest level's pixels, in micrometres, by the names of its axes in their order;
        of a channel axis, ``c``, any number.
    shader : str or None
        How pixels are coloured, in GLSL; None shows them as labels.
    colors : mapping of str, optional
        Of labels, by label, as ``#rrggbb``. Default: neuroglancer's.
    """

    name: str
    url: str
    pixels: Mapping[str, float]
    shader: str | None
    colors: Mapping[str, str] = field(default_factory=dict)


def state(
    layers: Sequence[Layer],
    *,
    position: Mapping[str, float],
    scale: float,
    layout: Layout = "xy",
    background: str | None = None,
) -> dict[str, Any]:
    """Return the state that shows layers at a position.

    Parameters
    ----------
    layers : sequence of Layer
        The first is the lowest.
    position : mapping of float
        Middle of the screen, in micrometres, by axis. The first axis is shown from left to right,
        the second downwards, and the third is the depth.
    scale : float
        Micrometres that a pixel of the screen shows.
    layout : {"xy", "xz", "yz", "4panel", "3d"}
        The panels, of the axes in the order of `position`. Default: the first two.
    background : str, optional
        Colour where nothing is, as ``#ffffff``. Default: neuroglancer's.
    """
    out: dict[str, Any] = {
        "dimensions": {name: [_METRE, "m"] for name in position},
        "position": [*position.values()],
        "crossSectionScale": scale,
        "projectionScale": scale * _SCREEN,
        "layers": [_layer(layer) for layer in layers],
        "layout": layout,
        "showAxisLines": False,
        "showDefaultAnnotations": False,
    }
    if background is not None:
        out["crossSectionBackgroundColor"] = background
    return out


def link(state: Mapping[str, Any], *, viewer: str = VIEWER) -> str:
    """Return the address at which a viewer is in a state, which is all in the address."""
    # Letters of JSON that all browsers leave as they are stay legible.
    fragment = quote(json.dumps(state, separators=(",", ":")), safe="~@:,;!*()'/$")
    return f"{viewer}#!{fragment}"


def _layer(layer: Layer) -> dict[str, Any]:
    # The name c^ is neuroglancer's for channels that a shader has all at once, c' for those that
    # are the layer's own: a label has one.
    channel = f"{_CHANNEL}'" if layer.shader is None else f"{_CHANNEL}^"
    space = {
        channel if name == _CHANNEL else name: [1, ""] if name == _CHANNEL else _metres(size)
        for name, size in layer.pixels.items()
    }
    source = {
        "url": f"zarr://{layer.url.rstrip('/')}/",
        "transform": {"outputDimensions": space},
    }
    out: dict[str, Any] = {"name": layer.name, "source": source}
    if layer.shader is not None:
        return {"type": "image"} | out | {"shader": layer.shader, "opacity": 1}
    colours = {"segmentColors": dict(layer.colors)} if layer.colors else {}
    return {"type": "segmentation"} | out | {"selectedAlpha": _ALPHA} | colours


def _metres(size: float) -> list[Any]:
    return [round_off(size * _METRE), "m"]


def shader(channels: int, dtype: np.dtype[Any], fill_value: int) -> str:
    """Return how an image is coloured: as it is, and transparent where it holds the fill value.

    OME-NGFF has no word for transparency. Of images of 16 bits the range that is shown is set by
    hand, or by neuroglancer from what is on the screen.

    Parameters
    ----------
    channels : int
        3 (red, green, blue) or 1 (grey).
    dtype : numpy.dtype
        uint8 or uint16.
    fill_value : int
        Where there is no section.
    """
    n = range(channels)
    is_fill = " && ".join(f"toRaw(getDataValue({k})) == {fill_value}u" for k in n)
    names = ("grey",) if channels == 1 else ("red", "green", "blue")
    controls, values = "", [f"toNormalized(getDataValue({k}))" for k in n]
    if np.dtype(dtype).itemsize > 1:
        lines = (f"#uicontrol invlerp {names[k]}(channel={k})\n" for k in n)
        controls, values = "".join(lines), [f"{name}()" for name in names]
    emit = f"emitGrayscale({values[0]})" if channels == 1 else f"emitRGB(vec3({', '.join(values)}))"
    return f"{controls}void main() {{\n  if ({is_fill}) emitTransparent(); else {emit};\n}}\n"


def url_for_viewers(url: str) -> str:
    """Return where a browser finds a store: in its bucket, else at `LOCAL`, where it is served.

    Parameters
    ----------
    url : str
        Of the store.
    """
    return url if url.startswith(("s3://", "gs://", "http://", "https://")) else LOCAL


def layer_of(pyramid: Pyramid, url: str, name: str) -> Layer:
    """Return an image as a layer.

    Parameters
    ----------
    pyramid : Pyramid
        As `plan_pyramid` returns it.
    url, name : str
        As `Layer` has them.
    """
    sizes = (1.0, pyramid.planes.step, pyramid.y.step, pyramid.x.step)
    pixels = dict(zip(pyramid.names, pyramid.turned(sizes), strict=True))
    return Layer(name, url, pixels, shader(pyramid.channels, pyramid.dtype, pyramid.fill_value))


def state_of(
    pyramid: Pyramid,
    url: str,
    name: str,
    *,
    plane: int | None = None,
    over: Sequence[Layer] = (),
    without: Collection[int] = (),
    layout: Layout = "xy",
) -> dict[str, Any]:
    """Return the state that shows a section of an image, whole.

    Parameters
    ----------
    pyramid : Pyramid
        As `plan_pyramid` returns it.
    url, name : str
        As `Layer` has them.
    plane : int, optional
        Which. Default: the middle one of those that have a section.
    over : sequence of Layer
        What is shown over it, as labels of structures.
    without : collection of int
        Planes that are not shown, as nothing could be read of their sections.
    layout
        As `state` has it.
    """
    if plane is None:
        places = sorted({*pyramid.planes.places} - {*without}) or sorted(pyramid.planes.places)
        plane = places[len(places) // 2]
    y, x = pyramid.y, pyramid.x
    _, depth, down, across = pyramid.turned(pyramid.names)
    middle = {
        name: round_off(axis.first + (axis.size - 1) / 2 * axis.step)
        for name, axis in ((across, x), (down, y))
    }
    longest = max(axis.size * axis.step for axis in (y, x))
    white = pyramid.fill_value == np.iinfo(pyramid.dtype).max
    return state(
        (layer_of(pyramid, url, name), *over),
        position={**middle, depth: round_off(float(pyramid.planes.axis.centres[plane]))},
        scale=round_off(longest / _SCREEN),
        layout=layout,
        background="#ffffff" if white else "#000000",
    )
