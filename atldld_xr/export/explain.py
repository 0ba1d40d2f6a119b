"""What an export takes: its own section tasks and batches are made, and not carried out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
import xarray as xr
from dask.delayed import Delayed

from atldld_xr.arrays.fetch import plan_pieces
from atldld_xr.arrays.graph_needs import GraphNeeds, needed_tasks
from atldld_xr.arrays.needs import BlockGrid, KeptTiles, Needs
from atldld_xr.arrays.variables import TilePlace
from atldld_xr.arrays.window_blocks import whole_blocks
from atldld_xr.datasets.explain import Explanation, explain_needs
from atldld_xr.datasets.sections import sections_of
from atldld_xr.export.choose import choose
from atldld_xr.export.run.on_dask import batches
from atldld_xr.export.run.trace_graph import SectionTasks, Trace
from atldld_xr.export.to_zarr import lazy_dataset, reasons, regular_dataset
from atldld_xr.plan.load_plan import Block, LoadPlan, SectionPlan
from atldld_xr.sources.protocol import Source


def explain_export(dataset: xr.Dataset, **assumed: float) -> Explanation:
    """Return what `to_zarr` takes, with its defaults, where there is no store yet.

    Parameters
    ----------
    dataset : xarray.Dataset
        Whole, sliced, or with more done to it. What is not lazy takes nothing.
    **assumed : float
        As for `explain_needs`.
    """
    chosen = choose(dataset, None)
    lazy = lazy_dataset(chosen)
    regular = regular_dataset(lazy)
    arrays = {str(name): v.data for name, v in regular.variables.items() if v.chunks is not None}
    section_tasks = SectionTasks(
        {name: lazy.variables[name].data for name in arrays},
        {name: tuple(map(max, array.chunks)) for name, array in arrays.items()},
    )
    needs = Needs()
    _explain_sections(section_tasks, needs)
    others = {name: array for name, array in arrays.items() if name not in section_tasks.names}
    why = reasons(chosen, section_tasks.names)
    # As `compute_and_write` has them: values come first.
    by_dask = sorted((*why.values(), *others.values()), key=lambda array: array.ndim > 1)
    _explain_dask(by_dask, needs)
    large = [array for array in arrays.values() if array.ndim > 1]
    return explain_needs(
        needs,
        sections_of(dataset),
        output_bytes=sum(array.nbytes for array in large),
        chunks=sum(prod(array.numblocks) for array in large),
        **assumed,
    )


def _explain_sections(section_tasks: SectionTasks, needs: Needs) -> None:
    for at in range(section_tasks.count):
        inputs: dict[Any, Any] = {}
        for trace in section_tasks.traces.values():
            if at >= trace.array.shape[0]:
                continue
            for source, plan, section, places in _inputs(trace, at, needs):
                # As `SectionTasks.section_task` tells them apart.
                key = (id(source), id(section), plan.view, plan.on_error)
                inputs.setdefault(key, (source, section, plan.view, {}))[3].update(
                    dict.fromkeys(places)
                )
        for source, section, view, places in inputs.values():
            needs.ask_for_pieces(section, view, plan_pieces(source, section, places, view))


def _inputs(
    trace: Trace, at: int, needs: Needs
) -> Iterator[tuple[Source, LoadPlan, SectionPlan, list[TilePlace]]]:
    """Enter the chunks of a section, and yield what is read for them, with its tiles."""
    layer, (_, index, *corner), ranges = trace.origin(at)
    variable = layer.variable
    if trace.is_value:
        for fetch, plan in layer.fetches.items():
            source = trace.fetches[fetch].source
            yield source, plan, plan.sections[index], variable.places(plan, index)
        return
    plan, section = variable.plan, variable.plan.sections[index]
    first = plan.block(*corner[:2])
    (_, rows, columns, *trailing), (_, high, wide, *parts) = trace.array.shape, trace.chunks
    y0, x0 = first.y0 + ranges[1].start, first.x0 + ranges[2].start
    grid = BlockGrid(y0, x0, _sizes(rows, high), _sizes(columns, wide))
    count = prod(-(-n // size) for n, size in zip(trailing, parts, strict=True))
    needs.make_all(section, grid, count)
    if variable.needs_tiles:
        # As many as all chunks need: those of a part do not depend on how it is cut.
        places = variable.places(section, Block(y0, y0 + rows, x0, x0 + columns))
        yield trace.fetches[layer.fetch].source, plan, section, places


def _sizes(whole: int, size: int) -> tuple[int, ...]:
    return tuple(min(size, whole - at) for at in range(0, whole, size))


def _explain_dask(arrays: Sequence[Any], needs: Needs) -> None:
    chunks = (
        Delayed((array.name, *place), array.dask, layer=array.name)
        for array in arrays
        for place in np.ndindex(*array.numblocks)
    )
    graph_needs = GraphNeeds(needs, KeptTiles())
    with whole_blocks():
        for batch in batches(chunks):
            keys = [chunk.key for chunk in batch.chunks]
            graph_needs.add(needed_tasks(batch.needed, keys))
