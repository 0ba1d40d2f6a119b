"""Links to what is served: a viewer at a section, with its colours and the annotation over it."""

from __future__ import annotations

import json
import re
import webbrowser
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export.ome.neuroglancer import VIEWER, Layer, layer_of, state_of
from atldld_xr.forks import PerProcess
from atldld_xr.messages.repeating import short
from atldld_xr.serve.labels import GROUP, NAME

if TYPE_CHECKING:
    from atldld_xr.serve.plan_store import PlanStore
    from atldld_xr.serve.server import Server

_STATE = re.compile(r"neuroglancer(?:-(-?[0-9]{1,9}(?:\.[0-9]{1,9})?))?\.json", re.ASCII)

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
    over = [_labels(store, f"{url}{GROUP}/{NAME}/")] if f"{GROUP}/{NAME}/" in store.images else []
    name = store.pyramid.variable
    plane = None if at is None else _plane(store, at)
    state = state_of(store.pyramid, url, name, plane=plane, over=over)
    return state | {"selectedLayer": {"layer": name}}


def viewer_link(url: str, *, at: float | None = None, viewer: str = VIEWER) -> str:
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
    viewer: str = VIEWER,
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
    """Return the plane of the section that is nearest to a coordinate."""
    planes = store.pyramid.planes
    if isinstance(at, bool) or not isinstance(at, int | float | np.number) or not np.isfinite(at):
        raise InvalidArgumentError(f"at is a coordinate in micrometres, not {short(at)}")
    return planes.places[int(np.argmin(np.abs(np.array(planes.positions) - float(at))))]


def _labels(store: PlanStore, url: str) -> Layer:
    return replace(layer_of(store.pyramid, url, NAME), shader=None, colors=_colours(store))


def _colours(store: PlanStore) -> dict[str, str]:
    """Return the ontology's colours of what labels there are, as they are in the labels' group."""
    group = json.loads(store.files[f"{GROUP}/{NAME}/zarr.json"])
    entries = group["attributes"]["ome"]["image-label"]["colors"]
    return {
        str(entry["label-value"]): "#{:02x}{:02x}{:02x}".format(*entry["rgba"][:3])
        for entry in entries
    }
