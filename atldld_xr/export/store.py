"""The Zarr store of an export: whether it may be created, and how its arrays are laid out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from atldld_xr.errors import InvalidArgumentError, MissingExtraError, StoreError

Mode = Literal["w-", "w"]
Options = Mapping[str, Any]

PENDING = 255
"""What a section's status is until the export has come to it."""

STATE = "atldld_xr_export"
"""Attribute of the store: "incomplete" until everything has been written, then "complete"."""

_EXTRAS = {
    "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure",
    "http": "http", "https": "http",
}  # fmt: skip


def claim(url: str, mode: Mode, storage_options: Options | None) -> None:
    """Check that a store may be written at a place, and clear it if it is to be replaced.

    Parameters
    ----------
    url : str
        A path or any fsspec URL.
    mode : {"w-", "w"}
        "w-" refuses whatever exists; "w" replaces a Zarr store, but nothing else.
    storage_options : mapping, optional
        For the file system.

    Raises
    ------
    InvalidArgumentError
        For another mode, or an address without a known file system.
    StoreError
        If something is there that may not be replaced.
    """
    if mode not in ("w-", "w"):
        raise InvalidArgumentError(f'mode must be "w-" (new) or "w" (replace), not {mode!r}')
    fs, path = file_system(url, storage_options)
    try:
        if not fs.exists(path):
            return
        if not fs.isdir(path):
            raise StoreError(f"{url} is a file; nothing was written")
        is_store = fs.exists(f"{path}/zarr.json") or fs.exists(f"{path}/.zgroup")
        if not is_store:
            if not fs.ls(path):
                return
            raise StoreError(f"{url} holds something that is no Zarr store; nothing was written")
        if mode == "w-":
            raise StoreError(f'{url} exists; mode="w" (--mode w) replaces it. Nothing was written')
        fs.rm(path, recursive=True)
    except OSError as error:
        raise StoreError(f"{url} cannot be written: {error}") from error


def file_system(url: str, storage_options: Options | None) -> tuple[Any, str]:
    """Return the fsspec file system of an address, and the path in it.

    Raises
    ------
    InvalidArgumentError
        If the address is malformed or its protocol unknown.
    MissingExtraError
        If the protocol needs a package that is not installed.
    """
    import fsspec

    if not url or "\0" in url or url.startswith("://"):
        raise InvalidArgumentError(f"{url!r} is no path or URL to write a store to")
    protocol = url.split("://", 1)[0] if "://" in url else "file"
    try:
        fs, path = fsspec.core.url_to_fs(url, **(storage_options or {}))
    except ImportError as error:
        extra = _EXTRAS.get(protocol)
        advice = f'pip install "atldld-xr[{extra}]"' if extra else str(error)
        raise MissingExtraError(f"{protocol}:// needs another package: {advice}") from error
    except ValueError as error:
        raise InvalidArgumentError(f"{url!r} is no path or URL of a store: {error}") from error
    return fs, str(path).rstrip("/")


def create(dataset: xr.Dataset, url: str, storage_options: Options | None, compressor: Any) -> None:
    """Write the metadata and the coordinates of a store; no chunk of a Dask array is computed.

    Parameters
    ----------
    dataset : xarray.Dataset
        With Dask arrays in regular chunks, which become the store's.
    url : str
        Where.
    storage_options : mapping, optional
        For the file system.
    compressor : codec or None
        What image-like arrays are compressed with; "auto" for ours.
    """
    # What the file system does not know how to make, such as a local parent directory.
    if "://" not in url:
        try:
            Path(url).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{url} cannot be written: {error}") from error
    codecs = _codec(compressor)
    encoding = {}
    for name, variable in dataset.variables.items():
        if variable.chunks is None:
            continue
        if variable.ndim < 2:  # written as a whole at the end, of values that are known only then
            pending = "" if variable.dtype == object else PENDING
            values = np.full(variable.shape, pending, dtype=variable.dtype)
            dataset = dataset.assign({name: (variable.dims, values, variable.attrs)})
            continue
        encoding[name] = {
            "chunks": tuple(sizes[0] for sizes in variable.chunks),
            "compressors": codecs,
        }
        fill = variable.attrs.get("fill_value")
        if fill is not None:
            encoding[name]["fill_value"] = fill
    try:
        dataset.assign_attrs({STATE: "incomplete"}).to_zarr(
            url,
            mode="w-",
            compute=False,
            zarr_format=3,
            consolidated=False,
            encoding=encoding,
            storage_options=dict(storage_options) if storage_options else None,
        )
    except OSError as error:
        raise StoreError(f"{url} cannot be written: {error}") from error


def consolidate(group: Any) -> None:
    """Gather the metadata of a finished store in one place.

    Zarr 3 does not specify this yet, and warns; without it ``xarray.open_zarr`` warns at every
    reader instead, and read-only HTTP copies, which cannot be listed, do not open.
    """
    import warnings

    import zarr
    from zarr.errors import ZarrUserWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(group.store, path=group.path, zarr_format=3)


def _codec(compressor: Any) -> Any:
    if compressor is None:
        return None
    if compressor != "auto":
        return (compressor,)
    from zarr.codecs import BloscCodec

    # Measured on registered sections: levels above 1 cost more time than they save bytes.
    return (BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"),)
