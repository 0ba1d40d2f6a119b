"""The Dask executor of volumes: tiles are fetched once each, and boxes made of those of sections.

Fetches have the names that those of registered sections have: a volume and a Dataset of one data
set share them when they are computed together.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import product
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph, Layer
from dask.task_spec import Task, TaskRef
from numpy.typing import NDArray

from atldld_xr.arrays.dask_graph import FetchLayer, Key, VariableLayer, array_name, fetch_name
from atldld_xr.arrays.variables import TilePlace
from atldld_xr.arrays.volume_variables import Order, VolumeVariable, make_box
from atldld_xr.plan.volume_plan import Box, VolumePlan
from atldld_xr.sources.protocol import Source


def volume_array(variable: VolumeVariable, source: Source, source_token: str) -> da.Array:
    """Return a variable of a volume as a Dask array.

    Parameters
    ----------
    variable : VolumeVariable
        What to make.
    source : Source
        Where tiles come from.
    source_token : str
        Its `dask.base.tokenize`.

    Raises
    ------
    InvalidArgumentError
        If Dask is set to ``array.query-planning``, which takes no graphs made by hand.
    """
    fetch = fetch_name(source_token, variable.plan.reading) if variable.needs_tiles else ""
    name = array_name(variable, [fetch])
    layers: dict[str, Layer] = {name: VolumeLayer(name, variable, source_token, fetch)}
    dependencies: dict[str, set[str]] = {name: set()}
    if fetch:
        layers[fetch] = VolumeFetchLayer(fetch, variable.plan, source)
        dependencies |= {name: {fetch}, fetch: set()}
    chunks = (*variable.chunks, *((size,) for _, size in variable.trailing_dims))
    meta = np.empty((0,) * len(chunks), dtype=variable.dtype)
    return da.Array(HighLevelGraph(layers, dependencies), name, chunks, meta=meta)


class VolumeFetchLayer(FetchLayer):
    """A task for every tile that any voxel can need."""

    def __init__(self, name: str, volume: VolumePlan, source: Source) -> None:
        super().__init__(name, volume.reading, source)
        self.volume = volume

    def places(self) -> Iterator[Key]:
        """Yield (section, tile row, tile column)."""
        for index, places in self.volume.needs(self.volume.whole).items():
            for place in places:
                yield index, *place


class VolumeLayer(VariableLayer):
    """A task for every chunk of a volume's variable."""

    variable: VolumeVariable

    def __init__(self, name: str, variable: VolumeVariable, source_token: str, fetch: str) -> None:
        super().__init__(name, variable, source_token)
        self.fetch = fetch

    @cached_property
    def content_token(self) -> str:
        """Name what is made, in whatever chunks, and whatever is done about errors."""
        variable = self.variable
        content = variable.plan.content_token, variable.order
        return str(tokenize(variable.make, content, self._source_token))

    def places(self) -> Iterator[Key]:
        """Yield (chunk along each axis, 0, ...)."""
        zeros = [range(1)] * len(self.variable.trailing_dims)
        return product(*map(range, self.variable.numblocks), *zeros)

    def task(self, key: Key) -> Task:
        """Return the task that makes a chunk of its tiles."""
        variable = self.variable
        box = variable.chunk(key[1:4])
        plan, first = variable.plan.cut(box)
        places = tuple((n, at) for n, own in variable.needs(box).items() for at in own)
        tiles = (TaskRef((self.fetch, n, *at)) for n, at in places)
        moved = tuple((n - first, at) for n, at in places)
        return Task(key, make_chunk, variable.make, variable.order, plan, box, moved, *tiles)


def make_chunk(
    make: Any,
    order: Order,
    plan: VolumePlan,
    box: Box,
    places: tuple[tuple[int, TilePlace], ...],
    *tiles: Any,
) -> NDArray[Any]:
    by_section: dict[int, dict[TilePlace, Any]] = {}
    for (n, at), tile in zip(places, tiles, strict=True):
        by_section.setdefault(n, {})[at] = tile
    return make_box(make, order, plan, box, by_section)
