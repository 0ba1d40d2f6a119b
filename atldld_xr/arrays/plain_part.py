"""Whether a lazy variable has a plan's own pixels, of which some may be selected, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from atldld_xr.arrays.readers import unwrapped
from atldld_xr.arrays.variables import BlockVariable
from atldld_xr.sources.protocol import Source


@dataclass(frozen=True)
class PlainPart:
    """What makes the pixels of a variable.

    Attributes
    ----------
    made : BlockVariable
        What is selected from, channels in their order.
    source : Source
        Where its tiles come from.
    """

    made: BlockVariable
    source: Source


def plain_part(variable: xr.Variable) -> PlainPart | None:
    """Return what a variable is a part of; None if anything else was done to it.

    Which sections, rows and columns it has, its coordinates tell. Channels have none, so of those
    whose order may have changed nothing is returned.

    Parameters
    ----------
    variable : xarray.Variable
        Of a Dataset; without Dask, by our own graphs, or in chunks that xarray has made.
    """
    if variable.chunks is None:
        return _without_dask(variable._data)
    from dask.task_spec import DataNode

    from atldld_xr.arrays.dask_graph import BlockLayer, FetchLayer

    layers = variable.data.dask.layers
    found: list[PlainPart | None] = []
    is_forwards = True
    for name, layer in layers.items():
        if isinstance(layer, BlockLayer):
            found.append(PlainPart(layer.variable, layer.source))
        elif name.startswith("getitem-"):
            is_forwards &= _selects_forwards(layer)
        elif name.startswith("original-"):  # what xarray makes chunks of
            held = (node.value if isinstance(node, DataNode) else node for node in layer.values())
            found += [_without_dask(getattr(array, "array", None)) for array in held]
        elif not isinstance(layer, FetchLayer) and f"original-{name}" not in layers:
            return None
    part = found[0] if len(found) == 1 else None
    return part if part is not None and (is_forwards or not part.made.trailing_dims) else None


def _without_dask(array: Any) -> PlainPart | None:
    from atldld_xr.arrays.lazy_array import PlanArray

    array, keys = unwrapped(array)
    if not isinstance(array, PlanArray) or not isinstance(array.variable, BlockVariable):
        return None
    made = array.variable
    is_forwards = all(_runs_forwards(key[1]) for key in keys if key is not None)
    return PlainPart(made, array.source) if is_forwards or not made.trailing_dims else None


def _runs_forwards(index: Any) -> bool:
    """Return whether the last axis is taken by a slice that runs forwards."""
    last = index[-1] if isinstance(index, tuple) and index else None
    return isinstance(last, slice) and (last.step is None or last.step > 0)


def _selects_forwards(layer: Mapping[Any, Any]) -> bool:
    from dask.task_spec import Alias, DataNode

    # A layer may have several steps. The others are all of a block, or an index of tasks.
    return all(
        _runs_forwards(_index_of(node, layer))
        for node in layer.values()
        if not isinstance(node, Alias | DataNode)
    )


def _index_of(node: Any, layer: Mapping[Any, Any]) -> Any:
    """Return what a task takes of a block; None if that cannot be told."""
    from dask.task_spec import TaskRef

    args: Any = getattr(node, "args", ())
    index = args[1] if len(args) > 1 else None
    if not isinstance(index, TaskRef):
        return index
    # Places that are taken one by one: how many axes they are along, and the index.
    found: Any = getattr(layer.get(index.key), "value", ())
    return found[-1] if found else None
