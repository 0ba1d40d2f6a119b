"""What the voxels of a volume are, of the sections that they lie near. Pure.

On a plane of the volume a section is an affine image, as a registered section is: the same kernel
renders it, and here it is chosen, voxel by voxel, what of which section is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.errors import SectionImageError
from atldld_xr.plan.load_plan import Block, SectionPlan
from atldld_xr.plan.volume_plan import Box, Slab, VolumePlan, values_of
from atldld_xr.warp.averages import Pixels
from atldld_xr.warp.kernel import Tiles, coverage, render

VolumeTiles = Mapping[int, Tiles]
"""Tiles by the place of their section in the plan."""

_SIDE = 48
"""Rows and columns of the parts in which a slab's border is looked for: of smaller ones starting
the kernel takes longer than its pixels, of larger ones most pixels are of no use."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Seen:
    """What is seen in a part of a plane.

    Attributes
    ----------
    plane : int
        The plane.
    block : Block
        The part.
    sections : tuple of int
        The one or two sections that its voxels are read from.
    shown : tuple of ndarray of bool
        Which voxels are read from each.
    distances : tuple of ndarray of float64
        How far each voxel lies from each section, in micrometres.
    """

    plane: int
    block: Block
    sections: tuple[int, ...]
    shown: tuple[Mask, ...]
    distances: tuple[NDArray[np.float64], ...]

    @property
    def any(self) -> Mask:
        """Which voxels are read from any section."""
        return self.shown[0] | self.shown[-1]

    @property
    def upper_is_nearest(self) -> Mask:
        """Where the upper section is the nearest that is read; half-way the lower one is."""
        lower, upper = self.shown[0], self.shown[-1]
        nearer: Mask = self.distances[-1] < self.distances[0]
        return upper & (nearer | ~lower)

    @property
    def weight(self) -> NDArray[np.float32]:
        """How much of the upper section a voxel shows that is read from both, from 0 to 1."""
        lower, upper = self.distances
        # At least some distance apart, or no voxel lies between them.
        weight = lower / np.maximum(lower + upper, np.finfo(np.float64).tiny)
        return weight.astype(np.float32)


def look(plan: VolumePlan, box: Box, tiles: VolumeTiles) -> Iterator[Seen]:
    """Yield what is seen in a box, in parts that do not overlap; elsewhere is nothing.

    Parameters
    ----------
    plan : VolumePlan
        The volume.
    box : Box
        The voxels.
    tiles : mapping
        Those that could not be had have no pixels. Others are not needed.
    """
    lost = {
        n
        for n, own in tiles.items()
        if any(isinstance(tile, SectionImageError) for tile in own.values())
    }
    for slab in plan.slabs:
        part = slab.part(box)
        if part is None:
            continue
        for plane in range(part.z0, part.z1):
            on_plane = {n: plan.sections[n].on_plane(plane) for n in slab.sections}
            for block, is_whole in slab.blocks(plane, part.block, _SIDE):
                inside = None if is_whole else slab.mask(plane, block)
                if inside is not None and not inside.any():
                    continue
                covered = [
                    coverage(on_plane[n], block, tiles[n] if n in lost else None)
                    for n in slab.sections
                ]
                if inside is not None:
                    for mask in covered:
                        mask &= inside
                yield _seen(plan, slab, plane, block, covered)


def _seen(plan: VolumePlan, slab: Slab, plane: int, block: Block, covered: list[Mask]) -> Seen:
    away = [values_of(plan.sections[n].distance, plane, block) for n in slab.sections]
    if len(away) == 1:  # the slab is as thick as `max_distance` says
        return Seen(plane, block, slab.sections, (covered[0],), (np.abs(away[0]),))
    below, above = away[0], -away[1]
    both = covered[0] & covered[1] & (below + above <= plan.widest)
    lower = covered[0] & (below <= plan.reach) & ~both
    upper = covered[1] & (above <= plan.reach) & ~both
    # As nearest: of one section alone.
    upper &= ~lower | (above < below)
    lower &= ~upper
    return Seen(plane, block, slab.sections, (lower | both, upper | both), (below, above))


