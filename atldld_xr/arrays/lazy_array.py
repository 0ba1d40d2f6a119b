"""The executor without Dask: xarray's BackendArray, read where it is indexed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from atldld_xr.arrays.read_tiles import read_tiles
from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.arrays.variables import BlockVariable, SectionVariable, TilePlace, errors_in
from atldld_xr.arrays.volume_variables import VolumeVariable, make_box
from atldld_xr.plan.load_plan import Block, LoadPlan
from atldld_xr.plan.volume_plan import Box
from atldld_xr.sources.protocol import Source

_PLANES = 32  # of a volume, at a time


class PlanArray(BackendArray):
    """A variable that is read where it is indexed: the sections, and in them the window, asked for.

    Parameters
    ----------
    variable : BlockVariable, SectionVariable or VolumeVariable
        What to make.
    source : Source
        Where tiles come from.
    """

    def __init__(self, variable: Any, source: Source) -> None:
        self.variable = variable
        self.source = source
        self.shape = variable.shape
        self.dtype = variable.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read
        )

    def __dask_tokenize__(self) -> object:
        from dask.base import normalize_token

        return normalize_token((type(self).__name__, self.variable, self.source))

    def _read(self, key: tuple[Any, ...]) -> Any:
        ranges = ranges_of(key, self.shape)
        if isinstance(self.variable, SectionVariable):
            out = self._values(self.variable, ranges[0])
        elif isinstance(self.variable, BlockVariable):
            out = self._blocks(self.variable, *ranges)
        else:
            out = self._boxes(self.variable, *ranges)
        squeeze = tuple(0 if not isinstance(k, slice) else slice(None) for k in key)
        return out[squeeze]

    def _blocks(
        self,
        variable: BlockVariable,
        sections: range,
        rows: range,
        columns: range,
        *trailing_dims: range,
    ) -> NDArray[Any]:
        shape = (len(sections), len(rows), len(columns))
        out = np.empty(shape + variable.shape[3:], dtype=variable.dtype)
        if out.size:
            block = Block(min(rows), max(rows) + 1, min(columns), max(columns) + 1)
            # The block starts and ends with the first and last that are wanted, in either order.
            at = slice(None, None, rows.step), slice(None, None, columns.step)
            plan = variable.plan
            for n, index in enumerate(sections):
                section = plan.sections[index]
                places = variable.places(section, block)
                tiles = dict(zip(places, self._tiles(plan, index, places), strict=True))
                out[n] = variable.make(section, block, tiles)[at]
        return _taken(out, trailing_dims)

    def _boxes(self, variable: VolumeVariable, *ranges: range) -> NDArray[Any]:
        own, trailing_dims = ranges[:3], ranges[3:]
        out = np.empty(tuple(map(len, own)) + variable.shape[3:], dtype=variable.dtype)
        steps = tuple(slice(None, None, wanted.step) for wanted in own)
        for place, box in parts_of(variable, own):
            tiles = {
                index: dict(
                    zip(places, self._tiles(variable.plan.reading, index, places), strict=True)
                )
                for index, places in variable.needs(box).items()
            }
            # The box starts and ends with the first and last that are wanted, in either order.
            out[place] = make_box(variable.make, variable.order, variable.plan, box, tiles)[steps]
        return _taken(out, trailing_dims)

    def _values(self, variable: SectionVariable, sections: range) -> NDArray[Any]:
        out = np.empty(len(sections), dtype=variable.dtype)
        for n, index in enumerate(sections):
            tiles: list[Any] = []
            for plan in variable.plans:
                tiles += self._tiles(plan, index, variable.places(plan, index))
            out[n] = variable.maker(index)(errors_in(tiles))
        return out

    def _tiles(self, plan: LoadPlan, index: int, places: list[TilePlace]) -> list[Any]:
        return read_tiles(self.source, plan, index, places, TILES)


def parts_of(
    variable: VolumeVariable, ranges: Sequence[range]
) -> Iterator[tuple[tuple[slice, ...], Box]]:
    """Yield what is made at a time of ranges of a volume: where it goes, and the box.

    These are a few planes, as the tiles of all sections may be more than memory has.
    """
    across = variable.order.index(0)
    for first in range(0, len(ranges[across]) if all(ranges) else 0, _PLANES):
        part = slice(first, first + _PLANES)
        place = [slice(None)] * 3
        place[across] = part
        wanted = [*ranges]
        wanted[across] = ranges[across][part]
        yield tuple(place), variable.box(wanted)


def _taken(out: NDArray[Any], trailing_dims: Sequence[range]) -> NDArray[Any]:
    for axis, wanted in enumerate(trailing_dims, 3):
        if wanted != range(out.shape[axis]):
            out = out.take(np.array(wanted, dtype=np.intp), axis)
    return out


def ranges_of(key: tuple[Any, ...], shape: tuple[int, ...]) -> list[range]:
    """Return what a key of slices and numbers takes along each dimension."""
    return [
        range(size)[k] if isinstance(k, slice) else range(int(k), int(k) + 1)
        for k, size in zip(key, shape, strict=True)
    ]
