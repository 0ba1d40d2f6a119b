"""Comparing pictures that should show the same. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_REACH = 2


class Shift(NamedTuple):
    """How far one picture lies to the right of and below where another has the same.

    Attributes
    ----------
    x, y : int
        Pixels.
    off : float
        The mean difference that remains, in grey levels.
    """

    x: int
    y: int
    off: float


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the mean difference of two pictures, over what both have, in grey levels."""
    rows, columns = (min(a, b) for a, b in zip(one.shape[:2], other.shape[:2], strict=True))
    parts = (p[:rows, :columns].astype(np.int16) for p in (one, other))
    return float(np.abs(np.subtract(*parts)).mean())


def find_shift(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> Shift:
    """Return by how many pixels, up to two, the second of two pictures is to be moved.

    Of shifts that do as well, none is taken rather than one: glass is everywhere the same.
    """
    rows, columns = (min(a, b) for a, b in zip(one.shape[:2], other.shape[:2], strict=True))
    inner = one[_REACH : rows - _REACH, _REACH : columns - _REACH]
    found = []
    for y in range(-_REACH, _REACH + 1):
        for x in range(-_REACH, _REACH + 1):
            top, left = _REACH + y, _REACH + x
            moved = other[top : top + inner.shape[0], left : left + inner.shape[1]]
            found.append(Shift(x, y, difference(inner, moved)))
    best = min(found, key=lambda shift: shift.off)
    (none,) = (shift for shift in found if (shift.x, shift.y) == (0, 0))
    return none if none.off <= best.off + 0.25 else best
