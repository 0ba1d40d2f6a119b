"""Blocks of which Dask computes a window: what it slices is made, and nothing else is read.

Dask cuts a block when it is made. Of a block that is its way to read an array, a "getter", it moves
the cut into the reading, when it optimizes a graph (pydata/xarray#9926).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import numpy as np
from dask.array.core import getter
from dask.task_spec import Task
from numpy.typing import NDArray

from atldld_xr.arrays.read_tiles import read_tiles
from atldld_xr.arrays.tile_memory import TileMemory
from atldld_xr.arrays.variables import BlockVariable
from atldld_xr.forks import PerProcess
from atldld_xr.plan.load_plan import Block
from atldld_xr.sources.protocol import Source

Key = tuple[Any, ...]

_WHOLE: ContextVar[bool] = ContextVar("whole", default=False)

_MOST_TILES = 64
"""Of a section: of more, each is better kept by Dask for as long as it is needed."""

_MEMORIES: PerProcess[WeakValueDictionary[str, TileMemory]] = PerProcess(WeakValueDictionary)
"""The tiles of computations under way, by the name of their fetches."""


@contextmanager
def whole_blocks() -> Iterator[None]:
    """Have no windows: every tile is a task, such as who asks for what went wrong with it needs."""
    token = _WHOLE.set(True)
    try:
        yield
    finally:
        _WHOLE.reset(token)


def window_tasks(
    variable: BlockVariable, source: Source, fetch: str, keys: Iterable[Key]
) -> dict[Key, Task]:
    """Return tasks that make some blocks, or of each what is sliced of it.

    Parameters
    ----------
    variable : BlockVariable
        What is made.
    source : Source
        Where its tiles are read.
    fetch : str
        The name of its fetches: tiles are shared by all variables with the same.
    keys : iterable of tuple
        The blocks: (name, section, row, column, 0, ...).

    Returns
    -------
    dict of Task
        None of them if these are no windows: most blocks of a section, more than 64 tiles of one;
        or where nothing is fetched.
    """
    plan = variable.plan
    if not variable.needs_tiles or _WHOLE.get():
        return {}
    blocks: dict[int, list[Key]] = defaultdict(list)
    for key in keys:
        blocks[key[1]].append(key)
    few = len(plan.chunks[0]) * len(plan.chunks[1]) // 2
    if any(len(some) > few for some in blocks.values()):
        return {}
    for index, some in blocks.items():
        section = plan.sections[index]
        tiles = {tile for key in some for tile in section.tiles(plan.block(*key[2:4]))}
        if len(tiles) > _MOST_TILES:
            return {}
    memory = _memory(fetch)
    # Each computation tries anew.
    memory.forget_failures()
    tasks = {}
    for key in (key for some in blocks.values() for key in some):
        reader = BlockReader(variable, source, fetch, key[1], plan.block(*key[2:4]), memory)
        everything = tuple(slice(0, size, 1) for size in reader.shape)
        tasks[key] = Task(key, getter, reader, everything, False, None)
    return tasks


def _memory(fetch: str) -> TileMemory:
    memories = _MEMORIES()
    own = TileMemory()
    return memories.setdefault(fetch, own)


@dataclass(frozen=True, eq=False)
class BlockReader:
    """A block as an array that is made where it is indexed.

    Attributes
    ----------
    variable : BlockVariable
        What is made.
    source : Source
        Where its tiles are read.
    fetch : str
        The name of its fetches.
    section : int
        The section's place in the plan.
    block : Block
        Which of its pixels.
    memory : TileMemory
        Of the tiles that the computation needs.
    made : list of int
        In which computation it was last read.
    """

    variable: BlockVariable
    source: Source
    fetch: str
    section: int
    block: Block
    memory: TileMemory
    made: list[int] = field(default_factory=lambda: [-1])

    key: ClassVar[None] = None
    """Dask looks here whether what a getter reads is made by a task of its own."""

    def __reduce__(self) -> Any:
        return _reader, (self.variable, self.source, self.fetch, self.section, self.block)

    @property
    def shape(self) -> tuple[int, ...]:
        """One section, rows, columns and what follows."""
        return 1, *self.block.shape, *(size for _, size in self.variable.trailing_dims)

    def window(self, index: Any) -> Block | None:
        """Return what of the pixels is made for an index of NumPy's; None if nothing is."""
        index = self._whole(index)
        if not np.broadcast_to(np.zeros((), bool), self.shape)[index].size:
            return None
        rows, columns = (
            np.atleast_1d(np.arange(size)[at])
            for size, at in zip(self.block.shape, index[1:3], strict=True)
        )
        y0, x0 = self.block.y0, self.block.x0
        return Block(
            y0 + rows.min(), y0 + rows.max() + 1, x0 + columns.min(), x0 + columns.max() + 1
        )

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Return what is indexed, as NumPy would."""
        index, window = self._whole(index), self.window(index)
        if window is None:
            empty = np.broadcast_to(np.zeros((), self.variable.dtype), self.shape)
            out: NDArray[Any] = empty[index].copy()
            return out
        plan = self.variable.plan
        section = plan.sections[self.section]
        places = self.variable.places(section, window)
        self.made[0] = self.memory.begin(self.made[0])
        tiles = read_tiles(self.source, plan, self.section, places, self.memory)
        made: Any = self.variable.make(section, window, dict(zip(places, tiles, strict=True)))
        y, x = window.y0 - self.block.y0, window.x0 - self.block.x0
        moved = _moved(index[1], self.block.shape[0], y), _moved(index[2], self.block.shape[1], x)
        cut: NDArray[Any] = made[np.newaxis][(index[0], *moved, *index[3:])]
        return cut

    def _whole(self, index: Any) -> tuple[Any, ...]:
        index = index if isinstance(index, tuple) else (index,)
        return (*index, *(slice(None),) * (len(self.shape) - len(index)))


def _reader(*arguments: Any) -> BlockReader:
    variable, source, fetch, section, block = arguments
    return BlockReader(variable, source, fetch, section, block, _memory(fetch))


def _moved(index: Any, size: int, first: int) -> Any:
    """Return an index of an axis for an array that begins at its pixel `first`."""
    if not isinstance(index, slice):
        at = np.arange(size)[index] - first
        return int(at) if at.ndim == 0 else at
    chosen = range(size)[index]
    stop = chosen.stop - first
    return slice(chosen.start - first, stop if stop >= 0 else None, chosen.step)
