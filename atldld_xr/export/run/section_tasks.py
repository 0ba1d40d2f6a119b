"""SectionTask: what an export makes of one section, as data. Pure.

It is one section of every array, with all that it is made of, so that whoever makes it fetches each
of its tiles once and passes none on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from atldld_xr.allen.tiers import View
from atldld_xr.arrays.variables import TilePlace
from atldld_xr.errors import SectionImageError
from atldld_xr.plan.load_plan import Block, SectionPlan
from atldld_xr.sources.protocol import Source
from atldld_xr.store.chunk_encoding import ChunkPlace
from atldld_xr.warp.kernel import Tiles


@dataclass(frozen=True)
class TileInput:
    """A section image that tiles are read of."""

    source: Source
    section: SectionPlan
    view: View
    on_error: Any


@dataclass(frozen=True)
class ChunkTask:
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
        The section; None for what is made of the store itself.
    block : Block
        Which of its pixels.
    trailing : tuple of slice
        What of the dimensions after x.
    tile_input : int, optional
        Which of the section task's inputs it needs tiles of.
    transpose : callable, optional
        Brings (section, y, x, ...) into the order of the array's axes.
    uses_pixels : bool
        Whether it is made of tiles' pixels: it is there only if all of these could be had, or are
        told of.
    """

    array: str
    place: ChunkPlace
    make: Callable[[Any, Block, Tiles], NDArray[Any]]
    section: SectionPlan | None
    block: Block
    trailing: tuple[slice, ...]
    tile_input: int | None
    transpose: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    uses_pixels: bool = False

    def tiles(self) -> list[TilePlace]:
        """Return the tiles that it needs."""
        if self.tile_input is None or self.section is None:
            return []
        return self.section.tiles(self.block)


@dataclass(frozen=True)
class SectionValue:
    """A value that says what could not be read of a section.

    Attributes
    ----------
    name : str
        The array's name.
    make : callable
        As `SectionVariable` has it.
    needs : tuple
        The inputs, and the tiles of each.
    """

    name: str
    make: Callable[[list[SectionImageError]], Any]
    needs: tuple[tuple[int, tuple[TilePlace, ...]], ...]

    def without(self, tiles_available: Collection[tuple[int | None, int, int]]) -> SectionValue:
        """Return the value with no need of tiles that are known to be fine."""
        needs = (
            (
                tile_input,
                tuple(tile for tile in tiles if (tile_input, *tile) not in tiles_available),
            )
            for tile_input, tiles in self.needs
        )
        return replace(self, needs=tuple(needs))


@dataclass(frozen=True)
class SectionTask:
    """One section of an export.

    Attributes
    ----------
    at : int
        Its place along the first dimension of the arrays.
    inputs : tuple of TileInput
        What it reads.
    chunk_tasks : tuple of ChunkTask
        What it writes, in an order in which neighbours need the same tiles.
    values : tuple of SectionValue
        What is to be known about it.
    """

    at: int
    inputs: tuple[TileInput, ...]
    chunk_tasks: tuple[ChunkTask, ...]
    values: tuple[SectionValue, ...]

    @property
    def is_whole(self) -> bool:
        """Whether it is done only when all of it is: what was not read is told of sections."""
        return any(tile_input.on_error == "fill" for tile_input in self.inputs)
