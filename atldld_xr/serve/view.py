"""Links to what is served: a viewer at a section, with its colours and the annotation over it."""

from __future__ import annotations

import json
import re
import webbrowser
from typing import TYPE_CHECKING, Any

import numpy as np

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.forks import PerProcess
from atldld_xr.messages.repeating import short
from atldld_xr.serve.labels import GROUP, NAME

if TYPE_CHECKING:
    from atldld_xr.serve.plan_store import PlanStore
    from atldld_xr.serve.server import Server

NEUROGLANCER = "https://neuroglancer-demo.appspot.com/"

_STATE = re.compile(r"neuroglancer(?:-(-?[0-9]{1,9}(?:\.[0-9]{1,9})?))?\.json", re.ASCII)

_UM = [1e-6, "m"]
_SCREEN = (1200, 800)
"""Pixels that a section is to fit in."""

_COLOURS = (
    "void main() { emitRGB(vec3(toNormalized(getDataValue(0)), toNormalized(getDataValue(1)), "
    "toNormalized(getDataValue(2)))); }"
)
_GREY = "#uicontrol invlerp normalized\nvoid main() { emitGrayscale(normalized()); }"

_VIEWING: PerProcess[list[Server]] = PerProcess(list)
"""The server of this process, once something is looked at."""


def viewer_state(store: PlanStore, url: str, *, at: float | None = None) -> dict[str, Any]:
    """Return the state in which neuroglancer shows a section of what is served. Pure.

    Parameters
    ----------
    store : PlanStore
        What is served.
    url : str
        Where.
    at : float, optional
        The coordinate of the section that is nearest to it, in micrometres. Default: the middle
        section's.
    """
    pyramid = store.pyramid
    z, y, x = pyramid.axes(0)
    plane = _plane(store, at)
    position = [axis.first + (axis.size - 1) / 2 * axis.step for axis in (x, y)]
    scale = max(x.size * x.step / _SCREEN[0], y.size * y.step / _SCREEN[1])
    layers = [
        {
            "type": "image",
            "name": pyramid.variable,
            "source": _source(store, url, "c^"),  # the name that a shader takes channels by
            "shader": _COLOURS if pyramid.channels == 3 else _GREY,
            "opacity": 1,
        }
    ]
    if f"{GROUP}/{NAME}/" in store.images:
        layers.append(
            {
                "type": "segmentation",
                "name": NAME,
                "source": _source(store, f"{url}{GROUP}/{NAME}/", "c'"),
                "selectedAlpha": 0.3,
                "segmentColors": _colours(store),
            }
        )
    return {
        "dimensions": {"x": _UM, "y": _UM, "z": _UM},
        "position": [*position, float(z.centres[plane])],
        "crossSectionScale": scale,
        "layout": "xy",
        "showAxisLines": False,
        "layers": layers,
        "selectedLayer": {"layer": pyramid.variable},
    }


def viewer_link(url: str, *, at: float | None = None, viewer: str = NEUROGLANCER) -> str:
    """Return the address at which neuroglancer shows a section of what is served at a URL.

    It leads to the state, and so is short: with the colours of a thousand structures, others are
    not.
    """
    name = "" if at is None else f"-{float(at):g}"
    return f"{viewer}#!{url}neuroglancer{name}.json"


def state_asked(store: PlanStore, address: str) -> dict[str, Any] | None:
    """Return the state that a link leads to, by its whole address; None if it leads to none."""
    url, _, name = address.rpartition("/")
    found = _STATE.fullmatch(name)
    if found is None:
        return None
    return viewer_state(store, f"{url}/", at=None if found[1] is None else float(found[1]))


def view(
    store: PlanStore,
    name: str,
    *,
    at: float | None = None,
    viewer: str = NEUROGLANCER,
    open_browser: bool = True,
) -> str:
    """Serve a store from a thread of this process, and open it in a viewer.

    Parameters
    ----------
    store : PlanStore
        What to look at.
    name : str
        What it is called in addresses.
    at : float, optional
        As for `viewer_state`.
    viewer : str
        Where neuroglancer is.
    open_browser : bool
        Whether to open it.

    Returns
    -------
    str
        The link. It can be followed for as long as this process lives.
    """
    from atldld_xr.serve.server import Server

    if at is not None:
        _plane(store, at)  # refused before anything runs
    running = _VIEWING()
    if not running:
        running.append(Server({}, port=0).start())
    own = f"{name}-{store.digest[:8]}"  # of another slice there is another
    link = viewer_link(running[0].add(own, store), at=at, viewer=viewer)
    if open_browser:
        webbrowser.open(link)
    return link


def stop_viewing() -> None:
    """End the server of this process; links to it lead nowhere then."""
    running = _VIEWING()
    while running:
        running.pop().stop()


def _plane(store: PlanStore, at: Any) -> int:
    """Return the plane of the section that is meant."""
    planes = store.pyramid.planes
    if at is None:
        return sorted(planes.places)[len(planes.places) // 2]
    if isinstance(at, bool) or not isinstance(at, int | float | np.number) or not np.isfinite(at):
        raise InvalidArgumentError(f"at is a coordinate in micrometres, not {short(at)}")
    return planes.places[int(np.argmin(np.abs(np.array(planes.positions) - float(at))))]


def _source(store: PlanStore, url: str, channel: str) -> dict[str, Any]:
    names = ("z", "y", "x")
    sizes = {
        name: [axis.step * 1e-6, "m"]
        for name, axis in zip(names, store.pyramid.axes(0), strict=True)
    }
    return {"url": f"zarr://{url}", "transform": {"outputDimensions": {channel: [1, ""]} | sizes}}


def _colours(store: PlanStore) -> dict[str, str]:
    """Return the ontology's colours of what labels there are, as they are in the labels' group."""
    group = json.loads(store.files[f"{GROUP}/{NAME}/zarr.json"])
    entries = group["attributes"]["ome"]["image-label"]["colors"]
    return {
        str(entry["label-value"]): "#{:02x}{:02x}{:02x}".format(*entry["rgba"][:3])
        for entry in entries
    }
