"""Displacement fields of section images, as DataArrays, and what is taken of them. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.bend import Bend

_DIMS = ("y", "x", "component")
_MOST_NODES = 1 << 22
_FARTHEST = 1e5  # pixels: more than any image has along a side
_UNEVEN = 1e-3  # of a step


def as_bend(image_id: int, field: object) -> Bend:
    """Return the bend of a section image that a displacement field is.

    Parameters
    ----------
    image_id : int
        The section image's id, for messages.
    field : Bend or xarray.DataArray
        With the dimensions `y`, `x` and `component` and coordinates of the first two: places in the
        section image, and by how much these are off, as (x, y), both in full-resolution pixels.

    Raises
    ------
    InvalidArgumentError
        If it is no such array.
    """
    if isinstance(field, Bend):
        return field
    what = f"the displacement of section image {image_id}"
    dims = getattr(field, "dims", None)
    if not isinstance(dims, tuple) or set(map(str, dims)) != set(_DIMS):
        raise InvalidArgumentError(
            f"{what} is a DataArray with the dimensions y, x and component, not {short(field)}"
        )
    array: Any = field
    array = array.transpose(*_DIMS)
    rows, columns, components = array.shape
    if components != 2 or min(rows, columns) < 2 or rows * columns > _MOST_NODES:
        raise InvalidArgumentError(
            f"{what} has {rows} x {columns} places with {components} components: these are two, x "
            f"and y, at 2 x 2 to {_MOST_NODES:,} places"
        )
    if array.dtype.kind not in "iuf":
        raise InvalidArgumentError(f"{what} is of {array.dtype}, and not of numbers")
    values = np.asarray(array.values, dtype=np.float64)
    if not (np.abs(values) <= _FARTHEST).all():  # also of what is no number
        raise InvalidArgumentError(
            f"{what} has values that are no numbers from {-_FARTHEST:g} to {_FARTHEST:g} pixels"
        )
    (first_y, step_y), (first_x, step_x) = (_steps(array, name, what) for name in ("y", "x"))
    return Bend.of(values, (first_x, first_y), (step_x, step_y))


def _steps(array: Any, name: str, what: str) -> tuple[float, float]:
    """Return the first coordinate and the step along a dimension."""
    if name not in array.coords or array.coords[name].dtype.kind not in "iuf":
        raise InvalidArgumentError(
            f"{what} does not say where in the image it is: it has no coordinate {name}, in "
            "full-resolution pixels"
        )
    at = np.asarray(array.coords[name].values, dtype=np.float64)
    step = float((at[-1] - at[0]) / (len(at) - 1))
    even = at[0] + step * np.arange(len(at))
    if not (step > 0 and np.abs(at - even).max() <= _UNEVEN * step):
        raise InvalidArgumentError(f"{what}: its coordinate {name} does not ascend in equal steps")
    return float(at[0]), step
