"""The dimension across sections, and the section that lies nearest to a place on it. Pure."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import xarray as xr

from atldld_xr.allen.reference import SECTION_DIMS
from atldld_xr.errors import InvalidArgumentError

Stack = TypeVar("Stack", xr.Dataset, xr.DataArray)

TABLE_DIM = "section_image"
"""The dimension of the table of sections that a volume is read from."""


def section_dim(data: xr.Dataset | xr.DataArray) -> str:
    """Return the name of the dimension across sections.

    Raises
    ------
    InvalidArgumentError
        If there is none, both are there, or it is of a volume.
    """
    return str(_across(data).dims[0])


def _across(data: xr.Dataset | xr.DataArray) -> xr.DataArray:
    """Return where the sections are, along their dimension: which may be another, once swapped."""
    if TABLE_DIM in data.dims:
        raise InvalidArgumentError(
            "this is a volume, each plane of which shows strips of several sections: select planes "
            "with .sel; sections are the dimension of what open_dataset opens"
        )
    found = [name for name in SECTION_DIMS if name in data.dims]
    found = found or [n for n in SECTION_DIMS if n in data.coords and data.coords[n].ndim == 1]
    if len(found) == 1:
        return data[found[0]]
    kind = type(data).__name__
    if found:
        raise InvalidArgumentError(
            f"this {kind} has both dimensions {' and '.join(found)}: select along the one that is "
            "meant by its name, with .sel"
        )
    for name in SECTION_DIMS:
        if name in data.coords and data.coords[name].ndim == 0:
            at = float(data.coords[name])
            raise InvalidArgumentError(
                f"this {kind} is one section already, {name} = {at:g} um: ask the Dataset that it "
                "was taken from"
            )
    raise InvalidArgumentError(
        f"this {kind} has no dimension across sections ({' or '.join(SECTION_DIMS)}): it was no "
        "registered data set, or something was computed along them"
    )


def nearest_section(data: Stack, coordinate: float, tolerance: float | None = None) -> Stack:
    """Return the section nearest to a coordinate, whatever order sections are in.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataArray
        With a dimension across sections.
    coordinate : float
        In micrometres. Of two that are as near, the one with the larger coordinate is taken.
    tolerance : float, optional
        How far the section may be, in micrometres.

    Raises
    ------
    InvalidArgumentError
        If there is no dimension across sections, no section so near, or a number cannot work.
    """
    across = _across(data)
    dim = across.name
    wanted = _micrometres("coordinate", coordinate)
    allowed = np.inf if tolerance is None else _micrometres("tolerance", tolerance)
    if allowed < 0:
        raise InvalidArgumentError(f"tolerance is at least 0 micrometres, not {allowed:g}")
    if dim not in data.coords or data.coords[dim].dtype.kind not in "iuf":
        raise InvalidArgumentError(
            f"the sections of this {type(data).__name__} have no coordinates any more: {dim} is "
            "without numbers"
        )
    at = np.asarray(across, dtype=np.float64)
    distance = np.abs(at - wanted)
    if not np.isfinite(distance).any():
        raise InvalidArgumentError(f"this {type(data).__name__} has no section: {dim} is empty")
    least = np.nanmin(distance)
    index = int(np.nanargmax(np.where(distance == least, at, np.nan)))
    if least > allowed:
        raise InvalidArgumentError(
            f"no section lies within {allowed:g} um of {dim} = {wanted:g} um: the nearest is at "
            f"{at[index]:g} um, {least:g} um away"
        )
    return data.isel({across.dims[0]: index})


def sections_of(data: xr.Dataset | xr.DataArray) -> dict[int, tuple[int | None, float | None]]:
    """Return the section number and coordinate of a Dataset's sections, by the image's id."""
    ids = data.coords.get("section_image_id")
    if ids is None or ids.ndim > 1:
        return {}
    columns = []
    for name in ("section_number", *SECTION_DIMS):
        column = data.coords.get(name)
        if column is not None and column.dims == ids.dims and column.dtype.kind in "iuf":
            columns.append((name, np.atleast_1d(column.values).tolist()))
    known = dict(columns)
    numbers = known.pop("section_number", [None] * ids.size)
    places = next(iter(known.values()), [None] * ids.size)
    return {
        int(image_id): (None if number is None else int(number), place)
        for image_id, number, place in zip(
            np.atleast_1d(ids.values).tolist(), numbers, places, strict=True
        )
    }


def _micrometres(name: str, value: Any) -> float:
    from atldld_xr.messages.repeating import short

    number = np.asarray(value)
    if number.ndim or number.dtype.kind not in "iuf" or not np.isfinite(number):
        raise InvalidArgumentError(f"{name} is a number of micrometres, not {short(value)}")
    return float(number)
