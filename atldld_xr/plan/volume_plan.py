"""VolumePlan: which sections each voxel of a regular volume is read from, and where. Pure.

A voxel is read backward: where it lies across the sections says which of them are its neighbours,
and a pose where in each of these it comes from. All of that is affine in the voxel's index, so a
volume is cut into slabs by planes, and what a block of it needs is told by its corners. Indices are
(plane, row, column): planes lie across the sections' own axis, on each the sections are as they are
on a registered section, and it is there that they are rendered.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atldld_xr.plan.load_plan import Block, LoadPlan, SectionPlan, digest

Method = Literal["nearest", "linear"]
METHODS: tuple[Method, ...] = ("nearest", "linear")

Form = tuple[float, float, float, float]
"""Of (plane, row, column, 1): micrometres."""

_INFINITE = math.inf
# So much larger are lengths taken, that rounding leaves no gap half-way between two sections, and
# that twice the median spacing is wide enough where one is missing.
_SLACK = 1e-9


@dataclass(frozen=True)
class Box:
    """A part of a volume: planes z0 to z1, rows y0 to y1, columns x0 to x1, ends excluded."""

    z0: int
    z1: int
    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows and columns."""
        return self.z1 - self.z0, self.y1 - self.y0, self.x1 - self.x0

    @property
    def block(self) -> Block:
        """What of each plane is in it."""
        return Block(self.y0, self.y1, self.x0, self.x1)


@dataclass(frozen=True)
class ObliqueSection:
    """A section as the planes of a volume cut it.

    Attributes
    ----------
    section : SectionPlan
        How it is read; its affine is that on plane 0.
    step : tuple of float
        How (x, y), in full-resolution pixels, changes from a plane to the next.
    distance : tuple of float
        The form from (plane, row, column, 1) to micrometres from the section's plane.
    """

    section: SectionPlan
    step: tuple[float, float]
    distance: Form

    def on_plane(self, plane: int) -> SectionPlan:
        """Return how it is sampled on a plane: its tier, tiles and samples are those of all."""
        (ax, bx, cx), (ay, by, cy) = self.section.affine
        dx, dy = self.step
        return replace(self.section, affine=((ax, bx, cx + dx * plane), (ay, by, cy + dy * plane)))


@dataclass(frozen=True)
class Slab:
    """The voxels that have the same neighbours.

    Attributes
    ----------
    sections : tuple of int
        The section that they are read from, or the two that they lie between.
    bounds : tuple
        Forms, each with what it is above, and what it is not above: those voxels are in the slab.
    """

    sections: tuple[int, ...]
    bounds: tuple[tuple[Form, float, float], ...]

    def part(self, box: Box) -> Box | None:
        """Return the smallest box, along its axes, that has what the slab has of a box."""
        ranges = [(box.z0, box.z1), (box.y0, box.y1), (box.x0, box.x1)]
        for form, low, high in self.bounds:
            values = _range(form, Box(*_flat(ranges)))
            if values[1] <= low or values[0] > high:
                return None
            for axis in range(3):
                ranges[axis] = _shrunk(form, low, high, ranges, axis)
                if ranges[axis][0] >= ranges[axis][1]:
                    return None
        return Box(*_flat(ranges))