def volume_pixels(
    plan: VolumePlan, box: Box, tiles: VolumeTiles, *, fill_value: int, channels: tuple[int, ...]
) -> Pixels:
    """Return the pixels of a box.

    Parameters
    ----------
    plan : VolumePlan
        The volume.
    box : Box
        The voxels.
    tiles : mapping
        By the place of a section in the plan, the tiles that ``plan.needs(box)`` names.
    fill_value : int
        The value where no section is seen.
    channels : tuple of int
        What follows planes, rows and columns in the shape.

    Returns
    -------
    ndarray of uint8, shape (planes, rows, columns, *channels)
        Between two sections ``lower + weight * (upper - lower)``, rounded.
    """
    out: Pixels = np.full(box.shape + channels, fill_value, dtype=np.uint8)
    for seen in look(plan, box, tiles):
        rendered = [
            _render(plan.sections[n].on_plane(seen.plane), seen.block, tiles.get(n, {}), out, shown)
            for n, shown in zip(seen.sections, seen.shown, strict=True)
        ]
        place = out[_within(box, seen)]
        for pixels, shown in zip(rendered, seen.shown, strict=True):
            if pixels is not None:
                _copy(place, pixels, shown)
        both = seen.shown[0] & seen.shown[-1]
        if len(rendered) == 2 and both.any():
            _copy(place, _blend(rendered, seen.weight), both)
    return out


def _render(
    section: SectionPlan, block: Block, tiles: Tiles, like: Pixels, shown: Mask
) -> Pixels | None:
    if not shown.any():
        return None
    return render(section, block, tiles, fill_value=0, channels=like.shape[3:])


def _blend(rendered: list[Pixels | None], weight: NDArray[np.float32]) -> Pixels:
    lower, upper = (np.asarray(pixels, dtype=np.float32) for pixels in rendered)
    upper -= lower
    upper *= weight.reshape(weight.shape + (1,) * (upper.ndim - 2))
    upper += lower
    return np.rint(upper, out=upper).astype(np.uint8)


def _copy(place: Pixels, pixels: Pixels, where: Mask) -> None:
    if where.all():
        place[...] = pixels
    else:
        np.copyto(place, pixels, where=where.reshape(where.shape + (1,) * (place.ndim - 2)))


def volume_coverage(plan: VolumePlan, box: Box, tiles: VolumeTiles) -> Mask:
    """Return which voxels of a box are of any section; bool, shape (planes, rows, columns)."""
    return _made(plan, box, tiles, np.dtype(bool), False, lambda seen: True)


def volume_distance(plan: VolumePlan, box: Box, tiles: VolumeTiles) -> NDArray[np.float32]:
    """Return how far each voxel is from the nearest section that it is read from.

    Returns
    -------
    ndarray of float32, shape (planes, rows, columns)
        Micrometres along the section's normal, at least 0; NaN where there is none.
    """

    def nearest(seen: Seen) -> NDArray[Any]:
        return np.where(seen.upper_is_nearest, seen.distances[-1], seen.distances[0])

    return _made(plan, box, tiles, np.dtype(np.float32), np.nan, nearest)


def volume_section(plan: VolumePlan, box: Box, tiles: VolumeTiles) -> NDArray[np.int64]:
    """Return the id of the nearest section image that each voxel is read from.

    Returns
    -------
    ndarray of int64, shape (planes, rows, columns)
        0 where there is none.
    """

    def nearest(seen: Seen) -> NDArray[Any]:
        ids = [plan.sections[n].section.image.id for n in seen.sections]
        return np.where(seen.upper_is_nearest, ids[-1], ids[0])

    return _made(plan, box, tiles, np.dtype(np.int64), 0, nearest)


def _made(
    plan: VolumePlan,
    box: Box,
    tiles: VolumeTiles,
    dtype: np.dtype[Any],
    empty: Any,
    value: Callable[[Seen], Any],
) -> NDArray[Any]:
    out = np.full(box.shape, empty, dtype=dtype)
    for seen in look(plan, box, tiles):
        np.copyto(out[_within(box, seen)], value(seen), where=seen.any, casting="unsafe")
    return out


def _within(box: Box, seen: Seen) -> tuple[int, slice, slice]:
    block = seen.block
    return (
        seen.plane - box.z0,
        slice(block.y0 - box.y0, block.y1 - box.y0),
        slice(block.x0 - box.x0, block.x1 - box.x0),
    )
