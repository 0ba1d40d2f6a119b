"""How far apart pixels and sections are, by their coordinates. Pure.

What was asked for is taken where the coordinates of pixels agree; else it is measured. Coordinates
are rounded, so a size that is measured of them is off by a little, and whether a whole number of
pixels fits the reference space may hang on that. The attribute ``resolution`` has what was asked
for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.allen.reference import FINEST_RESOLUTION
from atldld_xr.plan.arguments import is_whole

_SMALLEST, _LARGEST = 1e-6, 1e9

_PARTS = 2
"""How many steps the usual gap between sections may be: of many, any would be found to fit."""

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


@dataclass(frozen=True)
class Spacing:
    """Sections in equal steps, of which some may be left out.

    Attributes
    ----------
    step : float
        From one to the next, in micrometres.
    first : float
        Where the first one should be, in micrometres.
    places : tuple of int
        How many steps each is from there, in the order that they were given in.
    """

    step: float
    first: float
    places: tuple[int, ...]


def find_spacing(positions: Sequence[float], thickness: float) -> Spacing | None:
    """Return in which equal steps sections lie; None where they do not, or are fewer than two.

    They do if each is where it should be to half of what it is thick, and of a step: what its
    place shows is then tissue that was cut there. Registered sections of Allen's are 5 um off, of
    174 um from one to the next, and 25 um thick (data set 69289763).

    Parameters
    ----------
    positions : sequence of float
        Where the sections are, in micrometres, in any order.
    thickness : float
        What a section is thick, in micrometres.
    """
    given = np.asarray(positions, dtype=np.float64)
    order = np.argsort(given)
    p = given[order]
    gaps = np.diff(p)
    if not gaps.size or gaps.min() < FINEST_RESOLUTION:
        return None
    usual = gaps[gaps < 1.25 * gaps.min()].mean()
    for part in range(1, _PARTS + 1):
        n = np.concatenate([[0], np.cumsum(np.rint(gaps / usual * part))])
        step, first = _line(n, p)
        if np.abs(first + step * n - p).max() <= min(thickness, step) / 2:
            places = np.empty(len(n), dtype=int)
            places[order] = n
            return Spacing(step, first, tuple(places.tolist()))
    return None


def _line(n: NDArray[np.float64], p: NDArray[np.float64]) -> tuple[float, float]:
    """Return the step and the first of positions, by least squares."""
    from_middle = n - n.mean()
    # To a nanometre, which is the same on every machine.
    step = round(float(from_middle @ p / (from_middle @ from_middle)), 3)
    return step, round(float(p.mean() - step * n.mean()), 3)


def is_size(value: Any) -> bool:
    """Return whether something is a size that pixels can have, in micrometres."""
    if not (is_whole(value) or isinstance(value, float | np.floating)):
        return False
    return bool(_SMALLEST <= value <= _LARGEST)
