"""What the accessor of a Dataset writes: Zarr, OME-Zarr and volumes in single files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import xarray as xr

    from atldld_xr.compute.progress import Callback
    from atldld_xr.export import ExportReport
    from atldld_xr.volumes import VolumeReport


class Writers:
    """What is written of a Dataset, whole or sliced, and gone on with where it was ended."""

    _data: xr.Dataset

    def to_zarr(
        self,
        url: str | PathLike[str],
        *,
        mode: Literal["w-", "w"] = "w-",
        storage_options: Mapping[str, Any] | None = None,
        compressor: Any | Literal["auto"] | None = "auto",
        inner_chunks: Mapping[str, int] | None = None,
        variables: str | Sequence[str] | None = None,
        retry_failed: bool = False,
        progress: bool = False,
        callback: Callback | None = None,
    ) -> ExportReport:
        """Compute the Dataset block by block and write it as a Zarr v3 store.

        Runs on threads, or on the cluster whose client is connected. An export that was interrupted
        is finished by the same call: what is there already is neither fetched nor written again.

        Parameters
        ----------
        url : str or path
            A path or any fsspec URL: ``out.zarr``, ``s3://bucket/out.zarr``, ``memory://out``.
        mode : {"w-", "w"}
            "w-" refuses to write where something else exists; "w" replaces a Zarr store.
        storage_options : mapping, optional
            For the file system: keys, endpoints.
        compressor : zarr codec, "auto" or None
            For the chunks of the arrays.
        inner_chunks : mapping, optional
            Sizes, by dimension, of the pieces that readers can take one by one. Each block of the
            Dataset is a file, or object, of the store; with this it becomes a Zarr shard of such
            pieces.
        variables : str or sequence of str, optional
            Which data variables are written. Default: all, without `displacement` as long as it is
            what the coordinate `affine` says already, in six numbers a section.
        retry_failed : bool
            Whether to try sections again that an earlier run left at the fill value.
        progress : bool
            Whether to show a progress bar on standard error.
        callback : callable, optional
            For a progress bar of one's own: given a ``ProgressEvent`` (what, done, total) at once,
            and whenever chunks have been entered in the ledger, by this thread. What it raises ends
            the export, which the same call finishes.

        Returns
        -------
        ExportReport
            How much was written, and which sections could not be read.

        Raises
        ------
        StoreError
            If something else exists there, or another export is writing there, or it cannot be
            written.
        SectionImageError
            If a section cannot be read and the Dataset was opened with ``on_error="raise"``. The
            store's attribute ``atldld_xr_export`` then says "incomplete".

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100)
        >>> ds.isel(coronal=[8, 9]).atldld.to_zarr("phantom.zarr").failures
        ()
        """
        from atldld_xr.export import export

        return export(
            self._data,
            url,
            mode=mode,
            storage_options=storage_options,
            compressor=compressor,
            inner_chunks=inner_chunks,
            variables=variables,
            retry_failed=retry_failed,
            progress=progress,
            callback=callback,
        )

    def to_ome_zarr(
        self,
        url: str | PathLike[str],
        *,
        ome_version: Literal["0.5", "0.4"] = "0.5",
        variable: str = "image",
        step: float | None = None,
        levels: int | None = None,
        axes: Literal["zyx", "pir"] = "zyx",
        mode: Literal["w-", "w"] = "w-",
        storage_options: Mapping[str, Any] | None = None,
        compressor: Any | Literal["auto"] | None = "auto",
        retry_failed: bool = False,
        progress: bool = False,
        callback: Callback | None = None,
    ) -> ExportReport:
        """Write one variable as OME-Zarr: a pyramid on a regular grid, for viewers.

        Sections lie at irregular positions and are oblique: each goes to the plane that is nearest,
        and its exact position and tilt are kept beside, in the attribute ``atldld_xr``. What a
        level is made of is the stored level before it; an export that was interrupted is finished
        by the same call, as with `to_zarr`.

        Parameters
        ----------
        url : str or path
            A path or any fsspec URL.
        ome_version : {"0.5", "0.4"}
            Of OME-NGFF: 0.5 is Zarr v3, 0.4 is Zarr v2.
        variable : str
            Which data variable.
        step : float, optional
            From one plane to the next, in micrometres; planes are then on the grid of the reference
            space. Default: that of the sections, where each lies in equal steps to half of its
            thickness, and planes are where the sections are; else a section's thickness. A store
            that was begun with the latter is gone on with as it is.
        levels : int, optional
            Of the pyramid. Default: until no side is longer than 256 pixels.
        axes : {"zyx", "pir"}
            Planes, rows and columns; or the axes of the reference space, posterior, inferior and
            right, in which coronal and sagittal data sets overlay each other also in viewers that
            go by the order of axes. These say where they lead (RFC-4 of OME-NGFF).
        mode, storage_options
            As for `to_zarr`.
        compressor : codec, "auto" or None
            Of ``zarr.codecs`` for 0.5, of ``numcodecs`` for 0.4.
        retry_failed, progress, callback
            As for `to_zarr`.

        Returns
        -------
        ExportReport
            How much was written, and which sections could not be read.

        Raises
        ------
        InvalidArgumentError
            If OME-Zarr cannot say what this is: two sections in one plane, pixels in unequal steps,
            another dtype.
        StoreError, SectionImageError
            As `to_zarr`.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=200)
        >>> ds.isel(coronal=[8, 9]).atldld.to_ome_zarr("phantom.ome.zarr").failures
        ()
        """
        from atldld_xr.export.ome import export_ome

        return export_ome(
            self._data,
            url,
            ome_version=ome_version,
            variable=variable,
            step=step,
            levels=levels,
            axes=axes,
            mode=mode,
            storage_options=storage_options,
            compressor=compressor,
            retry_failed=retry_failed,
            progress=progress,
            callback=callback,
        )

    def to_volume(
        self,
        path: str | PathLike[str],
        *,
        format: Literal["nrrd", "nifti", "tiff"] | None = None,
        variable: str = "image",
        channel: Literal["grey", "red", "green", "blue"] | None = None,
        step: float | None = None,
        header: Literal["allen", "anatomical"] | None = None,
        compress: bool | None = None,
        mode: Literal["w-", "w"] = "w-",
        progress: bool = False,
        callback: Callback | None = None,
    ) -> VolumeReport:
        """Write one variable as a volume of the reference space: NRRD, NIfTI or TIFF.

        Each section is in the plane that is nearest; all others hold the fill value, which in masks
        is also "no expression": the variable `coverage`, or `expression_coverage`, is a volume of
        where something was measured, and one of `masked` has NaN in all other places. Which planes
        are valid is in the file's header and in ``PATH.json``. Streamed, never whole in memory.

        Parameters
        ----------
        path : str or path
            A file on this machine.
        format : {"nrrd", "nifti", "tiff"}, optional
            Default: by the path's suffix.
        variable : str
            Which data variable.
        channel : {"grey", "red", "green", "blue"}, optional
            One channel of a coloured variable. Default: all.
        step : float, optional
            From one plane to the next, in micrometres. Default: the resolution.
        header : {"allen", "anatomical"}, optional
            Of NRRD: Allen's diagonal one, which voxcell reads and is the default, or one with true
            directions.
        compress : bool, optional
            Default: yes; NIfTI goes by its suffix.
        mode : {"w-", "w"}
            Whether files may be replaced.
        progress : bool
            Whether to show a progress bar on standard error.
        callback : callable, optional
            As for `to_zarr`, of planes. What it raises leaves nothing written.

        Returns
        -------
        VolumeReport
            What was written, and which planes hold a section.

        Raises
        ------
        InvalidArgumentError
            If the format cannot say what this is.
        StoreError
            If the file exists, or cannot be written.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=200)
        >>> report = ds.isel(coronal=[8, 9]).atldld.to_volume("phantom.nrrd", channel="grey")
        """
        from atldld_xr.volumes import save_volume

        return save_volume(
            self._data,
            path,
            format=format,
            variable=variable,
            channel=channel,
            step=step,
            header=header,
            compress=compress,
            mode=mode,
            progress=progress,
            callback=callback,
        )
