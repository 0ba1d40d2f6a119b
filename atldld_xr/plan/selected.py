"""Whether pixels are some of a plan's own, by the matrices that lead to an image. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

_TOLERANCE = 1e-2
"""In pixels of the plan: what rounding of coordinates can add up to."""


def is_selected(
    planned: ArrayLike,
    shown: ArrayLike,
    *,
    shape: tuple[int, int],
    within: tuple[int, int],
    thinned: bool = False,
) -> bool:
    """Return whether pixels are a window of a plan's.

    Where somebody moved, stretched or turned coordinates, they are not: what is read by a plan at
    these coordinates is then another place than what the Dataset has there.

    Parameters
    ----------
    planned, shown : array_like, shape (2, 3)
        From (row, column, 1) of the plan's pixels and of those in question to an image's.
    shape, within : tuple of int
        Rows and columns: of those in question, and of the plan.
    thinned : bool
        Whether they may also be every second, or so, of a window.
    """
    own, other = (np.asarray(matrix, dtype=np.float64) for matrix in (planned, shown))
    if not np.isfinite(other).all() or np.linalg.matrix_rank(own[:, :2]) < 2:
        return False
    lead = np.linalg.solve(own[:, :2], other - np.pad(own[:, 2:], ((0, 0), (2, 0))))
    whole = np.rint(lead)
    steps, first = np.diag(whole), whole[:, 2]
    last = first + steps * (np.array(shape) - 1)
    off = np.abs(lead - whole) @ np.array([*shape, 1])
    turned = whole[0, 1] or whole[1, 0]
    inside = first.min() >= 0 and (last < np.array(within)).all()
    regular = steps.min() >= 1 and (thinned or steps.max() == 1)
    return bool(not turned and regular and inside and off.max() <= _TOLERANCE)
