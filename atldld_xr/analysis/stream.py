"""Counting the pixels of a Dataset block by block, on threads or on the connected cluster.

Each block is read, counted and forgotten; of each section what was counted is merged where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.allen.reference import MIDLINE
from atldld_xr.analysis.accumulators import (
    EMPTY,
    LEFT,
    RIGHT,
    Accumulator,
    count,
    darkness,
    expresses,
    merge,
)
from atldld_xr.analysis.places import Lines
from atldld_xr.arrays.variables import READ, STATUSES
from atldld_xr.compute.client import connected_client
from atldld_xr.compute.lost_workers import cluster_errors
from atldld_xr.compute.threads import own_threads
from atldld_xr.errors import InvalidArgumentError

_NEEDED = {
    "image": "the sections' pixels",
    "expression": 'the masks: open the data set with expression="intensity"',
    "coverage": "where the sections have pixels",
    "expression_coverage": "where the masks have pixels",
}

_MOST_BLOCKS = 4096
"""Of which there are tasks at a time: a graph of more is a matter of gigabytes."""


def count_sections(
    dataset: xr.Dataset, labels: xr.DataArray, dim: str, lines: Lines, threshold: int
) -> tuple[list[Accumulator], NDArray[np.bool_]]:
    """Return what was counted of each section, and which of them could be read.

    Parameters
    ----------
    dataset : xarray.Dataset
        With images, masks and where they have pixels.
    labels : xarray.DataArray
        Of each pixel, unsigned; 0 is none.
    dim : str
        Name of the dimension across sections.
    lines : ndarray of float64
        Where r is, with left at low r.
    threshold : int
        A mask's value above which a pixel expresses.

    Raises
    ------
    InvalidArgumentError
        If the Dataset has not what is needed.
    SectionImageError
        If a section cannot be read, under ``on_error="raise"``.
    """
    arrays = {name: _array(dataset, name, dim) for name in _NEEDED}
    chunks: dict[str, Any] = {axis: arrays["image"].chunksizes[axis] for axis in ("y", "x")}
    chunks[dim] = 1
    if labels.dtype.kind != "u":
        raise InvalidArgumentError(f"labels are unsigned whole numbers, not {labels.dtype}")
    arrays["labels"] = _lazy(labels.transpose(dim, "y", "x"), dim)
    arrays = {name: array.chunk({**chunks, **_whole(array)}) for name, array in arrays.items()}
    statuses = [
        dataset[name].variable.chunk({dim: 1}).data
        for name in STATUSES
        if name in dataset.variables and dataset[name].dims == (dim,)
    ]
    parts: list[Accumulator] = []
    read = np.ones(dataset.sizes[dim], bool)
    if "has_expression" in dataset.coords and dataset["has_expression"].dims == (dim,):
        read &= np.asarray(dataset["has_expression"].values, bool)
    connected_client()  # or an error that says why there is none
    with own_threads() as where, cluster_errors():
        for sections in _groups(arrays["image"], dim):
            part = {name: array.isel({dim: sections}) for name, array in arrays.items()}
            told = [status[sections] for status in statuses]
            counted, states = _compute(part, dim, lines[sections], threshold, told, where)
            parts += counted
            for state in states:
                read[sections] &= state == READ
    return parts, read


def _compute(
    arrays: dict[str, xr.DataArray],
    dim: str,
    lines: Lines,
    threshold: int,
    statuses: list[Any],
    where: dict[str, Any],
) -> tuple[list[Accumulator], list[NDArray[np.uint8]]]:
    import dask
    import dask.array as da

    image, labels = arrays["image"], arrays["labels"]
    rows, columns = (
        da.from_array(
            np.asarray(labels[axis].values, np.float64), chunks=(labels.chunksizes[axis],)
        )
        for axis in ("y", "x")
    )
    counted = da.blockwise(
        _count_block,
        "syx",
        *(image.data, "syxc", arrays["expression"].data, "syxm"[: arrays["expression"].ndim]),
        *(arrays["coverage"].data, "syx", arrays["expression_coverage"].data, "syx"),
        *(labels.data, "syx", rows, "y", columns, "x"),
        *(da.from_array(lines, chunks=(1, 3)), "sk"),
        threshold=threshold,
        adjust_chunks={"y": 1, "x": 1},
        concatenate=True,
        dtype=object,
        meta=np.empty((0, 0, 0), object),
    )
    merged = da.blockwise(
        _merge_blocks,
        "s",
        *(counted, "syx"),
        concatenate=True,
        dtype=object,
        meta=np.empty(0, object),
    )
    found, *states = dask.compute(merged, *statuses, **where)
    return list(found), states


def _count_block(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    covered: NDArray[Any],
    mask_covered: NDArray[Any],
    labels: NDArray[np.unsignedinteger],
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    lines: Lines,
    threshold: int,
) -> NDArray[np.object_]:
    out = np.empty((image.shape[0], 1, 1), object)
    for at, (start, along_y, along_x) in enumerate(lines):
        if not labels[at].any():
            out[at, 0, 0] = EMPTY
            continue
        r = start + along_y * y[:, np.newaxis] + along_x * x
        out[at, 0, 0] = count(
            labels[at],
            np.where(r < MIDLINE, np.uint8(LEFT), np.uint8(RIGHT)),
            darkness(image[at]),
            # Averaged, a pixel of which a part is fill is no measured one.
            (covered[at] == 1) & (mask_covered[at] == 1),
            expresses(mask[at], threshold),
        )
    return out


def _merge_blocks(blocks: NDArray[np.object_]) -> NDArray[np.object_]:
    out = np.empty(blocks.shape[0], object)
    for at, section in enumerate(blocks):
        out[at] = merge(section.ravel())
    return out


def _groups(image: xr.DataArray, dim: str) -> Iterator[slice]:
    """Yield the sections to be counted at a time."""
    blocks = len(image.chunksizes["y"]) * len(image.chunksizes["x"])
    step = max(_MOST_BLOCKS // blocks, 1)
    for start in range(0, image.sizes[dim], step):
        yield slice(start, min(start + step, image.sizes[dim]))


def _array(dataset: xr.Dataset, name: str, dim: str) -> xr.DataArray:
    if name not in dataset.variables:
        raise InvalidArgumentError(f"the Dataset has no {name}, which is {_NEEDED[name]}")
    array = dataset[name]
    pixels = name in ("image", "expression")
    if pixels and array.dtype != np.uint8:
        raise InvalidArgumentError(
            f"{name} is {array.dtype}, and what is counted are pixels as they come, of uint8"
        )
    if pixels and (name == "image" or array.ndim > 3) and array.sizes.get("channel") != 3:
        raise InvalidArgumentError(f"{name} has not the channels red, green and blue")
    missing = {dim, "y", "x"} - set(array.dims)
    if missing:
        raise InvalidArgumentError(f"{name} has no dimension {', '.join(sorted(missing))}")
    order = [dim, "y", "x", *(d for d in ("channel",) if d in array.dims)]
    if set(order) != set(array.dims):
        raise InvalidArgumentError(f"{name} has more dimensions than {', '.join(order)}")
    return _lazy(array.transpose(*order), dim)


def _lazy(array: xr.DataArray, dim: str) -> xr.DataArray:
    """Return an array in chunks of Dask, whatever it is in, with the coordinates of its axes."""
    # Others of a store are in chunks of their own.
    array = array.drop_vars([name for name in array.coords if name not in array.dims])
    if array.chunks is not None:
        return array
    preferred = array.encoding.get("preferred_chunks", {dim: 1})
    return array.chunk({name: preferred.get(name, -1) for name in array.dims})


def _whole(array: xr.DataArray) -> dict[str, int]:
    return {"channel": -1} if "channel" in array.dims else {}
