"""What Dask's graphs will ask for: their tasks are looked at as Dask would run them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import dask.array as da
from dask.array.core import getter, getter_inline, getter_nofancy
from dask.array.optimization import optimize
from dask.core import flatten, get_dependencies
from dask.highlevelgraph import HighLevelGraph
from dask.order import order
from dask.task_spec import Alias, DataNode, List, Task, TaskRef
from dask.utils import ensure_dict

from atldld_xr.arrays.dask_graph import make_block
from atldld_xr.arrays.fetch import fetch_pieces, fetch_tile
from atldld_xr.arrays.lazy_needs import is_lazy, read_lazy
from atldld_xr.arrays.needs import KeptTiles, Needs
from atldld_xr.arrays.volume_graph import make_chunk
from atldld_xr.arrays.window_blocks import BlockReader

Lookup = Callable[[Any], Any]
"""Returns the node of a key, or None."""

_GETTERS = (getter, getter_inline, getter_nofancy)


def computed_graph(arrays: Iterable[da.Array]) -> Mapping[Any, Any]:
    """Return the tasks that computing some arrays together runs."""
    graphs, keys = [], []
    for array in arrays:
        graphs.append(array.__dask_graph__())
        keys.append(array.__dask_keys__())
    wanted = list(flatten(keys))
    return needed_tasks(optimize(HighLevelGraph.merge(*graphs), wanted), wanted)


def needed_tasks(graph: Mapping[Any, Any], keys: Iterable[Any]) -> dict[Any, Any]:
    """Return the tasks that some keys need: Dask leaves others in a graph, and runs them not."""
    tasks = ensure_dict(graph)
    found: dict[Any, Any] = {}
    left = list(keys)
    while left:
        key = left.pop()
        if key not in found and key in tasks:
            found[key] = tasks[key]
            left.extend(get_dependencies(tasks, key))
    return found


class GraphNeeds:
    """Enters what the tasks of graphs ask for, with what of it is kept from one to the next.

    Parameters
    ----------
    needs : Needs
        Where it is entered.
    kept : KeptTiles
        The tiles that reading without Dask has left.
    """

    def __init__(self, needs: Needs, kept: KeptTiles) -> None:
        self._needs, self._kept = needs, kept

    def add(self, graph: Mapping[Any, Any]) -> None:
        """Enter what a graph's tasks ask for when they are run."""
        windows: dict[str, KeptTiles] = {}
        nodes: Iterable[Any] = graph.values()
        if any(_is_lazy_source(node) for node in nodes):
            # What is asked for depends on what has been read before.
            nodes = map(graph.get, sorted(graph, key=order(graph).__getitem__))
        for node in nodes:
            self._node(node, graph.get, windows)

    def _node(self, node: Any, lookup: Lookup, windows: dict[str, KeptTiles]) -> None:
        func: Any = getattr(node, "func", None)
        args: Any = getattr(node, "args", ())
        if func is fetch_tile:
            _, section, place, view, _ = args
            self._needs.ask(section, view, section.tile(*place))
        elif func is fetch_pieces:
            _, section, pieces, view, _ = args
            self._needs.ask_for_pieces(section, view, pieces)
        elif func is make_block:
            _, section, block, *_ = args
            self._needs.make(section, (block,))
        elif func is make_chunk:
            _, _, plan, _, places, *_ = args
            for number in sorted({number for number, _ in places}):
                self._needs.make_box(plan.sections[number].section)
        elif func in _GETTERS:
            self._getter(args, lookup, windows)
        elif args and isinstance(args[0], dict) and isinstance(node, Task):
            # Several tasks that Dask runs as one: what comes from outside has names of its own.
            inner, _, names, *given = args
            own = {**inner, **dict(zip(names, given, strict=True))}

            def find(key: Any) -> Any:
                found = own.get(key)
                # What is given by a key may have the same name inside.
                if isinstance(found, TaskRef):
                    return _resolved(found, lookup)
                return found if found is not None else lookup(key)

            for part in inner.values():
                self._node(part, find, windows)

    def _getter(self, args: Any, lookup: Lookup, windows: dict[str, KeptTiles]) -> None:
        array, index = (_resolved(value, lookup) for value in args[:2])
        if isinstance(array, BlockReader):
            window = array.window(index)
            if window is None:
                return
            variable = array.variable
            plan, section = variable.plan, variable.plan.sections[array.section]
            kept = windows.setdefault(array.fetch, KeptTiles())
            self._needs.make(section, (window,))
            places = variable.places(section, window)
            kept.read(self._needs, array.source, plan, array.section, places)
        elif is_lazy(array):
            read_lazy(array, index, self._needs, self._kept)


def _is_lazy_source(node: Any) -> bool:
    return isinstance(node, DataNode) and is_lazy(node.value)


def _resolved(value: Any, lookup: Lookup) -> Any:
    """Return what a reference leads to, by way of other names of it."""
    while isinstance(value, TaskRef | Alias):
        value = lookup(value.target if isinstance(value, Alias) else value.key)
    if isinstance(value, DataNode):
        return value.value
    if isinstance(value, List) and not value.dependencies:
        return value()  # an index, of slices
    return value