@dataclass(frozen=True)
class VolumePlan:
    """Everything needed to make one data variable of a volume, as data.

    Attributes
    ----------
    reading : LoadPlan
        How the sections are read, in the order of `sections`.
    sections : tuple of ObliqueSection
        In the order in which they lie.
    shape : tuple of int
        Planes, rows and columns.
    method : {"nearest", "linear"}
        Whether a voxel is read from the nearest section, or from the two that it lies between.
    max_distance : float
        How far from a section a voxel may be that is read from it alone, in micrometres.
    max_gap : float
        How far apart two sections may be that are interpolated between, in micrometres.
    """

    reading: LoadPlan
    sections: tuple[ObliqueSection, ...]
    shape: tuple[int, int, int]
    method: Method
    max_distance: float
    max_gap: float

    @cached_property
    def slabs(self) -> tuple[Slab, ...]:
        """The slabs that the volume is cut into; no voxel is in two."""
        if self.method == "linear" and len(self.sections) > 1:
            return tuple(self._between())
        return tuple(self._around())

    @property
    def reach(self) -> float:
        """`max_distance`, as it is compared with."""
        return self.max_distance * (1 + _SLACK)

    @property
    def widest(self) -> float:
        """`max_gap`, as it is compared with."""
        return self.max_gap * (1 + _SLACK)

    def _around(self) -> Iterator[Slab]:
        """Yield what is nearest to each section; half-way it is the lower one's."""
        forms = [section.distance for section in self.sections]
        halves = [_sum(lower, upper) for lower, upper in pairwise(forms)]
        for n, form in enumerate(forms):
            bounds = [(form, -self.reach, self.reach)]
            if n:
                bounds.append((halves[n - 1], 0.0, _INFINITE))
            if n < len(halves):
                bounds.append((halves[n], -_INFINITE, 0.0))
            yield Slab((n,), tuple(bounds))

    def _between(self) -> Iterator[Slab]:
        """Yield what lies between neighbours; on a section it is that with the next one."""
        before = [_negative(section.distance) for section in self.sections]
        last = len(before) - 2
        for n, (lower, upper) in enumerate(pairwise(before)):
            least = -_SLACK if n == last else 0.0
            yield Slab((n, n + 1), ((lower, -_INFINITE, 0.0), (upper, least, _INFINITE)))

    def needs(self, box: Box) -> dict[int, list[tuple[int, int]]]:
        """Return the tiles that a box needs of each section: (row, column) by the section's place.

        They are told by the corners of what each slab has of it, and may be some more than those
        that its voxels come from.
        """
        out: dict[int, set[tuple[int, int]]] = {}
        for slab in self.slabs:
            part = slab.part(box)
            if part is not None:
                for n in slab.sections:
                    out.setdefault(n, set()).update(_tiles(self.sections[n], part))
        return {n: sorted(out[n]) for n in sorted(out)}

    @property
    def whole(self) -> Box:
        """All voxels."""
        planes, rows, columns = self.shape
        return Box(0, planes, 0, rows, 0, columns)

    def cut(self, box: Box) -> tuple[VolumePlan, int]:
        """Return the plan of a box alone, with the slabs that it meets, and its first section."""
        slabs = tuple(slab for slab in self.slabs if slab.part(box) is not None)
        numbers = sorted({n for slab in slabs for n in slab.sections})
        first, end = (numbers[0], numbers[-1] + 1) if numbers else (0, 0)
        reading = replace(self.reading, sections=self.reading.sections[first:end])
        out = replace(self, reading=reading, sections=self.sections[first:end])
        moved = (replace(s, sections=tuple(n - first for n in s.sections)) for s in slabs)
        out.__dict__["slabs"] = tuple(moved)  # where cached_property keeps what it has made
        return out, first

    def __dask_tokenize__(self) -> str:
        """Name the plan by a digest, as a LoadPlan is."""
        return self.content_token + self.reading.on_error

    @cached_property
    def content_token(self) -> str:
        """A digest of what voxels are, in whatever blocks, and whatever is done about errors."""
        own = (f for f in fields(self) if f.name != "reading")
        reading = self.reading.content_token
        return digest((reading, *(getattr(self, field.name) for field in own)))


def values_of(form: Form, plane: int, block: Block) -> NDArray[np.float64]:
    """Return a form at the voxels of a plane's block, shape (rows, columns).

    Of a voxel it is the same, to the bit, in any block; and it grows or falls along rows, columns
    and planes all the way, as rounding does not turn it.
    """
    z, y, x, one = form
    rows = np.arange(block.y0, block.y1)
    columns = np.arange(block.x0, block.x1)
    out: NDArray[np.float64] = np.add.outer(y * rows + (z * plane + one), x * columns)
    return out


def median_spacing(sections: Sequence[ObliqueSection], shape: tuple[int, int, int]) -> float | None:
    """Return the median distance of neighbours in the middle of a volume, in micrometres."""
    middle = [(size - 1) / 2 for size in shape]
    at = [sum(c * m for c, m in zip(s.distance, (*middle, 1.0), strict=True)) for s in sections]
    gaps = [lower - upper for lower, upper in pairwise(at) if lower > upper]
    return float(np.median(gaps)) if gaps else None


def _tiles(section: ObliqueSection, part: Box) -> Iterator[tuple[int, int]]:
    """Yield the tiles that a part of a volume needs of a section: it moves evenly from its first
    plane to its last."""
    if not section.section.readable:
        return
    ends = [section.on_plane(plane).span(part.block) for plane in (part.z0, part.z1 - 1)]
    x, y = (
        (min(low for low, _ in spans), max(high for _, high in spans))
        for spans in zip(*ends, strict=True)
    )
    window = section.section.clip((x, y))
    if window is not None:
        yield from section.section.tiles_of(window)


def _range(form: Form, box: Box) -> tuple[float, float]:
    """Return the least and the most that `values_of` gives in a box."""
    z, y, x, one = form
    ends = [
        (y * row + (z * plane + one)) + x * column
        for plane in (box.z0, box.z1 - 1)
        for row in (box.y0, box.y1 - 1)
        for column in (box.x0, box.x1 - 1)
    ]
    return min(ends), max(ends)


def _shrunk(
    form: Form, low: float, high: float, ranges: list[tuple[int, int]], axis: int
) -> tuple[int, int]:
    """Return where along an axis of a box a form can be within its bounds."""
    slope = form[axis]
    start, stop = ranges[axis]
    if not slope:
        return start, stop
    others = [*ranges]
    others[axis] = (0, 1)
    least, most = _range(form, Box(*_flat(others)))
    ends = sorted(((low - most) / slope, (high - least) / slope))
    # A voxel more to either side, as this is rounded in another order than the voxels' own values.
    first = start if ends[0] == -_INFINITE else max(start, math.floor(max(ends[0], start)) - 1)
    end = stop if ends[1] == _INFINITE else min(stop, math.ceil(min(ends[1], stop)) + 2)
    return max(first, start), end


def _flat(ranges: Sequence[tuple[int, int]]) -> list[int]:
    return [end for both in ranges for end in both]


def _sum(left: Form, right: Form) -> Form:
    z, y, x, one = (a + b for a, b in zip(left, right, strict=True))
    return z, y, x, one


def _negative(form: Form) -> Form:
    z, y, x, one = (-a for a in form)
    return z, y, x, one
