"""OME-Zarr written as plainly as can be: section by section in memory, nothing to resume from."""

from __future__ import annotations

import numpy as np
import zarr

from atldld_xr.export.ome import create, group_attributes, plan_pyramid


def write_plainly(dataset, path, *, version="0.5", variable="image", **options):
    """Write a Dataset as OME-Zarr; gives its group."""
    pyramid = plan_pyramid(dataset, variable=variable, **options)
    attributes = group_attributes(dataset, pyramid, version=version)
    group = create(zarr.storage.LocalStore(path), pyramid, attributes, version=version)
    for section, plane in enumerate(pyramid.planes.places):
        pixels = planar(dataset[variable].isel({pyramid.planes.dim: section}))
        for level in range(pyramid.levels):
            group[pyramid.path(level)][:, plane] = pixels
            pixels = halve(pixels)
    return group


def planar(section):
    """Return the pixels of a section's DataArray as (c, y, x)."""
    if "channel" not in section.dims:
        section = section.expand_dims("channel")
    return section.transpose("channel", "y", "x").values


def halve(pixels):
    """Return the means of two by two pixels of (c, y, x), halves rounded to even."""
    odd = [(0, size % 2) for size in pixels.shape[1:]]
    four = np.pad(pixels, [(0, 0), *odd], mode="edge").astype(float)
    mean = (four[:, ::2, ::2] + four[:, 1::2, ::2] + four[:, ::2, 1::2] + four[:, 1::2, 1::2]) / 4
    return np.rint(mean).astype(pixels.dtype)
