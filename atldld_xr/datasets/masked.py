"""Pixels without their fill: float, and not a number where a section has none."""

from __future__ import annotations

import numpy as np
import xarray as xr

from atldld_xr.errors import InvalidArgumentError

_COVERAGES = {
    "image": "coverage",
    "expression": "expression_coverage",
    "projection": "projection_coverage",
}
"""What says where a variable has pixels."""

_TELLS_MASKS = {"has_expression", "expression_status"}
"""What a Dataset has since ``expression_coverage`` is there to go with its masks."""


def mask(dataset: xr.Dataset) -> xr.Dataset:
    """Return a Dataset whose pixels are NaN where they are fill; see ``Dataset.atldld.masked``."""
    out = {}
    for name in _COVERAGES:
        if name not in dataset.variables:
            continue
        coverage = _coverage_of(dataset, name)
        variable, where = _lazy(dataset[name]), _lazy(dataset[coverage])
        if where.dtype != bool:
            where = where == 1  # averaged: a pixel of which a part is fill is no measured one
        masked = variable.astype(np.float32).where(where)
        kept = {k: v for k, v in variable.attrs.items() if k not in ("fill_value", "comment")}
        masked.attrs = {**kept, "comment": f"not a number where {coverage} is not 1 throughout"}
        out[name] = masked
    return dataset.assign(out)


def find_coverage(dataset: xr.Dataset, name: str) -> str | None:
    """Return the name of the variable that says where another has pixels; None if none does."""
    own = _COVERAGES.get(name)
    there = set(dataset.variables)
    if own is None or own in there:
        return own
    # Stores of earlier versions have one coverage for all, and do not tell which masks are absent.
    if name == "expression" and "coverage" in there and not _TELLS_MASKS & there:
        return "coverage"
    return None


def _coverage_of(dataset: xr.Dataset, name: str) -> str:
    found = find_coverage(dataset, name)
    if found is not None:
        return found
    raise InvalidArgumentError(
        f"where {name} has pixels is not told: the Dataset has no {_COVERAGES[name]}; keep it "
        f"beside {name}"
    )


def _lazy(array: xr.DataArray) -> xr.DataArray:
    """Return an array in chunks if it is yet to be read: arithmetic would read all of it."""
    # `.data` would read what is lazy (pydata/xarray#5081).
    if array.chunks is not None or isinstance(array.variable._data, np.ndarray):
        return array
    preferred = array.encoding.get("preferred_chunks", {})
    return array.chunk({dim: preferred.get(dim, -1) for dim in array.dims})
