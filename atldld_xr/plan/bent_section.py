"""BentSectionPlan: a section whose pixels are off where an affine has them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from atldld_xr.plan.bend import Bend
from atldld_xr.plan.load_plan import Block, LoadPlan, SectionPlan, Span

Array = NDArray[np.float64]


@dataclass(frozen=True)
class BentSectionPlan(SectionPlan):
    """How a section is read where the affine, and then a bend of its image, say.

    Attributes
    ----------
    bend : Bend
        What is added to the pixels (x, y) that the affine gives.
    """

    bend: Bend = field(kw_only=True)

    @classmethod
    def of(cls, plan: SectionPlan, bend: Bend) -> BentSectionPlan:
        """Return a section's plan with a bend."""
        return cls(**{each.name: getattr(plan, each.name) for each in fields(plan)}, bend=bend)

    def places(self, rows: Array, columns: Array) -> tuple[Array, Array]:
        """Return the full-resolution pixels (x, y) of output rows and columns, with the bend."""
        x, y = (np.add.outer(a * rows + c, b * columns) for a, b, c in self.affine)
        off_x, off_y = self.bend.at(x, y)
        return x + off_x, y + off_y

    def sampled_places(self, rows: Array, columns: Array) -> tuple[Array, Array]:
        """Return the same in pixels of `sampled_tier`."""
        return self._in(self.sampled_affine, self.sampled_tier, rows, columns)

    def tier_places(self, rows: Array, columns: Array) -> tuple[Array, Array]:
        """Return the same in pixels of the fetched tier."""
        return self._in(self.tier_affine, self.tier, rows, columns)

    def _in(self, affine: Array, tier: int, rows: Array, columns: Array) -> tuple[Array, Array]:
        x, y = (np.add.outer(a * rows + c, b * columns) for a, b, c in self.affine)
        out = []
        for (a, b, c), off in zip(affine.tolist(), self.bend.at(x, y), strict=True):
            out.append(np.add.outer(a * rows + c, b * columns) + off / 2**tier)
        return out[0], out[1]

    def span(self, block: Block) -> tuple[Span, Span]:
        """Return from where to where a block lies, by the bounds of the bend there."""
        spans = []
        for (low, high), (least, most) in zip(super().span(block), self._off(block), strict=True):
            spans.append((low + least, high + most))
        return spans[0], spans[1]

    def _off(self, block: Block) -> list[list[float]]:
        """Return the bounds of the bend for a block, along x and y, in pixels sampled."""
        x, y = (_range(row, block) for row in self.affine)
        off: list[list[float]] = (self.bend.bounds(x, y) / 2**self.sampled_tier).tolist()
        return off

    def _tiles(self, block: Block) -> Iterator[tuple[int, int]]:
        window = self.window(block)
        if window is not None:
            yield from self.tiles_of(window)


def is_bent(plan: LoadPlan) -> bool:
    """Return whether any section of a plan is bent: then no affine says where pixels come from."""
    return any(isinstance(section, BentSectionPlan) for section in plan.sections)


def _range(row: tuple[float, float, float], block: Block) -> tuple[float, float]:
    """Return the least and the largest number of an affine's row in a block, samples included."""
    a, b, c = row
    rows, columns = (block.y0 - 0.5, block.y1 - 0.5), (block.x0 - 0.5, block.x1 - 0.5)
    ends = [a * j + b * k + c for j in rows for k in columns]
    return min(ends), max(ends)
