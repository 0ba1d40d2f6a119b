"""Pixels of a pyramid: level 0 as a lazy array of the sections, each other of the one before it.

Blocks of level 0 are made when the graph is culled: planes without a section cost nothing until
they are computed, and read nothing then. A pixel of a level is the mean of the four that it covers,
fill included, as a lens would blur the rim of a section; at an odd edge it is the mean of those
that are there. Means are rounded to the nearest whole number and halves to the even one: rounded
up, a pyramid would brighten from level to level. Blocks make no difference: each mean is of its own
pixels alone.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize
from dask.task_spec import Task
from numpy.typing import NDArray

from atldld_xr.export.ome.pyramid import TRUE, Pyramid


def level_zero(dataset: xr.Dataset, pyramid: Pyramid) -> da.Array:
    """Return the sections in their planes.

    Parameters
    ----------
    dataset : xarray.Dataset
        That `pyramid` was planned for.
    pyramid : Pyramid
        As `plan_pyramid` returns it.

    Returns
    -------
    dask.array.Array
        Over the axes of the store, and in its chunks.
    """
    planes = pyramid.planes
    image = dataset[pyramid.variable]
    image = image.drop_vars(list(image.coords))
    if "channel" not in image.dims:
        image = image.expand_dims(channel=1)
    image = image.transpose("channel", planes.dim, "y", "x")
    sizes = dict(zip(image.dims, pyramid.chunks(0), strict=True))
    source = image.chunk(sizes).data
    if source.dtype == bool:
        source = source.map_blocks(as_grey, dtype=np.uint8, meta=np.empty((0,) * 4, np.uint8))
    source = source.astype(pyramid.dtype)  # that is, in this machine's byte order
    _, _, rows, columns = source.chunks
    # Dask's own `full` would be made whole, however few of its blocks are used.
    name = f"atldld-fill-{tokenize(pyramid, source.chunks)}"
    tasks = {
        (key := (name, 0, 0, row, column)): Task(
            key, np.full, (pyramid.channels, 1, height, width), pyramid.fill_value, pyramid.dtype
        )
        for (row, height), (column, width) in product(enumerate(rows), enumerate(columns))
    }
    fill = da.Array(tasks, name, (source.chunks[0], (1,), rows, columns), dtype=pyramid.dtype)
    places = [planes.sections.get(plane, -1) for plane in range(planes.axis.size)]
    return da.concatenate([source, fill], axis=1).blocks[:, places].transpose(pyramid.order)


def as_grey(block: NDArray[Any]) -> NDArray[Any]:
    """Return black and white, of which a mean is the part that is true; of others, themselves."""
    return block.astype(np.uint8) * np.uint8(TRUE) if block.dtype == bool else block


def channels_first(block: NDArray[Any]) -> NDArray[Any]:
    """Return (section, y, x[, channel]) as (c, z, y, x)."""
    block = as_grey(block)
    return np.moveaxis(block, 3, 0) if block.ndim == 4 else block[np.newaxis]


def halve_block(block: NDArray[Any]) -> NDArray[Any]:
    """Return the means of two by two pixels of (..., y, x), of the same unsigned dtype."""
    odd = [(0, 0)] * (block.ndim - 2) + [(0, size % 2) for size in block.shape[-2:]]
    if any(after for _, after in odd):
        # A pixel beside itself has its own mean.
        block = np.pad(block, odd, mode="edge")
    # Sums need two bits more, and rounding none.
    wide = np.dtype(f"u{2 * block.dtype.itemsize}")
    total = block[..., ::2, ::2].astype(wide)
    for rows, columns in ((0, 1), (1, 0), (1, 1)):
        total += block[..., rows::2, columns::2]
    # A quarter of the sum, plus one if its rest is 3, or 2 and the quarter odd.
    total += 1 + ((total >> 2) & 1)
    return (total >> 2).astype(block.dtype)
