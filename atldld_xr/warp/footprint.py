"""Which pixels of a block have their centre inside the section image. Pure.

The image is a parallelogram on the output grid, so in each row it is an interval of columns: only
its ends are looked for, with the very comparisons that would tell for every pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from atldld_xr.plan.bent_section import BentSectionPlan
from atldld_xr.plan.load_plan import Block, SectionPlan


@dataclass(frozen=True)
class RowSpans:
    """An interval of columns for each row of a block.

    Attributes
    ----------
    columns : int
        Columns of the block.
    first, end : ndarray of int64, shape (rows,)
        The first column inside and the one after the last, counted from the block's own first.
        A row that has none ends at or before its first.
    """

    columns: int
    first: NDArray[np.int64]
    end: NDArray[np.int64]

    def any(self) -> bool:
        """Return whether any pixel is inside."""
        return bool((self.first < self.end).any())

    def all(self) -> bool:
        """Return whether all pixels are inside."""
        return not self.first.any() and bool((self.end == self.columns).all())

    def bounds(self, rows: slice) -> tuple[int, int]:
        """Return the first column and the one after the last that some rows reach, together."""
        return int(self.first[rows].min()), int(self.end[rows].max())

    def part(self, rows: slice, columns: slice) -> RowSpans:
        """Return what is in a part of the block."""
        width = columns.stop - columns.start
        ends = (np.clip(e[rows] - columns.start, 0, width) for e in (self.first, self.end))
        return RowSpans(width, *ends)

    def within(self, other: RowSpans) -> RowSpans:
        """Return what is in both, of blocks of one shape."""
        first, end = np.maximum(self.first, other.first), np.minimum(self.end, other.end)
        is_none = first >= end  # it is not to widen the bounds of its neighbours
        return RowSpans(
            self.columns, np.where(is_none, self.columns, first), np.where(is_none, 0, end)
        )

    def mask(self) -> NDArray[np.bool_]:
        """Return which pixels are inside, shape (rows, columns)."""
        if self.all() or not self.any():
            return np.full((len(self.first), self.columns), self.all())
        # Row k of this staircase is true at the columns before `columns - k`: copying its rows is
        # much faster than comparing every column with every end.
        stairs = sliding_window_view(np.arange(2 * self.columns) < self.columns, self.columns)
        mask: NDArray[np.bool_] = stairs[self.columns - self.end]
        return np.greater(mask, stairs[self.columns - self.first], out=mask)


@dataclass(frozen=True)
class Inside:
    """Pixels of a block in no order, as those of a section that is bent; else as `RowSpans`."""

    where: NDArray[np.bool_]

    def any(self) -> bool:
        """Return whether any pixel is inside."""
        return bool(self.where.any())

    def all(self) -> bool:
        """Return whether all pixels are inside."""
        return bool(self.where.all())

    def bounds(self, rows: slice) -> tuple[int, int]:
        """Return the first column and the one after the last that some rows reach, together."""
        columns = np.flatnonzero(self.where[rows].any(0))
        return (int(columns[0]), int(columns[-1]) + 1) if columns.size else (0, 0)

    def part(self, rows: slice, columns: slice) -> Inside:
        """Return what is in a part of the block."""
        return Inside(self.where[rows, columns])

    def within(self, other: RowSpans) -> Inside:
        """Return what is in both, of blocks of one shape."""
        return Inside(self.where & other.mask())

    def mask(self) -> NDArray[np.bool_]:
        """Return which pixels are inside, shape (rows, columns)."""
        return self.where


def find_inside(section: SectionPlan, block: Block) -> RowSpans | Inside:
    """Return which pixels of a block are inside the section image, edges included.

    Parameters
    ----------
    section : SectionPlan
        The section.
    block : Block
        The output pixels.

    Returns
    -------
    RowSpans, or Inside of a section that is bent
        Decided in full-resolution pixels, and so the same at every tier. A section that is not
        readable has no pixel.
    """
    if isinstance(section, BentSectionPlan):
        return _inside_bent(section, block)
    rows, columns = block.shape
    zeros = np.zeros(rows, dtype=np.int64)
    spans = []
    for (a, b, c), size in zip(
        section.affine, (section.image.width, section.image.height), strict=True
    ):
        ends = (block.y0, block.y1 - 1), (block.x0, block.x1 - 1)
        corners = [a * row + c + b * column for row in ends[0] for column in ends[1]]
        spans.append((min(corners), max(corners), size - 0.5))
    # A position is affine, and rounded monotonically: what holds at the corners holds in between.
    if not section.readable or any(high < -0.5 or low >= edge for low, high, edge in spans):
        return RowSpans(columns, zeros, zeros)
    if all(low >= -0.5 and high < edge for low, high, edge in spans):
        return RowSpans(columns, zeros, zeros + columns)
    return RowSpans(columns, *_search(section, block))


def _inside_bent(section: BentSectionPlan, block: Block) -> Inside:
    where = np.full(block.shape, section.readable)
    at = (
        np.arange(*ends, dtype=np.float64) for ends in ((block.y0, block.y1), (block.x0, block.x1))
    )
    places = section.places(*at)
    for place, size in zip(places, (section.image.width, section.image.height), strict=True):
        where &= (place >= -0.5) & (place < size - 0.5)
    return Inside(where)


def _search(section: SectionPlan, block: Block) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first column inside and the one after the last, for each row, by bisection."""
    rows, columns = block.shape
    # Dimensions: x and y; the edge that is entered along a row, and the one that is left; rows.
    a, b, c = np.array(section.affine).T[:, :, None, None]
    edges = np.array([[[-0.5], [s - 0.5]] for s in (section.image.width, section.image.height)])
    rising = b >= 0
    edges = np.where(rising, edges, edges[:, ::-1])
    by_row = a * np.arange(block.y0, block.y1) + c
    before = np.zeros((2, 2, rows))  # columns that are before an edge
    for power in reversed(range(columns.bit_length())):
        tried = before + (1 << power)
        past = (by_row + b * (tried + (block.x0 - 1)) >= edges) == rising
        before = np.where(past, before, tried)
    before = np.minimum(before, columns).astype(np.int64)
    return before[:, 0].max(axis=0), before[:, 1].min(axis=0)


def find_between(
    by_row: NDArray[np.float64], slope: float, columns: range, low: float, high: float
) -> RowSpans:
    """Return where ``low < by_row + slope * column <= high``, as it is computed for each pixel.

    Parameters
    ----------
    by_row : ndarray of float64, shape (rows,)
        What is due to the row.
    slope : float
        From a column to the next.
    columns : range
        The block's columns, as the slope counts them.
    low, high : float
        The bounds; they may be infinite.
    """
    count = len(columns)
    # Dimensions: the two bounds; rows. The sum is rounded monotonically, so that a bound is passed
    # once along a row.
    bounds = np.array([[low], [high]])
    before = np.zeros((2, len(by_row)), dtype=np.int64)  # columns that are before a bound
    rising = slope >= 0
    for power in reversed(range(count.bit_length())):
        tried = before + (1 << power)
        above = by_row + slope * (tried + (columns.start - 1)) > bounds
        before = np.where(above == rising, before, tried)
    lower, upper = np.minimum(before, count)
    first, end = (lower, upper) if rising else (upper, lower)
    return RowSpans(count, first, end)
