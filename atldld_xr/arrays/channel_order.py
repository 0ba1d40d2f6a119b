"""Whether Dask's selections of a lazy array leave its channels in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dask.task_spec import Alias, DataNode, TaskRef


def keeps_channels(layers: Mapping[str, Mapping[Any, Any]]) -> bool:
    """Return whether what selects takes the last axis by slices that run forwards.

    Channels have no coordinate, so nothing else tells of red and blue that have changed places.

    Parameters
    ----------
    layers : mapping
        Of a graph, by name; only those that select are looked at.
    """
    return all(
        _runs_forwards(layer) for name, layer in layers.items() if name.startswith("getitem-")
    )


def _runs_forwards(layer: Mapping[Any, Any]) -> bool:
    # The last axis is one block, so that all tasks take the same of it.
    for node in layer.values():
        if not isinstance(node, Alias | DataNode):  # all of a block; an index of others
            index = _index_of(node, layer)
            last = index[-1] if isinstance(index, tuple) and index else None
            return isinstance(last, slice) and (last.step is None or last.step > 0)
    return True


def _index_of(node: Any, layer: Mapping[Any, Any]) -> Any:
    """Return what a task takes of a block; None if that cannot be told."""
    args: Any = getattr(node, "args", ())
    index = args[1] if len(args) > 1 else None
    if not isinstance(index, TaskRef):
        return index
    # Places that are taken one by one: how many axes they are along, and the index.
    found: Any = getattr(layer.get(index.key), "value", ())
    return found[-1] if found else None
