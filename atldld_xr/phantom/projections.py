"""Grids of a phantom's projections, by formula. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atldld_xr.errors import DatasetNotFoundError
from atldld_xr.phantom.anatomy import Array
from atldld_xr.phantom.brain import LANDMARK, fields
from atldld_xr.phantom.fluorescent import FluorescentPhantom
from atldld_xr.phantom.phantom import Phantom

_EXTENT = (13_200, 8_000, 11_400)
_FINEST = 25  # of 10 um it would take minutes


def projection_grid(phantom: Phantom, kind: str, resolution: int) -> NDArray[np.float32]:
    """Return a grid over (p, i, r) of the whole reference space: of voxels' centres.

    The tracer is what sections show in green, and was injected where the landmark is.

    Raises
    ------
    DatasetNotFoundError
        If the phantom is none of connectivity, or the grid would take too long.
    """
    if not isinstance(phantom, FluorescentPhantom) or resolution < _FINEST:
        raise DatasetNotFoundError(
            f"there is no {kind} of {resolution} um of section data set {phantom.id}"
        )
    p, i, r = ((np.arange(side // resolution) + 0.5) * resolution for side in _EXTENT)
    out = np.empty((len(p), len(i), len(r)), np.float32)
    down, right = (axis.astype(np.float32).ravel() for axis in np.meshgrid(i, r, indexing="ij"))
    for plane, at in zip(out, p, strict=True):
        plane[:] = _values(np.full_like(down, at), down, right, kind).reshape(plane.shape)
    return out


def _values(p: Array, i: Array, r: Array, kind: str) -> Array:
    tissue, _, (signal,) = fields(p, i, r)
    if kind == "data_mask":
        return tissue
    away = (p - LANDMARK.p) ** 2 + (i - LANDMARK.i) ** 2 + (r - LANDMARK.r) ** 2
    injected: Array = (away < LANDMARK.radius**2).astype(np.float32)
    share = injected if kind.startswith("injection") else np.float32(1)
    if kind == "injection_fraction":
        return injected
    amount = signal * np.float32(500) if kind.endswith("energy") else signal
    return np.asarray(amount * share, np.float32)
