"""Parts: what an export makes, one section at a time, as data. Pure.

A part is one section of every array, with all that it is made of, so that whoever makes it fetches
each of its tiles once and passes none on. It is read off the arrays' Dask graphs, which say what
was sliced; arrays that more was done to are left to Dask.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from dask._task_spec import Alias, TaskRef
from numpy.typing import NDArray

from atldld_xr.errors import SectionImageError
from atldld_xr.graph import BlockLayer, FetchLayer, SectionLayer
from atldld_xr.plan import Block, LoadPlan, SectionPlan
from atldld_xr.sources.base import Source, View
from atldld_xr.variables import Place as TilePlace
from atldld_xr.warp import Tiles

Place = tuple[int, ...]
"""Of a chunk among the chunks of its array."""


@dataclass(frozen=True)
class Feed:
    """A section image that tiles are read of."""

    source: Source
    section: SectionPlan
    view: View
    on_error: Any


@dataclass(frozen=True)
class Unit:
    """A chunk to be made and written.

    Attributes
    ----------
    array : str
        The array's name.
    place : tuple of int
        The chunk's place in the store.
    make : callable
        As `BlockVariable` has it.
    section : SectionPlan
        The section.
    block : Block
        Which of its pixels.
    last : tuple of slice
        What of the dimensions after x.
    feed : int, optional
        Which of the part's feeds it needs tiles of.
    """

    array: str
    place: Place
    make: Callable[[SectionPlan, Block, Tiles], NDArray[Any]]
    section: SectionPlan
    block: Block
    last: tuple[slice, ...]
    feed: int | None

    def tiles(self) -> list[TilePlace]:
        """Return the tiles that it needs."""
        return [] if self.feed is None else self.section.tiles(self.block)


@dataclass(frozen=True)
class Value:
    """A value that says what could not be read of a section.

    Attributes
    ----------
    name : str
        The array's name.
    make : callable
        As `SectionVariable` has it.
    needs : tuple
        The feeds, and the tiles of each.
    """

    name: str
    make: Callable[[list[SectionImageError]], Any]
    needs: tuple[tuple[int, tuple[TilePlace, ...]], ...]


@dataclass(frozen=True)
class Part:
    """One section of an export.

    Attributes
    ----------
    at : int
        Its place along the first dimension of the arrays.
    feeds : tuple of Feed
        What it reads.
    units : tuple of Unit
        What it writes, in an order in which neighbours need the same tiles.
    values : tuple of Value
        What is to be known about it.
    """

    at: int
    feeds: tuple[Feed, ...]
    units: tuple[Unit, ...]
    values: tuple[Value, ...]

    @property
    def is_whole(self) -> bool:
        """Whether it is done only when all of it is: what was not read is told of sections."""
        return any(feed.on_error == "fill" for feed in self.feeds)


class Parts:
    """The parts of some arrays, made when they are asked for.

    Parameters
    ----------
    arrays : mapping of dask.array.Array
        By name, chunked as the store is.
    """

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        traces = {name: Trace(array) for name, array in arrays.items()}
        self.traces = {name: trace for name, trace in traces.items() if trace.is_plain}

    @property
    def names(self) -> set[str]:
        """The arrays that parts are of; the others are for Dask to make."""
        return set(self.traces)

    @property
    def count(self) -> int:
        """How many there are."""
        return max((trace.array.numblocks[0] for trace in self.traces.values()), default=0)

    def part(self, at: int, wanted: Callable[[str, Place], bool]) -> Part:
        """Return what is wanted of a section: chunks and values, by name of the array and place."""
        feeds: dict[Any, int] = {}
        known: list[Feed] = []

        def feed(source: Source, plan: LoadPlan, section: SectionPlan) -> int:
            # The plans of one Dataset share their sections; to compare these takes long.
            key = (id(source), id(section), plan.view, plan.on_error)
            if key not in feeds:
                feeds[key] = len(known)
                known.append(Feed(source, section, plan.view, plan.on_error))
            return feeds[key]

        units, values = [], []
        for name, trace in self.traces.items():
            for place in trace.places(at):
                if not wanted(name, place):
                    continue
                if trace.is_value:
                    values.append(trace.value(name, place, feed))
                else:
                    units.append(trace.unit(name, place, feed))
        units.sort(key=lambda unit: (unit.block.y0, unit.block.x0))
        return Part(at, tuple(known), tuple(units), tuple(values))


class Trace:
    """An array followed through its Dask graph, back to the plan it was sliced from."""

    def __init__(self, array: Any) -> None:
        self.array = array
        layers = array.dask.layers
        self._made = {k: v for k, v in layers.items() if isinstance(v, BlockLayer | SectionLayer)}
        self._fetches = {k: v for k, v in layers.items() if isinstance(v, FetchLayer)}
        ours = self._made.keys() | self._fetches.keys()
        self._cuts = [layer for name, layer in layers.items() if name not in ours]

    @property
    def is_value(self) -> bool:
        """Whether it has a value a section, and not blocks."""
        return isinstance(next(iter(self._made.values())), SectionLayer)

    @cached_property
    def is_plain(self) -> bool:
        """Whether every chunk is a chunk of the plan, or cut from one."""
        if self.array.name in self._made:
            return True
        if not self._made or not self.array.ndim or set(self.array.chunks[0]) - {1}:
            return False
        return all(self._follow(p) is not None for p in np.ndindex(*self.array.numblocks))

    def places(self, at: int) -> Iterator[Place]:
        """Yield the places of a section's chunks."""
        if at < self.array.numblocks[0]:
            for place in np.ndindex(*self.array.numblocks[1:]):
                yield (at, *place)

    def unit(self, name: str, place: Place, feed: Callable[..., int]) -> Unit:
        """Return a chunk as something to be made and written."""
        found = self._follow(place)
        assert found is not None
        layer, (_, index, row, column, *_), ranges = found
        plan, section = layer.variable.plan, layer.variable.plan.sections[index]
        whole = plan.block(row, column)
        rows, columns = ranges[1:3]
        block = Block(
            whole.y0 + rows.start, whole.y0 + rows.stop, whole.x0 + columns.start,
            whole.x0 + columns.stop,
        )  # fmt: skip
        last = tuple(slice(r.start, r.stop, r.step) for r in ranges[3:])
        source = self._fetches[layer.fetch].source if layer.variable.reads else None
        number = None if source is None else feed(source, plan, section)
        return Unit(name, place, layer.variable.make, section, block, last, number)

    def value(self, name: str, place: Place, feed: Callable[..., int]) -> Value:
        """Return a section's value as something to be made."""
        found = self._follow(place)
        assert found is not None
        layer, (_, index), _ = found
        needs = tuple(
            (
                feed(self._fetches[fetch].source, plan, plan.sections[index]),
                tuple(layer.variable.places(plan, index)),
            )
            for fetch, plan in layer.fetches.items()
        )
        return Value(name, layer.variable.make, needs)

    def _follow(self, place: Place) -> tuple[Any, tuple[Any, ...], list[range]] | None:
        """Return a chunk's layer of the plan, its key there, and what of that chunk it is."""
        key: Any = (self.array.name, *place)
        cuts: list[tuple[Any, ...]] = []
        while not isinstance(key, tuple) or key[0] not in self._made:
            layer = next((layer for layer in self._cuts if key in layer), None)
            task = None if layer is None else layer[key]
            if isinstance(task, Alias):
                key = task.target
                continue
            if getattr(task, "func", None) is not operator.getitem or task is None:
                return None
            source, index = task.args
            if not isinstance(source, TaskRef):
                return None
            key = source.key
            cuts.append(index if isinstance(index, tuple) else (index,))
        ranges = [range(size) for size in self._sizes(key)]
        for index in reversed(cuts):
            if len(index) != len(ranges) or not all(isinstance(k, slice) for k in index):
                return None
            ranges = [r[k] for r, k in zip(ranges, index, strict=True)]
        if any(r.step != 1 for r in ranges[:3]) or not all(map(len, ranges)):
            return None
        return self._made[key[0]], key, ranges

    def _sizes(self, key: tuple[Any, ...]) -> tuple[int, ...]:
        layer = self._made[key[0]]
        if isinstance(layer, SectionLayer):
            return (1,)
        block = layer.variable.plan.block(*key[2:4])
        return (1, *block.shape, *(size for _, size in layer.variable.last))
