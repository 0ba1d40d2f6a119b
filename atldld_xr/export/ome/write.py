"""A plain writer of OME-Zarr: level by level, plane by plane, with nothing to resume from."""

from __future__ import annotations

from typing import Any

import xarray as xr

from atldld_xr.export.ome.arrays import double, halve, level_zero
from atldld_xr.export.ome.layout import Compressor, create
from atldld_xr.export.ome.metadata import Version, group_attributes
from atldld_xr.export.ome.pyramid import plan_pyramid


def write_ome(
    dataset: xr.Dataset,
    store: Any,
    *,
    version: Version = "0.5",
    variable: str = "image",
    step: float | None = None,
    levels: int | None = None,
    compressor: Compressor = "auto",
) -> Any:
    """Write a Dataset as OME-Zarr; see `plan_pyramid`, `group_attributes` and `create`.

    Returns
    -------
    zarr.Group
        The image. Every level but 0 is made of what the store holds of the one before it.
    """
    import dask.array as da

    pyramid = plan_pyramid(dataset, variable=variable, step=step, levels=levels)
    attributes = group_attributes(dataset, pyramid, version=version)
    group = create(store, pyramid, attributes, version=version, compressor=compressor)
    for level in range(pyramid.levels):
        if level == 0:
            array = level_zero(dataset, pyramid)
        else:
            chunks = pyramid.chunks(level)
            finer = da.from_array(group[pyramid.path(level - 1)], chunks=double(chunks))
            array = halve(finer, chunks)
        target = group[pyramid.path(level)]
        for plane in sorted(pyramid.planes.places):
            target[:, plane] = array[:, plane].compute()
    return group
