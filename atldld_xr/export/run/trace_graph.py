"""Finding the tasks of an export: arrays followed through their graphs, back to their plans.

The graphs say what was sliced, whoever did it. Arrays that more was done to are left to Dask.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
from dask.array.chunk import getitem
from dask.task_spec import Alias, TaskRef

from atldld_xr.arrays.dask_graph import BlockLayer, FetchLayer, SectionLayer
from atldld_xr.arrays.volume_variables import VolumeStatus
from atldld_xr.export.run.section_tasks import ChunkTask, SectionTask, SectionValue, TileInput
from atldld_xr.plan.load_plan import Block, LoadPlan, SectionPlan
from atldld_xr.sources.protocol import Source
from atldld_xr.store.chunk_encoding import ChunkPlace


class SectionTasks:
    """The section tasks of some arrays, made when they are asked for.

    Parameters
    ----------
    arrays : mapping of dask.array.Array
        By name. Those that are not plain slices of a plan are left out.
    chunks : mapping of tuple
        The sizes of the chunks that each is to be written in.
    """

    def __init__(self, arrays: Mapping[str, Any], chunks: Mapping[str, tuple[int, ...]]) -> None:
        traces = {name: Trace(array, chunks[name]) for name, array in arrays.items()}
        self.traces = {name: trace for name, trace in traces.items() if trace.is_plain}

    @property
    def names(self) -> set[str]:
        """The arrays that section tasks are of; the others are for Dask to make."""
        return set(self.traces)

    @property
    def contents(self) -> dict[str, str]:
        """Of each array, a name that no other content has."""
        return {name: trace.content_token for name, trace in self.traces.items()}

    @property
    def on_error(self) -> str | None:
        """What is done about sections that cannot be read; None if there are no arrays."""
        answers = {trace.on_error for trace in self.traces.values()}
        # Where some raise, nothing may be left.
        return "raise" if "raise" in answers else next(iter(answers), None)

    @property
    def count(self) -> int:
        """How many there are."""
        return max((trace.array.shape[0] for trace in self.traces.values()), default=0)

    def section_task(self, at: int, is_missing: Callable[[str, ChunkPlace], bool]) -> SectionTask:
        """Return what is wanted of a section: chunks and values, by name of the array and place."""
        inputs: dict[Any, int] = {}
        tile_inputs: list[TileInput] = []

        def tile_input(source: Source, plan: LoadPlan, section: SectionPlan) -> int:
            # The plans of one Dataset share their sections; to compare these takes long.
            key = (id(source), id(section), plan.view, plan.on_error)
            if key not in inputs:
                inputs[key] = len(tile_inputs)
                tile_inputs.append(TileInput(source, section, plan.view, plan.on_error))
            return inputs[key]

        chunk_tasks: list[ChunkTask] = []
        values: list[SectionValue] = []
        for name, trace in self.traces.items():
            places = [place for place in trace.places(at) if is_missing(name, place)]
            if places and trace.is_value:
                values.append(trace.value(name, at, tile_input))
            elif places:
                chunk_tasks += trace.chunk_tasks(name, places, tile_input)
        if values:
            tiles_available = self._tiles_available(at, is_missing, tile_input)
            values = [value.without(tiles_available) for value in values]
        chunk_tasks.sort(key=lambda chunk_task: (chunk_task.block.y0, chunk_task.block.x0))
        return SectionTask(at, tuple(tile_inputs), tuple(chunk_tasks), tuple(values))

    def _tiles_available(
        self, at: int, is_missing: Callable[[str, ChunkPlace], bool], tile_input: Callable[..., int]
    ) -> set[tuple[int | None, int, int]]:
        """Return the tiles that what is done shows: they could be had.

        Where a section is told of, all of it is done at once. What is done of one that is not was
        made by a run that left none at the fill value.
        """
        tiles_available = set()
        for name, trace in self.traces.items():
            done = [place for place in trace.places(at) if not is_missing(name, place)]
            if done and not trace.is_value:
                chunk_tasks = trace.chunk_tasks(name, done, tile_input)
                tiles_available |= {
                    (u.tile_input, *tile)
                    for u in chunk_tasks
                    if u.uses_pixels
                    for tile in u.tiles()
                }
        return tiles_available

    def unproven(
        self, is_done: Callable[[str, ChunkPlace], bool]
    ) -> Iterator[tuple[str, ChunkPlace]]:
        """Yield what was made as if all tiles could be had, but for those that something shows."""
        for at in range(self.count):
            section_task = self.section_task(at, is_done)
            tiles_available = {
                (u.tile_input, *tile)
                for u in section_task.chunk_tasks
                if u.uses_pixels
                for tile in u.tiles()
            }
            for chunk_task in section_task.chunk_tasks:
                if not all(
                    (chunk_task.tile_input, *tile) in tiles_available for tile in chunk_task.tiles()
                ):
                    yield chunk_task.array, chunk_task.place


class Trace:
    """An array followed through its Dask graph, back to the plan it was sliced from.

    Parameters
    ----------
    array : dask.array.Array
        The array.
    chunks : tuple of int
        The sizes of the chunks that it is to be written in: a plan makes any.
    """

    def __init__(self, array: Any, chunks: tuple[int, ...]) -> None:
        self.array, self.chunks = array, chunks
        layers = array.dask.layers
        self._made = {k: v for k, v in layers.items() if isinstance(v, BlockLayer | SectionLayer)}
        self.fetches = {k: v for k, v in layers.items() if isinstance(v, FetchLayer)}
        ours = self._made.keys() | self.fetches.keys()
        self._slice_layers = [layer for name, layer in layers.items() if name not in ours]

    @property
    def is_value(self) -> bool:
        """Whether it has a value a section, and not blocks."""
        return isinstance(next(iter(self._made.values())), SectionLayer)

    @property
    def on_error(self) -> str:
        """What is done about sections that cannot be read."""
        answers = {plan.on_error for layer in self._made.values() for plan in layer.variable.plans}
        return "raise" if "raise" in answers else "fill"

    @cached_property
    def is_plain(self) -> bool:
        """Whether it is a part of what a plan makes, with a section to each chunk."""
        if any(isinstance(layer.variable, VolumeStatus) for layer in self._made.values()):
            return False  # with the voxels, by Dask: else all tiles would be read for it alone
        if not self._made or not self.array.ndim or set(self.array.chunks[0]) - {1}:
            return False
        if self.chunks[0] != 1 and not self.is_value:
            return False
        if self.array.name in self._made:
            return True
        offsets: dict[ChunkPlace, Any] = {}
        return all(self._is_contiguous(p, offsets) for p in np.ndindex(*self.array.numblocks))

    @cached_property
    def content_token(self) -> str:
        """Name what is in it, whoever sliced it how, and in whatever chunks."""
        zeros = (0,) * (self.array.ndim - 1)
        sections = [self._offset_in_plan((at, *zeros)) for at in range(self.array.shape[0])]
        return sha256(repr((self.array.shape, sections)).encode()).hexdigest()

    def places(self, at: int) -> Iterator[ChunkPlace]:
        """Yield the places of a section's chunks in the store."""
        if at < self.array.shape[0]:
            counts = (
                -(-n // c) for n, c in zip(self.array.shape[1:], self.chunks[1:], strict=True)
            )
            for place in np.ndindex(*counts):
                yield (at, *place)

    def origin(self, at: int) -> tuple[Any, tuple[Any, ...], list[range]]:
        """Return the layer, and key there, of a section's first chunk, and what of that it is."""
        origin = self._origin((at, *(0,) * (self.array.ndim - 1)))
        assert origin is not None
        return origin

    def chunk_tasks(
        self, name: str, places: Sequence[ChunkPlace], tile_input: Callable[..., int]
    ) -> Iterator[ChunkTask]:
        """Yield chunks of one section as things to be made and written."""
        layer, (_, index, row, column, *_), ranges = self.origin(places[0][0])
        plan, section = layer.variable.plan, layer.variable.plan.sections[index]
        corner = plan.block(row, column)
        y0, x0 = corner.y0 + ranges[1].start, corner.x0 + ranges[2].start
        number = None
        if layer.variable.needs_tiles:
            number = tile_input(self.fetches[layer.fetch].source, plan, section)
        _, rows, columns, *_ = self.array.shape
        for place in places:
            (top, left), (high, wide) = place[1:3], self.chunks[1:3]
            block = Block(
                y0 + top * high,
                y0 + min((top + 1) * high, rows),
                x0 + left * wide,
                x0 + min((left + 1) * wide, columns),
            )
            trailing = tuple(
                _slice_of(r[at * size : (at + 1) * size])
                for r, at, size in zip(ranges[3:], place[3:], self.chunks[3:], strict=True)
            )
            make, uses_pixels = layer.variable.make, layer.variable.uses_pixels
            yield ChunkTask(
                name, place, make, section, block, trailing, number, uses_pixels=uses_pixels
            )

    def value(self, name: str, at: int, tile_input: Callable[..., int]) -> SectionValue:
        """Return a section's value as something to be made."""
        layer, (_, index), _ = self.origin(at)
        variable = layer.variable
        needs = tuple(
            (
                tile_input(self.fetches[fetch].source, plan, plan.sections[index]),
                tuple(variable.places(plan, index)),
            )
            for fetch, plan in layer.fetches.items()
        )
        return SectionValue(name, variable.maker(index), needs)

    def _is_contiguous(self, place: ChunkPlace, offsets: dict[ChunkPlace, Any]) -> bool:
        """Return whether a chunk goes on where the ones above and to its left, seen before, end."""
        offset = offsets[place] = self._offset_in_plan(place)
        if offset is None or any(place[3:]):
            return False
        for axis in (1, 2):
            if len(place) > axis and place[axis]:
                before = (*place[:axis], place[axis] - 1, *place[axis + 1 :])
                offset_before = offsets[before]
                step = self.array.chunks[axis][before[axis]]
                if (
                    offset_before is None
                    or offset[0] != offset_before[0]
                    or offset[axis] != offset_before[axis] + step
                ):
                    return False
                if offset[3 - axis] != offset_before[3 - axis]:
                    return False
        return True

    def _offset_in_plan(self, place: ChunkPlace) -> Any:
        """Return what section a chunk is of, and its first row and column in the plan."""
        origin = self._origin(place)
        if origin is None:
            return None
        layer, key, ranges = origin
        if isinstance(layer, SectionLayer):
            return ((layer.content_token, key[1]),)
        block = layer.variable.plan.block(*key[2:4])
        trailing = tuple((r.start, r.step, len(r)) for r in ranges[3:])
        return (
            (layer.content_token, key[1], trailing),
            block.y0 + ranges[1].start,
            block.x0 + ranges[2].start,
        )

    def _origin(self, place: ChunkPlace) -> tuple[Any, tuple[Any, ...], list[range]] | None:
        """Return a chunk's layer of the plan, its key there, and what of that chunk it is."""
        key: Any = (self.array.name, *place)
        cuts: list[tuple[Any, ...]] = []
        while not isinstance(key, tuple) or key[0] not in self._made:
            layer = next((layer for layer in self._slice_layers if key in layer), None)
            if layer is None:
                return None
            task = layer[key]
            if isinstance(task, Alias):
                key = task.target
                continue
            index = _index(layer, task)
            if index is None:
                return None
            key = task.args[0].key
            cuts.append(index)
        ranges = [range(size) for size in self._sizes(key)]
        for index in reversed(cuts):
            if len(index) != len(ranges):
                return None
            ranges = [r[k] for r, k in zip(ranges, index, strict=True)]
        # Of one pixel, or one section, any step is none.
        if any(r.step != 1 and len(r) > 1 for r in ranges[:3]) or not all(map(len, ranges)):
            return None
        return self._made[key[0]], key, ranges

    def _sizes(self, key: tuple[Any, ...]) -> tuple[int, ...]:
        layer = self._made[key[0]]
        if isinstance(layer, SectionLayer):
            return (1,)
        block = layer.variable.plan.block(*key[2:4])
        return (1, *block.shape, *(size for _, size in layer.variable.trailing_dims))


def _index(layer: Any, task: Any) -> tuple[slice, ...] | None:
    """Return what a task cuts from another's result, if that is all that it does, in slices."""
    func, args = getattr(task, "func", None), list(getattr(task, "args", ()))
    if len(args) != 2 or not isinstance(args[0], TaskRef):
        return None
    index: Any = args[1]
    if getattr(func, "__name__", "") == "_getitem" and isinstance(index, TaskRef):
        # How Dask takes a list of sections: the index is in a node of its own, after a count.
        index = getattr(layer.get(index.key), "value", (None, None))[1]
    elif func not in (operator.getitem, getitem):
        return None
    slices = [_as_slice(k) for k in (index if isinstance(index, tuple) else (index,))]
    return None if None in slices else tuple(k for k in slices if k is not None)


def _slice_of(indices: range) -> slice:
    """Return the slice that reaches some indices, which may run backwards to the first."""
    stop = indices.stop if indices.stop >= 0 else None
    return slice(indices.start, stop, indices.step)


def _as_slice(index: Any) -> slice | None:
    if isinstance(index, slice):
        return index
    if (
        isinstance(index, np.ndarray)
        and index.ndim == 1
        and index.dtype.kind in "iu"
        and len(index)
    ):
        first = int(index[0])
        if np.array_equal(index, np.arange(first, first + len(index))):
            return slice(first, first + len(index))
    return None
