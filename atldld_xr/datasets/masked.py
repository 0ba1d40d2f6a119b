"""Pixels without their fill: float, and not a number where a section has none."""

from __future__ import annotations

import numpy as np
import xarray as xr

from atldld_xr.errors import InvalidArgumentError

_COVERAGES = {"image": ("coverage",), "expression": ("expression_coverage", "coverage")}
"""What says where a variable has pixels; the last one for stores of earlier versions."""


def mask(dataset: xr.Dataset) -> xr.Dataset:
    """Return a Dataset whose pixels are NaN where they are fill; see ``Dataset.atldld.masked``."""
    out = {}
    for name, coverages in _COVERAGES.items():
        if name not in dataset.data_vars:
            continue
        coverage = next((c for c in coverages if c in dataset.data_vars), None)
        if coverage is None:
            raise InvalidArgumentError(
                f"where {name} has pixels is not told: the Dataset has no {coverages[0]}; keep it "
                f"beside {name}"
            )
        variable = _lazy(dataset[name])
        masked = variable.astype(np.float32).where(_lazy(dataset[coverage]))
        kept = {k: v for k, v in variable.attrs.items() if k not in ("fill_value", "comment")}
        masked.attrs = {**kept, "comment": f"not a number where {coverage} is false"}
        out[name] = masked
    return dataset.assign(out)


def _lazy(array: xr.DataArray) -> xr.DataArray:
    """Return an array in chunks if it is yet to be read: arithmetic would read all of it."""
    if array.chunks is not None or isinstance(array.variable._data, np.ndarray):
        return array
    preferred = array.encoding.get("preferred_chunks", {})
    return array.chunk({dim: preferred.get(dim, -1) for dim in array.dims})
