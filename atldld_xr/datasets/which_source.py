"""Where a Dataset's images come from."""

from __future__ import annotations

from os import PathLike

import xarray as xr

from atldld_xr.arrays.readers import readers
from atldld_xr.sources.protocol import Source
from atldld_xr.sources.resolve import resolve


def source_of(dataset: xr.Dataset, source: str | PathLike[str] | Source | None = None) -> Source:
    """Return where a Dataset's images come from: of one that is stored its attribute tells.

    Parameters
    ----------
    dataset : xarray.Dataset
        Whole or sliced.
    source : str, path or source object, optional
        Taken in its place.
    """
    if source is None and "image" in dataset.variables:
        found = next(readers(dataset.variables["image"], "image"), None)
        if found is not None:
            return found.source
    return resolve(dataset.attrs.get("source") if source is None else source)
