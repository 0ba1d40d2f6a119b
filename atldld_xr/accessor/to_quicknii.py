"""``Dataset.atldld.to_quicknii``."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Literal

import xarray as xr

if TYPE_CHECKING:
    from atldld_xr.export.to_quicknii import QuickNIIReport
    from atldld_xr.sources.protocol import Source


class ToQuickNII:
    """What Datasets have for QuickNII."""

    _data: xr.Dataset

    def to_quicknii(
        self,
        folder: str | PathLike[str],
        *,
        longest: int = 1500,
        on_error: Literal["raise", "skip"] = "raise",
        mode: Literal["w-", "w"] = "w-",
        source: str | PathLike[str] | Source | None = None,
        progress: bool = False,
    ) -> QuickNIIReport:
        """Write pictures of the sections, and where they lie, to refine that in QuickNII.

        A PNG of each unregistered section image, ``{image id}_s{section number}.png``, and
        ``{data set id}.json`` with the starting anchors: as this Dataset has the sections, which is
        Allen's affine unless it was opened with another `registration`. QuickNII and VisuAlign open
        it; what they save is a `registration` for `atldld_xr.open_dataset`. Read back as it is, it
        has every pixel within 1e-6 um of where it was, but for what bends sections besides: markers
        and displacement fields are left out.

        Parameters
        ----------
        folder : str or path
            On this machine.
        longest : int
            Pixels along the longer side of the pictures, at most: from 64 to 4000.
        on_error : {"raise", "skip"}
            Whether a section that cannot be read raises, or is left out and told.
        mode : {"w-", "w"}
            Whether files of these names may be replaced; others are left alone.
        source : str, path or source object, optional
            Where images come from. Default: this Dataset's own.
        progress : bool
            Whether to show a progress bar on standard error.

        Returns
        -------
        QuickNIIReport
            What was written, and which sections could not be read.

        Raises
        ------
        InvalidArgumentError
            If the Dataset does not say of which sections it is, or an argument cannot work.
        StoreError
            If a file is there already, or cannot be written.
        SectionImageError
            If a section cannot be read, under ``on_error="raise"``.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100)
        >>> report = ds.isel(coronal=[8]).atldld.to_quicknii("anchors/", longest=300)
        """
        from atldld_xr.export.to_quicknii import save_quicknii

        return save_quicknii(
            self._data,
            folder,
            longest=longest,
            on_error=on_error,
            mode=mode,
            source=source,
            progress=progress,
        )
