"""Which of the regular planes each section is put in; sections lie on irregular ones. Pure.

Plane k is centred at ``(k + 0.5) * step``, as pixel k of any axis of the reference grid is, so that
stores and volumes of one step lie on one grid, whatever sections they hold. A section is put in the
plane that is nearest to it, and no plane holds two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from atldld_xr.allen.reference import FINEST_RESOLUTION
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

_NAMED = 4  # collisions written out, at most


def check_step(step: Any, largest: float, name: str = "step") -> float:
    """Return a distance of planes as a float, in micrometres.

    Parameters
    ----------
    step : float
        What is given for one.
    largest : float
        The largest that there is room for, in micrometres.
    name : str
        What it is called in messages.

    Raises
    ------
    InvalidArgumentError
        If it is no number from 0.1 um to the largest.
    """
    is_real = isinstance(step, int | float | np.integer | np.floating)
    if not is_real or isinstance(step, bool) or not FINEST_RESOLUTION <= step <= largest:
        raise InvalidArgumentError(
            f"{name} must be a number of micrometres from {FINEST_RESOLUTION} to {largest:g}, "
            f"not {short(step)}"
        )
    return float(step)


def count_planes(extent: float, step: float) -> int:
    """Return how many whole planes fit an extent of the reference space."""
    # The tolerance of `Grid`: it keeps 8000 / 0.1 and the like from losing one to rounding.
    return math.floor(extent / step + 1e-9)


def nearest_plane(position: float, step: float) -> int:
    """Return the plane whose centre is nearest; half-way between two it is the upper one."""
    # One division and a floor, so that no section is in two planes. What is left of 0 stays there:
    # the quotient may be rounded to it.
    plane = math.floor(position / step)
    return plane if position >= 0 else min(plane, -1)


def place(
    positions: Sequence[float],
    step: float,
    *,
    dim: str,
    image_ids: Sequence[int | None],
    extent: float | None = None,
) -> list[int | None]:
    """Return the plane of each section.

    Parameters
    ----------
    positions : sequence of float
        Where the sections are, in micrometres, in any order.
    step : float
        From one plane to the next, in micrometres.
    dim : str
        Name of the dimension across sections, for messages.
    image_ids : sequence of int or None
        The ids of the section images, for messages; None where one is not known.
    extent : float, optional
        How far the planes reach, in micrometres from 0: a section that is outside of the whole
        planes in there has none. Default: there is no end to them.

    Returns
    -------
    list of int or None
        In the order of the positions.

    Raises
    ------
    InvalidArgumentError
        If a position is no finite number, or two sections are in one plane.
    """
    if not np.isfinite(positions).all():
        raise InvalidArgumentError(f"a section's position ({dim}) is no finite number")
    nearest = [nearest_plane(position, step) for position in positions]
    planes: list[int | None] = list(nearest)
    if extent is not None:
        count = count_planes(extent, step)
        planes = [plane if 0 <= plane < count else None for plane in nearest]
    in_order = sorted(range(len(positions)), key=lambda index: positions[index])
    pairs = [
        (lower, upper)
        for lower, upper in pairwise(in_order)
        if planes[lower] is not None and planes[lower] == planes[upper]
    ]
    if not pairs:
        return planes
    names = [_name(*facts) for facts in enumerate(zip(positions, image_ids, strict=True))]
    told = [
        f"{names[lower]} and {names[upper]} in the plane at {(nearest[lower] + 0.5) * step:g} um"
        for lower, upper in pairs[:_NAMED]
    ]
    if len(pairs) > _NAMED:
        told.append(f"and {len(pairs) - _NAMED} more pairs")
    separating = _separating_step(positions, step, extent)
    advice = "no step separates them:"
    if separating is not None:
        advice = f"step={separating:g} separates them, or"
    raise InvalidArgumentError(
        f"a plane holds one section, and of planes {step:g} um apart some have two: "
        f"{'; '.join(told)}. {advice} leave out one of each pair with .isel({dim}=[...])"
    )


def _name(index: int, facts: tuple[float, int | None]) -> str:
    position, image_id = facts
    section = f"section {index}" if image_id is None else f"section image {image_id}"
    return f"{section} ({position:.1f} um)"


def _separating_step(positions: Sequence[float], step: float, extent: float | None) -> float | None:
    """Return about the largest whole part of a step at which no two sections share a plane."""
    inside = np.sort([p for p in positions if extent is None or 0 <= p < extent])
    gap = float(np.diff(inside).min())
    if gap <= FINEST_RESOLUTION:
        return None
    # At a step below the smallest gap none do.
    for part in range(2, math.ceil(step / gap) + 2):
        finer = float(f"{step / part:g}")  # as it is written in the message
        if finer >= FINEST_RESOLUTION and np.diff(np.floor(inside / finer)).all():
            return finer
    return None
