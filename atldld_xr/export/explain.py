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
from atldld_xr.store.layout import check_not_empty


def explain_export(dataset: xr.Dataset, **assumed: float) -> Explanation:
    """Return what `to_zarr` takes, with its defaults, where there is no store yet.

    Parameters
    ----------
    dataset : xarray.Dataset
        Whole, sliced, or with more done to it. What is not lazy takes nothing.
    **assumed : float
        As for `explain_needs`.

    Raises
    ------
    InvalidArgumentError
        If there is nothing in it, as `to_zarr`.
    """
    chosen = choose(dataset, None)
    lazy = lazy_dataset(chosen)
    check_not_empty(lazy)
    arrays = {str(name): v.data for name, v in lazy.variables.items() if v.chunks is not None}
    # As a store has them: of one size in each array.
    chunks = {name: tuple(map(max, array.chunks)) for name, array in arrays.items()}
    section_tasks = SectionTasks(arrays, chunks)
    needs = Needs()
    _explain_sections(section_tasks, needs)
    others = regular_dataset(lazy.drop_vars(list(section_tasks.names)))
    why = reasons(chosen, section_tasks.names)
    dask_arrays = [v.data for v in others.variables.values() if v.chunks is not None]
    # As `compute_and_write` has them: values come first.
    _explain_dask(sorted([*why.values(), *dask_arrays], key=lambda array: array.ndim > 1), needs)
    large = [name for name, array in arrays.items() if array.ndim > 1]
    return explain_needs(
        needs,
        sections_of(dataset),
        output_bytes=sum(arrays[name].nbytes for name in large),
        chunks=sum(
            prod(-(-n // size) for n, size in zip(arrays[name].shape, chunks[name], strict=True))
            for name in large
        ),
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
