"""Laying out the store of a Dataset: its files but for the chunks, made by Zarr in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from atldld_xr.arrays.failures import UNREAD
from atldld_xr.arrays.variables import PENDING, STATUSES
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_whole
from atldld_xr.store.chunk_encoding import check_codecs
from atldld_xr.store.store_plan import RECORDS, ROOTS, STATE, Layout, Tell, is_key, make_layout

# What a store has of its own beside its variables.
_TAKEN = {RECORDS, *ROOTS.values()}
_LONGEST_NAME = 255  # bytes


def layout_of_dataset(
    dataset: xr.Dataset,
    compressor: Any,
    inner_chunks: Mapping[str, int] | None,
    contents: Mapping[str, str],
    sections: int,
    on_error: str | None,
    tell: Tell,
) -> Layout:
    """Return the layout of a Dataset's store; nothing of it is computed.

    Parameters
    ----------
    dataset : xarray.Dataset
        With Dask arrays in regular chunks, which become the store's files.
    compressor : zarr codec, "auto" or None
        What the arrays are compressed with.
    inner_chunks : mapping, optional
        By dimension, the size of the pieces within a file that readers can take one by one: the
        files are then Zarr's shards.
    contents : mapping of str
        What arrays are made of, as names that no other content has. Default: Dask's names.
    sections : int
        How many there are.
    on_error : {"raise", "fill"}, optional
        What is done about sections that cannot be read.
    tell : callable
        Keeps in the finished store what could not be read.

    Raises
    ------
    InvalidArgumentError
        If the compressor is none, or Zarr cannot hold the Dataset.
    """
    import zarr

    _check_compressor(compressor)
    _check_inner_chunks(inner_chunks, dataset)
    check_not_empty(dataset)
    small, large, values = _parted(dataset)
    memory: dict[str, Any] = {}
    try:
        # Large arrays are made by Zarr itself: xarray would make their whole graph to leave it be.
        small.attrs.pop(UNREAD, None)  # another store's, of which this may be a part
        small.assign_attrs({STATE: "incomplete"}).to_zarr(
            zarr.storage.MemoryStore(memory), mode="w-", zarr_format=3, consolidated=False
        )
        group = zarr.open_group(zarr.storage.MemoryStore(memory), mode="r+")
        for name, variable in large.items():
            _create(group, name, variable, _codecs(compressor, variable.dtype), inner_chunks)
        coordinates = sorted(str(name) for name in dataset.coords if name not in dataset.indexes)
        if coordinates:
            group.attrs["coordinates"] = " ".join(coordinates)
    # What xarray and Zarr raise, between them, for what a store cannot hold.
    except (TypeError, ValueError, NotImplementedError, OverflowError) as error:
        raise InvalidArgumentError(f"this Dataset cannot be written to Zarr: {error}") from error
    made_of = {name: str(dataset.variables[name].data.name) for name in (*large, *values)}
    layout = make_layout(
        memory,
        list(large),
        made_of | dict(contents),
        values,
        sections,
        on_error=on_error,
        tell=tell,
    )
    if compressor not in (None, "auto"):
        check_codecs(layout.arrays.values())
    return layout


def check_not_empty(dataset: xr.Dataset) -> None:
    """Refuse a Dataset of which an array that would be computed has no element.

    Raises
    ------
    InvalidArgumentError
        Then; it says which.
    """
    for name, variable in dataset.variables.items():
        if variable.chunks is not None and not variable.size:
            raise InvalidArgumentError(f"{name} is empty, of shape {variable.shape}: select more")


def _parted(
    dataset: xr.Dataset,
) -> tuple[xr.Dataset, dict[str, xr.Variable], dict[str, np.dtype[Any]]]:
    """Return what is written at once, the arrays that are written by chunks, and the values."""
    large: dict[str, xr.Variable] = {}
    values: dict[str, np.dtype[Any]] = {}
    pending: dict[str, Any] = {}
    for key, variable in dataset.variables.items():
        name = str(key)
        if variable.chunks is None:
            continue
        if variable.ndim > 1:
            large[name] = variable
            continue
        values[name] = variable.dtype
        value = PENDING if name in STATUSES else "" if variable.dtype.kind in "OTU" else 0
        filled = np.full(variable.shape, value, dtype=variable.dtype)
        pending[name] = (variable.dims, filled, variable.attrs)
    return dataset.assign(pending).drop_vars(list(large)), large, values


def _create(
    group: Any,
    name: str,
    variable: xr.Variable,
    codecs: Any,
    inner_chunks: Mapping[str, int] | None,
) -> None:
    from xarray.backends.zarr import encode_zarr_attr_value

    if variable.dtype.kind not in "biufc":
        raise TypeError(f"{name} is an array of {variable.dtype}, which is no number")
    assert variable.chunks is not None
    files = tuple(sizes[0] for sizes in variable.chunks)
    options: dict[str, Any] = {"chunks": files}
    if inner_chunks:
        pieces = tuple(
            min(inner_chunks.get(str(dim), size), size)
            for dim, size in zip(variable.dims, files, strict=True)
        )
        # A shard is a whole number of pieces; what is past the array's end is not stored.
        shards = tuple(-(-f // p) * p for f, p in zip(files, pieces, strict=True))
        several = (len(sizes) > 1 for sizes in variable.chunks)
        if any(s != f and more for s, f, more in zip(shards, files, several, strict=True)):
            raise ValueError(
                f"{name}: chunks of {files} are no whole number of inner chunks of {pieces}"
            )
        options = {"chunks": pieces, "shards": shards}
    fill = variable.attrs.get("fill_value")
    if fill is not None and variable.dtype == np.uint8:
        options["fill_value"] = fill
    group.create_array(
        name,
        shape=variable.shape,
        dtype=variable.dtype,
        compressors=codecs,
        dimension_names=[str(dim) for dim in variable.dims],
        attributes={
            k: encode_zarr_attr_value(v)  # type: ignore[no-untyped-call]  # xarray types it not
            for k, v in variable.attrs.items()
        },
        **options,
    )


def check_names(dataset: xr.Dataset) -> None:
    """Refuse variables whose names are no folders of their own in a store."""
    for name in dataset.variables:
        if not is_key(name) or "/" in str(name) or name in _TAKEN or not _is_file_name(str(name)):
            raise InvalidArgumentError(
                f"{short(name)} cannot be a variable's name in a store: rename it (Dataset.rename)"
            )


def _is_file_name(name: str) -> bool:
    """Return whether a disk can have a folder of that name."""
    try:
        return len(name.encode()) <= _LONGEST_NAME
    except UnicodeEncodeError:
        return False


def _check_inner_chunks(inner_chunks: Any, dataset: xr.Dataset) -> None:
    if inner_chunks is None:
        return
    if not isinstance(inner_chunks, Mapping):
        raise InvalidArgumentError(
            "inner_chunks are sizes by dimension, as {'y': 256, 'x': 256}, not "
            f"{short(inner_chunks)}"
        )
    for dim, size in inner_chunks.items():
        if dim not in dataset.dims:
            names = ", ".join(map(str, dataset.dims))
            raise InvalidArgumentError(
                f"inner_chunks: there is no dimension {short(dim)} in {names}"
            )
        if not is_whole(size) or size < 1:
            raise InvalidArgumentError(
                f"inner_chunks: {dim} must be a whole number from 1, not {short(size)}"
            )


def _check_compressor(compressor: Any) -> None:
    from zarr.abc.codec import BytesBytesCodec

    is_auto = isinstance(compressor, str) and compressor == "auto"
    if not (is_auto or compressor is None or isinstance(compressor, BytesBytesCodec)):
        raise InvalidArgumentError(
            f'compressor must be "auto", None or a codec of zarr.codecs, not {short(compressor)}'
        )


def _codecs(compressor: Any, dtype: np.dtype[Any]) -> Any:
    from zarr.codecs import BloscCodec, ZstdCodec

    if compressor is None:
        return None
    if not isinstance(compressor, str):
        return (compressor,)
    # Measured on a recorded section, registered, as size and MB/s: zstd at level 1 0.43 and 510, at
    # 3 0.38 and 220; lz4 with bitshuffle 0.60 and 1250. On its displacement field: zstd 0.86 and
    # 1080, lz4 with bitshuffle 0.41 and 940.
    if dtype.kind == "f":
        return (BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle", typesize=dtype.itemsize),)
    return (ZstdCodec(level=1),)
