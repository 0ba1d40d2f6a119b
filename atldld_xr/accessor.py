"""The accessor ``Dataset.atldld``."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Literal

import xarray as xr

if TYPE_CHECKING:
    from atldld_xr.export import ExportReport


@xr.register_dataset_accessor("atldld")  # type: ignore[no-untyped-call]  # xarray's
class AtldldAccessor:
    """What this package does with a Dataset, whole or sliced."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def to_zarr(
        self,
        url: str | PathLike[str],
        *,
        mode: Literal["w-", "w"] = "w-",
        storage_options: Mapping[str, Any] | None = None,
        compressor: Any | Literal["auto"] | None = "auto",
        progress: bool = False,
    ) -> ExportReport:
        """Compute the Dataset block by block and write it as a Zarr v3 store.

        Runs on Dask's threads, or on the cluster whose client is connected.

        Parameters
        ----------
        url : str or path
            A path or any fsspec URL: ``out.zarr``, ``s3://bucket/out.zarr``, ``memory://out``.
        mode : {"w-", "w"}
            "w-" refuses to write where something exists; "w" replaces a Zarr store.
        storage_options : mapping, optional
            For the file system: keys, endpoints.
        compressor : zarr codec, "auto" or None
            For the chunks of the arrays.
        progress : bool
            Whether to show a progress bar on standard error.

        Returns
        -------
        ExportReport
            How much was written, and which sections could not be read.

        Raises
        ------
        StoreError
            If something exists there, or it cannot be written.
        SectionImageError
            If a section cannot be read and the Dataset was opened with ``on_error="raise"``. The
            store's attribute ``atldld_xr_export`` then says "incomplete".
        """
        from atldld_xr.export import export

        return export(
            self._dataset,
            fspath(url),
            mode=mode,
            storage_options=storage_options,
            compressor=compressor,
            progress=progress,
        )
