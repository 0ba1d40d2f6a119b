"""The Dask executor: a plan as a graph of two layers, fetch and make.

A tile is one task however many blocks share it, and tasks carry a section's plan and a few numbers,
never pixels. Names depend on the arguments alone.
"""

from __future__ import annotations

from typing import Any

import dask
import dask.array as da
import numpy as np
from dask._task_spec import Task, TaskRef
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.fetch import fetch_tile
from atldld_xr.plan import Block, LoadPlan, SectionPlan
from atldld_xr.sources.base import Source
from atldld_xr.variables import BlockVariable, Place, SectionVariable

Layer = dict[tuple[Any, ...], Task]


def dask_array(
    variable: BlockVariable | SectionVariable, source: Source, source_token: str
) -> da.Array:
    """Return a variable as a Dask array: a section and block, or a section, per chunk.

    Parameters
    ----------
    variable : BlockVariable or SectionVariable
        What to make. Variables of one plan share their fetches when computed together.
    source : Source
        Where tiles come from.
    source_token : str
        Its `dask.base.tokenize`, taken once: variables share fetches only under one name, even
        where a source of the user's own gives another token each time.

    Raises
    ------
    InvalidArgumentError
        If Dask is set to ``array.query-planning``, which takes no graphs made by hand.
    """
    if dask.config.get("array.query-planning", None):
        raise InvalidArgumentError(
            "Dask's array.query-planning takes no graphs made by hand: unset it "
            "(dask.config.set({'array.query-planning': False})), or use chunks=None"
        )
    if isinstance(variable, BlockVariable):
        return _block_array(variable, source, source_token)
    return _section_array(variable, source, source_token)


def _block_array(variable: BlockVariable, source: Source, source_token: str) -> da.Array:
    plan = variable.plan
    fetch = _fetch_name(source_token, plan)
    token = tokenize(fetch, plan, variable.make, variable.last, variable.dtype)
    name = f"atldld-{variable.name}-{token}"
    blocks = list(plan.blocks())
    zeros = (0,) * len(variable.last)
    layer: Layer = {}
    for index, section in enumerate(plan.sections):
        for row, column, block in blocks:
            places = tuple(variable.places(section, block))
            tiles = [TaskRef((fetch, index, *place)) for place in places]
            key = (name, index, row, column, *zeros)
            layer[key] = Task(key, _make_block, variable.make, section, block, places, *tiles)
    fetches = {fetch: _fetch_layer(fetch, plan, source)} if variable.reads else {}
    chunks = ((1,) * len(plan.sections), *plan.chunks, *((size,) for _, size in variable.last))
    return _array(name, layer, fetches, chunks, variable.dtype)


def _section_array(variable: SectionVariable, source: Source, source_token: str) -> da.Array:
    fetches = {_fetch_name(source_token, plan): plan for plan in variable.plans}
    name = f"atldld-{variable.name}-{tokenize(list(fetches), variable.plans, variable.make)}"
    layer: Layer = {}
    for index in range(variable.shape[0]):
        tiles = [
            TaskRef((fetch, index, *place))
            for fetch, plan in fetches.items()
            for place in variable.places(plan, index)
        ]
        key = (name, index)
        layer[key] = Task(key, _make_value, variable.make, variable.dtype, *tiles)
    layers = {fetch: _fetch_layer(fetch, plan, source) for fetch, plan in fetches.items()}
    return _array(name, layer, layers, ((1,) * variable.shape[0],), variable.dtype)


def _fetch_name(source_token: str, plan: LoadPlan) -> str:
    """Name a plan's fetches by what they read alone, so that chunkings and variables share them."""
    reads = [(s.image, s.tier, s.reduction, s.tile_side) for s in plan.sections]
    return f"atldld-fetch-{tokenize(source_token, reads, plan.view, plan.on_error)}"


def _fetch_layer(name: str, plan: LoadPlan, source: Source) -> Layer:
    """Return a task for every tile that any chunking can need; Dask culls what this one does not.

    Layers of one name must have one content, as Dask merges them by name.
    """
    layer: Layer = {}
    for index, section in enumerate(plan.sections):
        for place in section.tiles(plan.whole):
            key = (name, index, *place)
            layer[key] = Task(key, fetch_tile, source, section, place, plan.view, plan.on_error)
    return layer


def _array(
    name: str,
    layer: Layer,
    fetches: dict[str, Layer],
    chunks: tuple[tuple[int, ...], ...],
    dtype: np.dtype[Any],
) -> da.Array:
    dependencies: dict[str, set[str]] = {fetch: set() for fetch in fetches}
    graph = HighLevelGraph({**fetches, name: layer}, {**dependencies, name: set(fetches)})
    return da.Array(graph, name, chunks, meta=np.empty((0,) * len(chunks), dtype=dtype))


def _make_block(
    make: Any, section: SectionPlan, block: Block, places: tuple[Place, ...], *tiles: Any
) -> NDArray[Any]:
    made: NDArray[Any] = make(section, block, dict(zip(places, tiles, strict=True)))
    return made[np.newaxis]


def _make_value(make: Any, dtype: np.dtype[Any], *tiles: Any) -> NDArray[Any]:
    out = np.empty(1, dtype=dtype)
    out[0] = make(list(tiles))
    return out
