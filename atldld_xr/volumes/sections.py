"""Reading the sections of a Dataset, a few at a time, on whatever scheduler is in use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dask
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.arrays.failures import told, why
from atldld_xr.compute.threads import own_threads
from atldld_xr.planes.volume_grid import PlacedSection
from atldld_xr.volumes.pixels import Pixels

# Computed at a time, in bytes of voxels: small sections together, for each waits for its tiles.
_BATCH_BYTES = 16_000_000


def read_sections(
    dataset: xr.Dataset, pixels: Pixels, sections: Sequence[PlacedSection]
) -> Iterator[tuple[PlacedSection, NDArray[Any], str]]:
    """Yield each section with its plane of voxels, and why it could not be read: "" if it could.

    Parameters
    ----------
    dataset : xarray.Dataset
        What they are in, with the status of their sections if errors are data there.
    pixels : Pixels
        What is made of them.
    sections : sequence of PlacedSection
        Those wanted, in order.
    """
    dim = pixels.grid.plane.dim
    wanted = xr.Dataset({"pixels": pixels.variable.variable})
    for name, variable in told(dataset, str(pixels.variable.name)).items():
        if variable.dims == (dim,):
            wanted[name] = variable.variable
    size = int(np.prod(pixels.variable.shape[1:])) * pixels.variable.dtype.itemsize
    batch = max(_BATCH_BYTES // size, 1)
    with own_threads() as threads:
        for start in range(0, len(sections), batch):
            some = sections[start : start + batch]
            # One by one, as a list of indices would be read from the first to the last.
            lazy = (wanted.isel({dim: section.index}) for section in some)
            parts = dask.compute(*lazy, **threads)
            for section, part in zip(some, parts, strict=True):
                part.load()  # what is lazy without Dask
                yield section, pixels.plane(part["pixels"].values), _reason(part)


def _reason(part: xr.Dataset) -> str:
    return why(part["status"].item(), str(part["reason"].item())) if "status" in part else ""
