"""Where samples are taken: fixed-point positions in the sampled tier, as OpenCV takes them. Pure.

They are computed from the output index in float64 and rounded once to 1/32 of a source pixel on a
grid fixed per section, before the origin of any window or block is subtracted; from there on the
arithmetic is in integers. A pixel is therefore the same, to the bit, whatever block it is computed
in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atldld_xr.plan.bent_section import BentSectionPlan
from atldld_xr.plan.load_plan import Block, Interpolation, SectionPlan
from atldld_xr.warp.scratch import Scratch

# Positions have 16 fractional bits while they are summed; OpenCV's tables take the upper 5 of them.
_FRACTION = 16
_TABLE = 5
_SCRATCH = Scratch()

Parts = tuple[NDArray[np.uint32], NDArray[np.uint32]]
"""What of a position is due to rows, and what to columns; it is their sum, modulo 2**32."""

Positions = tuple[Parts, Parts]
"""Those of x and of y."""

Maps = tuple[NDArray[np.int16], NDArray[np.uint16] | None]
"""What OpenCV's ``remap`` takes: whole pixels, and the fraction's place in its table."""


def samples_at(start: int, stop: int, n: int) -> NDArray[np.float64]:
    """Return where the samples of output pixels are, along one axis.

    Parameters
    ----------
    start, stop : int
        The first pixel, and the one after the last.
    n : int
        Samples of each: centred at it, 1/n apart.

    Returns
    -------
    ndarray of float64, shape (pixels, n)
        In output pixels.
    """
    index = np.arange(start * n, stop * n).reshape(-1, n)
    return (2 * index + 1) / (2 * n) - 0.5


def positions(section: SectionPlan, block: Block, origin: tuple[int, int]) -> Positions:
    """Return, for x and for y, the parts of the sample positions due to rows and to columns.

    An affine position is a sum of the two. Each is rounded as a fixed-point number from the global
    index alone; the origin is whole pixels, so subtracting it is exact. The sum is meant modulo
    2**32: windows are of bounded size, so it is within some 2**12 pixels of 0.

    Parameters
    ----------
    section : SectionPlan
        The section.
    block : Block
        The output pixels.
    origin : tuple of int
        Left and top of the window, in pixels of the sampled tier.

    Returns
    -------
    Positions
        Of shapes (rows, n) and (n, columns), for n samples a pixel along each axis.
    """
    n = section.subsamples
    rows_at = samples_at(block.y0, block.y1, n)
    columns_at = samples_at(block.x0, block.x1, n).T
    one = float(1 << _FRACTION)
    out = []
    for (a, b, c), start in zip(section.sampled_affine.tolist(), origin, strict=True):
        by_row = np.rint((a * rows_at + c) * one).astype(np.int64) - (start << _FRACTION)
        by_column = np.rint(b * columns_at * one).astype(np.int64)
        out.append((by_row.astype(np.uint32), by_column.astype(np.uint32)))
    return out[0], out[1]


def opencv_maps(x: Parts, y: Parts, interpolation: Interpolation) -> Maps:
    """Return the maps of the positions that rows and columns have together.

    Parameters
    ----------
    x, y : Parts
        Those due to rows and to columns, one-dimensional.
    interpolation : str
        Whether whole pixels are enough.

    Returns
    -------
    ndarray of int16, shape (rows, columns, 2), and ndarray of uint16 or None
        In memory that the next call works in again.
    """
    table = 0 if interpolation == "nearest" else _TABLE
    half = np.uint32(1 << (_FRACTION - table - 1))
    shape = len(x[0]), len(x[1])
    at_x = np.add((x[0] + half)[:, None], x[1], out=_SCRATCH.array("x", shape, np.uint32))
    at_y = np.add((y[0] + half)[:, None], y[1], out=_SCRATCH.array("y", shape, np.uint32))
    return _split(at_x, at_y, table)


def bent_maps(
    section: BentSectionPlan,
    rows_at: NDArray[np.float64],
    columns_at: NDArray[np.float64],
    origin: tuple[int, int],
) -> Maps:
    """Return OpenCV's maps of samples of a section that is bent, at rows and columns.

    Each position is rounded once, as those of an affine are: from the global index in float64.

    Parameters
    ----------
    section : BentSectionPlan
        The section.
    rows_at, columns_at : ndarray of float64
        Where samples are, in output pixels.
    origin : tuple of int
        Left and top of the window, in pixels of the sampled tier.
    """
    table = 0 if section.interpolation == "nearest" else _TABLE
    half, one = 1 << (_FRACTION - table - 1), float(1 << _FRACTION)
    at = []
    for places, start in zip(section.sampled_places(rows_at, columns_at), origin, strict=True):
        whole = np.rint(places * one).astype(np.int64) + (half - (start << _FRACTION))
        at.append(whole.astype(np.uint32))
    return _split(at[0], at[1], table)


def _split(at_x: NDArray[np.uint32], at_y: NDArray[np.uint32], table: int) -> Maps:
    """Return whole pixels and fractions of positions, which are worked in."""
    shape = at_x.shape
    places = None
    if table:
        places = _SCRATCH.array("places", shape, np.uint16)
        np.copyto(places, at_y, casting="unsafe")
        places >>= _FRACTION - 2 * table
        places &= ((1 << table) - 1) << table
        low = _SCRATCH.array("low", shape, np.uint16)
        np.copyto(low, at_x, casting="unsafe")
        low >>= _FRACTION - table
        places |= low
    # The upper halves of x and y side by side: a pair of int16, as memory is little-endian.
    at_x >>= _FRACTION
    at_y &= ~np.uint32((1 << _FRACTION) - 1)
    at_y |= at_x
    return at_y.view(np.int16).reshape(*shape, 2), places
