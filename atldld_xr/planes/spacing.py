"""How far apart pixels are: what was asked for, where the coordinates agree; else measured. Pure.

Coordinates are rounded, so a size that is measured of them is off by a little, and whether a whole
number of pixels fits the reference space may hang on that. The attribute ``resolution`` has what
was asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.plan.arguments import is_whole

_SMALLEST, _LARGEST = 1e-6, 1e9

TOLERANCE = 1e-3
"""In pixels: how far a coordinate may be from a regular grid."""


def find_pixel_size(dataset: xr.Dataset) -> float | None:
    """Return the size of a Dataset's pixels by the longer of y and x; None if it cannot be told.

    Parameters
    ----------
    dataset : xarray.Dataset
        With the attribute ``resolution``, or without.
    """
    axes = [dataset[name].values for name in ("y", "x") if name in dataset.indexes]
    usable = [v for v in axes if v.size and v.dtype.kind in "iuf" and np.isfinite(v).all()]
    longest = max(usable, key=len, default=None)
    return None if longest is None else find_step(longest, dataset.attrs.get("resolution"))


def find_step(values: NDArray[Any], asked: Any = None) -> float | None:
    """Return how far apart coordinates are; None where that cannot be told.

    Parameters
    ----------
    values : ndarray
        The coordinates, of which there are some, in micrometres.
    asked : float, optional
        What is taken if the coordinates are a run of pixels of this size. What is no such number
        is let be.
    """
    values = np.asarray(values, dtype=np.float64)
    if is_size(asked):
        steps = (values - values[0]) / float(asked)
        if np.abs(steps - np.arange(values.size)).max() <= TOLERANCE:
            return float(asked)
    if values.size < 2:
        return None
    first, last = float(values[0]), float(values[-1])
    step = (last - first) / (values.size - 1)
    # What rounding can have added: without it, 25 is 25, and two thirds stay two thirds.
    noise = 4 * np.finfo(np.float64).eps * max(abs(first), abs(last)) / (values.size - 1)
    whole = float(f"{step:.12g}")
    return whole if abs(whole - step) <= noise else step


def is_size(value: Any) -> bool:
    """Return whether something is a size that pixels can have, in micrometres."""
    if not (is_whole(value) or isinstance(value, float | np.floating)):
        return False
    return bool(_SMALLEST <= value <= _LARGEST)
