"""What a Dataset can be written as, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

if TYPE_CHECKING:
    import xarray as xr

    from atldld_xr.volumes.formats import FormatName

OPTIONS: dict[str, tuple[str, ...]] = {
    "zarr": (
        "mode", "storage_options", "compressor", "inner_chunks", "retry_failed", "variables",
    ),
    "ome-zarr": (
        "mode", "storage_options", "compressor", "retry_failed", "ome_version", "variable", "step",
        "levels", "axes",
    ),
    "nrrd": ("mode", "variable", "channel", "step", "header", "compress"),
    "nifti": ("mode", "variable", "channel", "step", "compress"),
    "tiff": ("mode", "variable", "channel", "step", "compress"),
}  # fmt: skip
"""The arguments of each format's writer, but for ``progress``."""


def format_of(url: str) -> str | None:
    """Return the format that an address names by how it ends; None if it names none."""
    name = url.rstrip("/").lower()
    if name.endswith(".zarr"):
        return "ome-zarr" if name.endswith(".ome.zarr") else "zarr"
    from atldld_xr.volumes.formats import FORMATS

    suffixes = {suffix: format.name for format in FORMATS.values() for suffix in format.suffixes}
    return next((format for suffix, format in suffixes.items() if name.endswith(suffix)), None)


def writer(format: str) -> Callable[..., Any]:
    """Return ``write(dataset, url, **options)`` of a format; volumes have ``skip_written`` too.

    Raises
    ------
    InvalidArgumentError
        If there is no such format.
    """
    if format not in OPTIONS:
        raise InvalidArgumentError(
            f"format must be one of {', '.join(OPTIONS)}, not {short(format)}"
        )
    if format == "zarr":
        return lambda dataset, url, **options: dataset.atldld.to_zarr(url, **options)
    if format == "ome-zarr":
        return lambda dataset, url, **options: dataset.atldld.to_ome_zarr(url, **options)
    return partial(_volume, format)


def _volume(format: str, dataset: xr.Dataset, url: str, **options: Any) -> Any:
    from atldld_xr.volumes import save_volume

    return save_volume(dataset, url, format=cast("FormatName", format), **options)
