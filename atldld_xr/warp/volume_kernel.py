"""What the voxels of a volume are, of the sections that they lie near. Pure.

On a plane of the volume a section is an affine image, as a registered section is: the same kernel
renders it, and here it is chosen, voxel by voxel, what of which section is seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.errors import SectionImageError
from atldld_xr.plan.load_plan import Block, SectionPlan
from atldld_xr.plan.volume_plan import Box, Slab, VolumePlan, values_of
from atldld_xr.warp.averages import Pixels
from atldld_xr.warp.footprint import Inside, RowSpans, find_between, find_inside
from atldld_xr.warp.kernel import Tiles, lost_pixels, mosaic, part_side, sample, within
from atldld_xr.warp.scratch import Scratch

_SCRATCH = Scratch()

VolumeTiles = Mapping[int, Tiles]
"""Tiles by the place of their section in the plan."""

_ROWS = 32
"""Rows put in place at a time: over more, a slab that lies aslant is as wide as the plane."""

Mask = NDArray[np.bool_]
Strip = tuple[slice, slice]
"""Rows and columns of a block."""


@dataclass(frozen=True)
class Seen:
    """What is seen of a slab on a plane.

    Attributes
    ----------
    plan : VolumePlan
        The volume.
    plane : int
        The plane.
    block : Block
        Where on it.
    numbers : tuple of int
        The one or two sections that its voxels are read from.
    sections : tuple of SectionPlan
        These, as the plane cuts them.
    spans : tuple of RowSpans or Inside
        Where each section has a pixel in the slab.
    lost : tuple
        Where pixels of each could not be had, or None.
    """

    plan: VolumePlan
    plane: int
    block: Block
    numbers: tuple[int, ...]
    sections: tuple[SectionPlan, ...]
    spans: tuple[RowSpans | Inside, ...]
    lost: tuple[Mask | None, ...]

    def strips(self) -> Iterator[Strip]:
        """Yield the parts that have voxels, from above to below."""
        for top in range(0, self.block.shape[0], _ROWS):
            rows = slice(top, top + _ROWS)
            ends = [spans.bounds(rows) for spans in self.spans]
            left, right = min(first for first, _ in ends), max(end for _, end in ends)
            if left < right:
                yield rows, slice(left, right)

    @cached_property
    def covered(self) -> tuple[Mask, ...]:
        """Where each section has a pixel that could be had."""
        return tuple(
            spans.mask() if lost is None else spans.mask() & ~lost
            for spans, lost in zip(self.spans, self.lost, strict=True)
        )

    def distances(self, strip: Strip) -> list[NDArray[np.float64]]:
        """Return how far voxels lie from each section, in micrometres, at least 0 within a slab."""
        distances: list[NDArray[np.float64]]
        last, distances = self.__dict__.get("_last", (None, []))
        if strip != last:  # it is asked for more than once of each
            distances = self._distances(strip)
            self.__dict__["_last"] = strip, distances
        return distances

    def _distances(self, strip: Strip) -> list[NDArray[np.float64]]:
        rows, columns = (range(n)[part] for n, part in zip(self.block.shape, strip, strict=True))
        y0, x0 = self.block.y0 + rows.start, self.block.x0 + columns.start
        part = Block(y0, y0 + len(rows), x0, x0 + len(columns))
        forms = [self.plan.sections[n].distance for n in self.numbers]
        away = [values_of(form, self.plane, part) for form in forms]
        return [np.abs(away[0])] if len(away) == 1 else [away[0], -away[1]]

    def shown(self, strip: Strip) -> tuple[Mask, ...]:
        """Return which voxels are read from each section: from both where it is interpolated."""
        covered = [mask[strip] for mask in self.covered]
        if len(covered) == 1:  # the slab is as thick as `max_distance` says
            return (covered[0],)
        below, above = self.distances(strip)
        both = covered[0] & covered[1] & (below + above <= self.plan.widest)
        # Else as nearest: from one section alone.
        lower = covered[0] & (below <= self.plan.reach) & ~both
        upper = covered[1] & (above <= self.plan.reach) & ~both
        upper &= ~lower | (above < below)
        lower &= ~upper
        return lower | both, upper | both

    def is_upper(self, strip: Strip, shown: tuple[Mask, ...]) -> Mask:
        """Return where the nearest section that is read is the upper one; half-way it is not."""
        lower, upper = shown[0], shown[-1]
        if len(shown) == 1:
            return np.zeros_like(lower)
        below, above = self.distances(strip)
        out: Mask = upper & ((above < below) | ~lower)
        return out

    def weight(self, strip: Strip) -> NDArray[np.float32]:
        """Return how much of the upper section voxels between two show, from 0 to 1."""
        below, above = self.distances(strip)
        gap = below + above
        # Beside the slab it is of no matter, but a number: planes may cross there.
        out = np.divide(below, gap, out=np.zeros_like(gap), where=gap > 0)
        return np.clip(out, 0.0, 1.0).astype(np.float32)


def look(plan: VolumePlan, box: Box, tiles: VolumeTiles) -> Iterator[Seen]:
    """Yield what is seen in a box: no voxel twice, and elsewhere there is nothing.

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
        for plane in range(part.z0, part.z1) if part is not None else ():
            own = slab.part(replace(box, z0=plane, z1=plane + 1))
            if own is None:
                continue
            block = own.block
            sections = tuple(plan.sections[n].on_plane(plane) for n in slab.sections)
            within_slab = _spans(slab, plane, block)
            spans = tuple(find_inside(s, block).within(within_slab) for s in sections)
            if any(one.any() for one in spans):
                missing = tuple(
                    _lost(section, block, tiles[n]) if n in lost else None
                    for n, section in zip(slab.sections, sections, strict=True)
                )
                yield Seen(plan, plane, block, slab.sections, sections, spans, missing)


