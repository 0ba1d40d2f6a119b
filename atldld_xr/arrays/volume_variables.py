"""The data variables of a volume, each a pure function of a box and the tiles that it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.arrays.variables import SectionVariable, TilePlace, status_variable
from atldld_xr.plan.load_plan import LoadPlan
from atldld_xr.plan.volume_plan import Box, VolumePlan
from atldld_xr.warp.volume_kernel import (
    VolumeTiles,
    volume_coverage,
    volume_distance,
    volume_pixels,
    volume_section,
)

Order = tuple[int, int, int]
"""Which of (plane, row, column) each axis of an array runs along."""


@dataclass(frozen=True)
class VolumeVariable:
    """A data variable over (coronal, y, x, ...), each voxel read where it truly lies.

    Attributes
    ----------
    name : str
        Its name in the Dataset.
    plan : VolumePlan
        What it is made by.
    order : tuple of int
        Which of (plane, row, column) each of the three axes runs along.
    chunks : tuple of tuple of int
        Along each of the three axes.
    dtype : numpy.dtype
        Its dtype.
    trailing_dims : tuple
        Names and sizes of the dimensions after the three.
    needs_tiles : bool
        Whether it needs tiles, or only geometry.
    make : callable
        ``make(plan, box, tiles) -> array`` over (plane, row, column, ...).
    """

    name: str
    plan: VolumePlan
    order: Order
    chunks: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    dtype: np.dtype[Any]
    trailing_dims: tuple[tuple[str, int], ...]
    needs_tiles: bool
    make: Callable[[VolumePlan, Box, VolumeTiles], NDArray[Any]]

    @property
    def plans(self) -> tuple[LoadPlan, ...]:
        """How its sections are read, as of other variables."""
        return (self.plan.reading,)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return *(self.plan.shape[a] for a in self.order), *(n for _, n in self.trailing_dims)

    @property
    def numblocks(self) -> tuple[int, int, int]:
        """How many chunks there are along each of the three axes."""
        p, i, r = map(len, self.chunks)
        return p, i, r

    def box(self, ranges: Sequence[range]) -> Box:
        """Return the voxels from the first to the last of some ranges along the three axes."""
        ends: list[int] = [0] * 6
        for axis, wanted in zip(self.order, ranges, strict=True):
            ends[2 * axis : 2 * axis + 2] = min(wanted), max(wanted) + 1
        return Box(*ends)

    def chunk(self, place: Sequence[int]) -> Box:
        """Return the voxels of a chunk, by its place."""
        edges = (tuple(accumulate(sizes, initial=0)) for sizes in self.chunks)
        return self.box([range(e[at], e[at + 1]) for e, at in zip(edges, place, strict=True)])

    def boxes(self) -> list[tuple[tuple[int, ...], Box]]:
        """Return the place and the voxels of every chunk."""
        return [(place, self.chunk(place)) for place in product(*map(range, self.numblocks))]

    def needs(self, box: Box) -> dict[int, list[TilePlace]]:
        """Return the tiles that a box needs, by the place of their section."""
        return self.plan.needs(box) if self.needs_tiles else {}


def make_box(
    make: Callable[[VolumePlan, Box, VolumeTiles], NDArray[Any]],
    order: Order,
    plan: VolumePlan,
    box: Box,
    tiles: VolumeTiles,
) -> NDArray[Any]:
    """Return a box as the array has it, over (coronal, y, x, ...)."""
    made = make(plan, box, tiles)
    out: NDArray[Any] = np.ascontiguousarray(made.transpose(*order, *range(3, made.ndim)))
    return out


@dataclass(frozen=True)
class VolumeStatus(SectionVariable):
    """What could not be read of each section of a volume."""

    volume: VolumePlan

    def places(self, plan: LoadPlan, index: int) -> list[TilePlace]:
        """Return the tiles that any voxel needs of a section."""
        return self.volume.needs(self.volume.whole).get(index, [])


def volume_variables(
    name: str, plan: VolumePlan, order: Order, chunks: Any
) -> list[VolumeVariable | SectionVariable]:
    """Return the variables of one view: its pixels, and what is to be known of them.

    Parameters
    ----------
    name : {"image", "expression"}
        Whose pixels are read.
    plan : VolumePlan
        What they are made by.
    order, chunks
        As `VolumeVariable` has them.
    """
    reading = plan.reading
    fills = reading.on_error == "fill"
    channels = tuple(("channel", size) for size in reading.channels)
    render = partial(volume_pixels, fill_value=reading.fill_value, channels=reading.channels)
    own = "" if name == "image" else f"{name}_"

    def geometry(name: str, dtype: type, make: Any) -> VolumeVariable:
        return VolumeVariable(own + name, plan, order, chunks, np.dtype(dtype), (), fills, make)

    pixels = np.dtype(np.uint8)
    out: list[VolumeVariable | SectionVariable] = [
        VolumeVariable(name, plan, order, chunks, pixels, channels, True, render),
        geometry("coverage", bool, volume_coverage),
    ]
    if name == "image":
        out.append(geometry("distance", np.float32, volume_distance))
        out.append(geometry("section", np.int64, volume_section))
    if fills:
        status = status_variable(f"{own}status", (reading,))
        out.append(VolumeStatus(status.name, status.plans, status.dtype, status.make, plan))
    return out
