"""Pixels along an axis, and what becomes of them when they are halved. Pure.

All halves of a pyramid are here: a pixel of level n covers 2**n pixels of level 0, and its centre
is the middle of theirs, ``(2**n - 1) / 2`` pixels beyond the centre of the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.planes.spacing import TOLERANCE, find_pixel_size, find_step

UNIT = "micrometer"


@dataclass(frozen=True)
class Axis:
    """Equal pixels in a row.

    Attributes
    ----------
    first : float
        Centre of pixel 0, in micrometres.
    step : float
        From one centre to the next, in micrometres.
    size : int
        How many there are.
    """

    first: float
    step: float
    size: int

    def level(self, level: int) -> Axis:
        """Return the axis after `level` halvings; an odd pixel at the end stays one of its own."""
        factor = 2**level
        return Axis(
            self.first + (factor - 1) * self.step / 2, self.step * factor, -(-self.size // factor)
        )

    @property
    def centres(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Coordinates of the pixels' centres, in micrometres."""
        return self.first + np.arange(self.size, dtype=np.float64) * self.step


def read_positions(dataset: xr.Dataset, dim: str) -> NDArray[Any]:
    """Return a coordinate's values as they are: numbers of micrometres.

    Raises
    ------
    InvalidArgumentError
        If it says that they are in another unit, or some are no finite numbers.
    """
    unit = dataset[dim].attrs.get("units", UNIT)
    if unit != UNIT:
        raise InvalidArgumentError(f"the coordinate {dim} must be in {UNIT}, not in {short(unit)}")
    values: NDArray[Any] = dataset[dim].values
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise InvalidArgumentError(f"the coordinate {dim} holds what is no position")
    return values


def find_axis(dataset: xr.Dataset, dim: str) -> Axis:
    """Return the pixels along a dimension by its coordinate.

    Raises
    ------
    InvalidArgumentError
        If the coordinate is missing, is of one pixel whose size nothing tells, or is not regular
        and ascending.
    """
    if dim not in dataset.coords or dataset[dim].dims != (dim,):
        raise InvalidArgumentError(f"OME-Zarr needs a Dataset with the dimension {dim}, in order")
    values = read_positions(dataset, dim)
    # Pixels are as high as wide, but where someone made them otherwise.
    step = find_step(values, find_pixel_size(dataset)) if values.size else None
    if step is None:
        raise InvalidArgumentError(
            f"{dim} has {values.size} pixels, whose size cannot be told: set the attribute "
            "resolution of the Dataset, in micrometres"
        )
    axis = Axis(round_off(float(values[0])), step, int(values.size))
    if step <= 0 or np.abs(values - axis.centres).max() > TOLERANCE * step:
        raise InvalidArgumentError(
            f"OME-Zarr holds pixels in equal steps, ascending, and those of {dim} are not: "
            "regrid the Dataset, or sort it"
        )
    return axis


def round_off(value: float) -> float:
    """Return a number without what binary fractions add to it: 0.3, not 0.30000000000000004."""
    return float(f"{value:.12g}")
