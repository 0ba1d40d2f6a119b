"""Reading the sections of a Dataset, a few at a time, on whatever scheduler is in use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dask
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.arrays.failures import told, why
from atldld_xr.arrays.made_of import made_of
from atldld_xr.compute.threads import own_threads
from atldld_xr.planes.volume_grid import PlacedSection
from atldld_xr.volumes.pixels import Pixels

# Computed at a time, in bytes of voxels: small sections together, for each waits for its tiles.
_BATCH_BYTES = 16_000_000
_MOST_BYTES = 256_000_000


def read_sections(
    dataset: xr.Dataset, pixels: Pixels, sections: Sequence[PlacedSection]
) -> Iterator[tuple[PlacedSection, NDArray[Any], dict[str, str]]]:
    """Yield each section with its plane of voxels, and why what it is made of could not be read.

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
    bases = made_of(dataset, str(pixels.variable.name))
    for base in bases:
        for name, variable in told(dataset, base).items():
            if variable.dims == (dim,):
                wanted[f"{name} of {base}"] = variable.variable
    size = int(np.prod(pixels.variable.shape[1:])) * pixels.variable.dtype.itemsize
    batch = max(_BATCH_BYTES // size, 1)
    chunk = max(pixels.variable.variable.chunksizes.get(dim, (1,)))
    if chunk > 1 and chunk * size <= _MOST_BYTES:
        # Of a part of a chunk Dask makes it whole, and for the next part again.
        batch = chunk * max(batch // chunk, 1)
    with own_threads() as threads:
        for start in range(0, len(sections), batch):
            some = sections[start : start + batch]
            # One by one, as a list of indices would be read from the first to the last.
            lazy = (wanted.isel({dim: section.index}) for section in some)
            parts = dask.compute(*lazy, **threads)
            for section, part in zip(some, parts, strict=True):
                part.load()  # what is lazy without Dask
                yield section, pixels.plane(part["pixels"].values), _reasons(part, bases)


def _reasons(part: xr.Dataset, bases: Iterable[str]) -> dict[str, str]:
    """Return why a section is not there, by whose pixels are missing; empty if it is."""
    found = {
        base: why(part[f"status of {base}"].item(), str(part[f"reason of {base}"].item()))
        for base in bases
        if f"status of {base}" in part
    }
    return {base: reason for base, reason in found.items() if reason}
