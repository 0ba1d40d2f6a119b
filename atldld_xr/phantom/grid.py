"""Expression grids of a phantom, by formula: as Allen's, of 200 um, -1 where nothing is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen import transforms
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.phantom.brain import colour, fields
from atldld_xr.phantom.phantom import Phantom

SPACING = 200.0
"""Micrometres; voxel k has its centre at k * 200."""

THRESHOLD = 25.0
"""Expression above it, of 255, is expression in these grids."""

_SAMPLES = (3, 3, 3)
"""Points of a voxel, along (p, i, r)."""

_GREY = (77 / 256, 150 / 256, 29 / 256)


def grid(phantom: Phantom) -> Mapping[str, NDArray[np.float32]]:
    """Return "energy", "density" and "intensity" over (p, i, r). Not to be changed.

    Of a voxel's points in tissue: the share that expresses, how dark (255 - grey) those are in the
    mean, and the product of both. Without such a point, or farther than half a voxel beyond the
    first and last section, a voxel is -1.
    """
    return _grid(phantom)


@lru_cache(maxsize=8)
def _grid(phantom: Phantom) -> Mapping[str, NDArray[np.float32]]:
    data = parse_dataset(phantom.record)
    axis = data.plane.section_axis
    at = [
        transforms.detect(data, image, reference_space=data.reference_space_id)[axis]
        for image in data.images
    ]
    k = [np.arange(n) for n in phantom.grid_shape]
    near = (k[axis] * SPACING >= min(at) - SPACING / 2) & (
        k[axis] * SPACING <= max(at) + SPACING / 2
    )
    k[axis] = k[axis][near]
    valid, expressing, dark = np.zeros((3, *map(len, k)))
    steps = [((np.arange(n) + 0.5) / n - 0.5) * SPACING for n in _SAMPLES]
    for shift in np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 3):
        p, i, r = np.meshgrid(
            *((index * SPACING + s).astype(np.float32) for index, s in zip(k, shift, strict=True)),
            indexing="ij",
        )
        tissue, stain, (signal,) = fields(p.ravel(), i.ravel(), r.ravel())
        seen = tissue > 0.5
        shows = seen & (signal * np.float32(255) > THRESHOLD)
        darkness = 255 - colour(tissue, stain, signal) @ np.asarray(_GREY)
        valid += seen.reshape(p.shape)
        expressing += shows.reshape(p.shape)
        dark += np.where(shows, darkness, 0).reshape(p.shape)
    made = {
        "energy": dark / np.maximum(valid, 1),
        "density": expressing / np.maximum(valid, 1),
        "intensity": dark / np.maximum(expressing, 1),
    }
    out = {}
    place = np.ix_(*k)
    for name, values in made.items():
        out[name] = np.full(phantom.grid_shape, -1, np.float32)
        out[name][place] = np.where(valid > 0, values, -1)
        out[name].flags.writeable = False
    return out