def _spans(slab: Slab, plane: int, block: Block) -> RowSpans:
    rows, columns = block.shape
    out = RowSpans(columns, np.zeros(rows, np.int64), np.full(rows, columns))
    for (z, y, x, one), low, high in slab.bounds:
        by_row = y * np.arange(block.y0, block.y1, dtype=np.float64) + (z * plane + one)
        out = out.within(find_between(by_row, x, range(block.x0, block.x1), low, high))
    return out


def _lost(section: SectionPlan, block: Block, tiles: Tiles) -> Mask:
    lost = np.zeros(block.shape, dtype=bool)
    for part in block.split(part_side(section)):
        window = section.window(part)
        if window is not None:
            found = {place: tiles.get(place) for place in section.tiles(part)}
            missing = lost_pixels(section, part, window, found)
            if missing is not None:
                lost[within(block, part)] = missing
    return lost


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
            _sampled(section, seen.block, spans, tiles.get(n, {}), channels, f"pixels {at}")
            for at, (n, section, spans) in enumerate(
                zip(seen.numbers, seen.sections, seen.spans, strict=True)
            )
        ]
        place = _place(out, box, seen)
        for strip in seen.strips():
            shown = seen.shown(strip)
            for pixels, where in zip(rendered, shown, strict=True):
                _copy(pixels[strip], where, place[strip])
            both = shown[0] & shown[-1]
            if len(shown) == 2 and both.any():
                lower, upper = (pixels[strip] for pixels in rendered)
                _copy(_blend(lower, upper, seen.weight(strip)), both, place[strip])
    return out


def _sampled(
    section: SectionPlan,
    block: Block,
    spans: RowSpans | Inside,
    tiles: Tiles,
    channels: tuple[int, ...],
    name: str,
) -> Pixels:
    """Return a section's pixels in its spans; what is elsewhere is not said."""
    out: Pixels = _SCRATCH.array(name, block.shape + channels, np.uint8)
    for part in block.split(part_side(section)):
        rows, columns = within(block, part)
        own, window = spans.part(rows, columns), section.window(part)
        if window is not None and own.any():
            found = {place: tiles.get(place) for place in section.tiles(part)}
            source = mosaic(section, window, found, channels)
            sample(section, part, source, window[:2], own, out[rows, columns])
    return out


def _blend(lower: Pixels, upper: Pixels, weight: NDArray[np.float32]) -> Pixels:
    out = upper.astype(np.float32)
    out -= lower
    out *= weight.reshape(weight.shape + (1,) * (out.ndim - 2))
    out += lower
    return np.rint(out, out=out).astype(np.uint8)


def _copy(pixels: Pixels, where: Mask, place: Pixels) -> None:
    """Put pixels in place; an assignment by a mask takes many times as long."""
    import cv2

    cv2.copyTo(pixels, where.view(np.uint8), place)


def volume_coverage(plan: VolumePlan, box: Box, tiles: VolumeTiles) -> Mask:
    """Return which voxels of a box are of any section; bool, shape (planes, rows, columns)."""
    out = np.zeros(box.shape, dtype=bool)
    for seen in look(plan, box, tiles):
        place = _place(out, box, seen)
        for strip in seen.strips():
            for shown in seen.shown(strip):
                place[strip] |= shown
    return out


def volume_distance(plan: VolumePlan, box: Box, tiles: VolumeTiles) -> NDArray[np.float32]:
    """Return how far each voxel is from the nearest section that it is read from.

    Returns
    -------
    ndarray of float32, shape (planes, rows, columns)
        Micrometres along the section's normal, at least 0; NaN where there is none.
    """
    out = np.full(box.shape, np.nan, dtype=np.float32)
    for seen in look(plan, box, tiles):
        place = _place(out, box, seen)
        for strip in seen.strips():
            shown, distances = seen.shown(strip), seen.distances(strip)
            is_upper = seen.is_upper(strip, shown)
            nearest = np.where(is_upper, distances[-1], distances[0])
            np.copyto(place[strip], nearest, where=shown[0] | shown[-1], casting="same_kind")
    return out


def volume_section(plan: VolumePlan, box: Box, tiles: VolumeTiles) -> NDArray[np.int64]:
    """Return the id of the nearest section image that each voxel is read from.

    Returns
    -------
    ndarray of int64, shape (planes, rows, columns)
        0 where there is none.
    """
    out = np.zeros(box.shape, dtype=np.int64)
    for seen in look(plan, box, tiles):
        place = _place(out, box, seen)
        ids = [section.image.id for section in seen.sections]
        for strip in seen.strips():
            shown = seen.shown(strip)
            nearest = np.where(seen.is_upper(strip, shown), ids[-1], ids[0])
            np.copyto(place[strip], nearest, where=shown[0] | shown[-1])
    return out


def _place(out: NDArray[Any], box: Box, seen: Seen) -> NDArray[Any]:
    """Return the part of an array of a box in which something is seen."""
    place: NDArray[Any] = out[(seen.plane - box.z0, *within(box.block, seen.block))]
    return place
