"""What arrays without Dask will ask for: they are indexed as for reading, and nothing is read."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from xarray.core import indexing

from atldld_xr.arrays.lazy_array import PlanArray, parts_of, ranges_of
from atldld_xr.arrays.needs import KeptTiles, Needs
from atldld_xr.arrays.variables import BlockVariable, SectionVariable
from atldld_xr.arrays.volume_variables import VolumeVariable
from atldld_xr.plan.load_plan import Block
from atldld_xr.plan.volume_plan import Box


def is_lazy(array: Any) -> bool:
    """Return whether an array is one of ours without Dask, in whatever xarray wraps it."""
    while array is not None and not isinstance(array, PlanArray):
        array = getattr(array, "array", None)
    return array is not None


def read_lazy(array: Any, index: Any, needs: Needs, kept: KeptTiles) -> None:
    """Enter what reading a part of an array asks for.

    Parameters
    ----------
    array : object
        xarray's wrappers of a `PlanArray`; they are left as they are.
    index : tuple, optional
        Which part, in the way of the outermost wrapper; None for all of it.
    needs : Needs
        Where it is entered.
    kept : KeptTiles
        What has been read before.
    """
    told: Any = _told(array, needs, kept)
    if index is not None:
        told = told[index]
    if hasattr(told, "get_duck_array"):
        told.get_duck_array()


def _told(array: Any, needs: Needs, kept: KeptTiles) -> Any:
    if isinstance(array, PlanArray):
        return _Told(array, needs, kept)
    wrapper = copy(array)
    wrapper.array = _told(array.array, needs, kept)
    return wrapper


class _Told(PlanArray):
    """Says what it would read, and gives zeros in its place, all of them one."""

    def __init__(self, array: PlanArray, needs: Needs, kept: KeptTiles) -> None:
        super().__init__(array.variable, array.source)
        self._needs, self._kept = needs, kept

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        basic = indexing.IndexingSupport.BASIC
        read, _ = indexing.decompose_indexer(key, self.shape, basic)
        self._read(read.tuple)
        selected: Any = indexing.LazilyIndexedArray
        if isinstance(key, indexing.VectorizedIndexer):
            selected = indexing.LazilyVectorizedIndexedArray
        return np.broadcast_to(np.zeros((), self.dtype), selected(self, key).shape)

    def _read(self, key: tuple[Any, ...]) -> None:
        ranges = ranges_of(key, self.shape)
        if isinstance(self.variable, SectionVariable):
            for index in ranges[0]:
                self._read_values(self.variable, index)
        elif isinstance(self.variable, VolumeVariable):
            for _, box in parts_of(self.variable, ranges[:3]):
                self._read_box(self.variable, box)
        elif all(map(len, ranges)):
            rows, columns = ranges[1:3]
            block = Block(min(rows), max(rows) + 1, min(columns), max(columns) + 1)
            for index in ranges[0]:
                self._read_block(self.variable, index, block)

    def _read_values(self, variable: SectionVariable, index: int) -> None:
        for plan in variable.plans:
            places = variable.places(plan, index)
            self._needs.make(plan.sections[index], ())
            self._kept.read(self._needs, self.source, plan, index, places)

    def _read_box(self, variable: VolumeVariable, box: Box) -> None:
        plan = variable.plan.reading
        for index, places in variable.needs(box).items():
            self._needs.make_box(plan.sections[index])
            self._kept.read(self._needs, self.source, plan, index, places)

    def _read_block(self, variable: BlockVariable, index: int, block: Block) -> None:
        section = variable.plan.sections[index]
        self._needs.make(section, (block,))
        places = variable.places(section, block)
        self._kept.read(self._needs, self.source, variable.plan, index, places)
