"""Which of the regular planes each section is put in; sections lie on irregular ones. Pure.

Plane k is centred at ``(k + 0.5) * step``, as pixel k of any axis of the reference grid is, so that
stores of one step lie on one grid, whatever sections they hold. By default a step is what a section
is thick: a plane then shows the tissue that was cut, and no position is off by more than half of
it. At 25 um these are the planes of Allen's own reference volume. Only those from the first section
to the last are kept: a slice of a data set takes no more than it holds, and a section that is
registered to beyond the reference space has its place like the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_DOWN, Context
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from atldld_xr.allen.reference import FINEST_RESOLUTION, PLANES, REFERENCE_SPACES
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.planes.axis import Axis, check_unit, round_off

DIMS = tuple(plane.dim for plane in PLANES.values())
"""Names of the dimension across sections."""

_THICKEST = max(max(space.extent) for space in REFERENCE_SPACES.values())

# The reference space has 132 000 of the finest; more is a coordinate that is none.
_MOST_PLANES = 1_000_000

_THREE_DIGITS = Context(prec=3, rounding=ROUND_DOWN)


@dataclass(frozen=True)
class Planes:
    """Regular planes with sections in some of them.

    Attributes
    ----------
    dim : str
        Name of the dimension across sections.
    step : float
        From one plane to the next, in micrometres.
    first : int
        Which plane of the reference grid plane 0 is.
    places : tuple of int
        In which plane each section is, in the Dataset's order.
    positions : tuple of float
        Where each section is exactly, in micrometres.
    """

    dim: str
    step: float
    first: int
    places: tuple[int, ...]
    positions: tuple[float, ...]

    @property
    def axis(self) -> Axis:
        """The planes' centres."""
        return Axis(round_off((self.first + 0.5) * self.step), self.step, max(self.places) + 1)

    @property
    def sections(self) -> dict[int, int]:
        """The section in each plane that has one, as an index into the Dataset."""
        return {place: section for section, place in enumerate(self.places)}


def find_dim(dataset: xr.Dataset) -> str:
    """Return the name of the dimension across sections.

    Raises
    ------
    InvalidArgumentError
        If there is none, or both.
    """
    dims = [dim for dim in DIMS if dim in dataset.dims]
    if len(dims) == 1:
        return dims[0]
    if not dims and any(dim in dataset.coords for dim in DIMS):
        raise InvalidArgumentError(
            "this is one section, and OME-Zarr needs the dimension across sections: take it by a "
            "list, as .isel(coronal=[0])"
        )
    raise InvalidArgumentError(
        f"OME-Zarr needs a Dataset with one dimension across sections, {' or '.join(DIMS)}; this "
        f"has {', '.join(map(str, dataset.dims)) or 'none'}"
    )


def find_planes(dataset: xr.Dataset, *, step: float | None = None) -> Planes:
    """Put each section in its nearest plane.

    Parameters
    ----------
    dataset : xarray.Dataset
        As `atldld_xr.open_dataset` returns it, whole or sliced; no pixels are read.
    step : float, optional
        From one plane to the next, in micrometres. Default: the attribute ``section_thickness``.

    Returns
    -------
    Planes
        Positions halfway between two planes are in the upper one.

    Raises
    ------
    InvalidArgumentError
        If two sections are in one plane, or a position or the step is no number that can be used.
    """
    dim = find_dim(dataset)
    if dim not in dataset.coords:
        raise InvalidArgumentError(f"the sections have no positions: {dim} has no coordinate")
    check_unit(dataset, dim)
    positions = dataset[dim].values
    if positions.size == 0:
        raise InvalidArgumentError("there is no section to be written")
    if positions.dtype.kind not in "iuf" or not np.isfinite(positions).all():
        raise InvalidArgumentError(f"the coordinate {dim} holds what is no position")
    width = _check_step(dataset, step)
    # One division and a floor: ties go up, and no section is in two planes.
    places = [math.floor(position / width) for position in positions.tolist()]
    first = min(places)
    if max(places) - first >= _MOST_PLANES:
        raise InvalidArgumentError(
            f"{dim} is from {positions.min():g} to {positions.max():g} um: that is more than "
            f"{_MOST_PLANES} planes of {width:g} um; take a larger step"
        )
    _check_apart(dataset, dim, positions, places, width)
    return Planes(
        dim, width, first, tuple(p - first for p in places), tuple(map(float, positions.tolist()))
    )


def _check_step(dataset: xr.Dataset, step: float | None) -> float:
    name: str = "step"
    value: Any = step
    if step is None:
        name, value = "section_thickness", dataset.attrs.get("section_thickness")
        if value is None:
            raise InvalidArgumentError(
                "the Dataset does not say how thick its sections are (the attribute "
                "section_thickness): give the distance of planes as step"
            )
    real = isinstance(value, int | float | np.integer | np.floating)
    if not real or isinstance(value, bool) or not FINEST_RESOLUTION <= value <= _THICKEST:
        raise InvalidArgumentError(
            f"{name} must be a number of micrometres from {FINEST_RESOLUTION} to {_THICKEST:g}, "
            f"not {short(value)}"
        )
    return float(value)


def _check_apart(
    dataset: xr.Dataset, dim: str, positions: Any, places: list[int], step: float
) -> None:
    order = np.argsort(positions, kind="stable").tolist()
    pairs = [(a, b) for a, b in pairwise(order) if places[a] == places[b]]
    if not pairs:
        return
    ids = dataset.coords.get("section_image_id")
    names = [
        f"{dim}={positions[i]:.6g}" if ids is None else f"{int(ids.values[i])} ({positions[i]:.6g})"
        for i in pairs[0]
    ]
    more = f", and {len(pairs) - 1} more pairs likewise" if len(pairs) > 1 else ""
    # Sections more than a step apart are never in one plane; the difference may be rounded up.
    closest = float(np.diff(positions[order]).min())
    apart = float(_THREE_DIGITS.create_decimal_from_float(closest * (1 - 1e-9)))
    advice = (
        f"step={apart:g} keeps all of them apart"
        if apart >= FINEST_RESOLUTION
        else f"some are {closest:g} um apart, so leave out one of each pair with .isel({dim}=[...])"
    )
    raise InvalidArgumentError(
        f"sections {names[0]} and {names[1]} are both in the plane at "
        f"{(places[pairs[0][0]] + 0.5) * step:g} um, of planes {step:g} um apart{more}; a plane "
        f"holds one section: {advice}"
    )
