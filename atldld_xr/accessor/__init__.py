"""The accessors ``Dataset.atldld`` and ``DataArray.atldld``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from atldld_xr.accessor.anatomy import Anatomy
from atldld_xr.accessor.of_sections import OfSections
from atldld_xr.accessor.of_structures import OfStructures
from atldld_xr.accessor.plot import Plots
from atldld_xr.accessor.plot_sections import PlotSections, plots_of_array
from atldld_xr.accessor.to_quicknii import ToQuickNII
from atldld_xr.accessor.viewing import Viewing
from atldld_xr.accessor.writers import Writers

if TYPE_CHECKING:
    import pandas as pd


@xr.register_dataset_accessor("atldld")  # type: ignore[no-untyped-call]  # xarray types it not
class AtldldAccessor(Anatomy, OfStructures, ToQuickNII, Viewing, Writers, OfSections[xr.Dataset]):
    """What this package does with a Dataset, whole or sliced."""

    @property
    def plot(self) -> Plots:
        """Pictures: `section`, `montage`, `overlay`, `field`, `coverage`, `preview`, `summary`.

        Raises
        ------
        MissingExtraError
            When one is drawn, if matplotlib is not installed.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100)
        >>> ds.atldld.plot.section(6600).get_extent()  # millimetres: left, right, bottom, top
        [0.0, 11.4, 8.0, 0.0]
        """
        return Plots(self._data)

    @property
    def masked(self) -> xr.Dataset:
        """The Dataset with `image` and `expression` as float32, NaN where they have no pixel.

        Where a section has none, they hold the fill value, which means, sums and quantiles take for
        data; of these numbers they do not. Lazy as the Dataset is; four times the size.

        Raises
        ------
        InvalidArgumentError
            If the Dataset has pixels and not their coverage.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100).isel(coronal=[8])
        >>> bool(ds.atldld.masked.image.mean() < ds.image.mean())  # without the white around it
        True
        """
        from atldld_xr.datasets.masked import mask

        return mask(self._data)

    def failures(self) -> pd.DataFrame:
        """Return which sections are not there, and why: a row each, none if all are.

        Of a lazy Dataset this reads all tiles of its sections, as `status` does; of one that is
        read back from a store, or loaded, what that tells. Reasons that nobody kept are not known:
        loading a Dataset keeps its status alone.

        Returns
        -------
        pandas.DataFrame
            ``variable`` ("image" or "expression"), ``section_image_id``, ``section_number``,
            ``status`` ("unreadable"; "absent" of masks that the service has none of; "pending" in a
            store that is not finished) and ``reason``. Under ``on_error="raise"``, where what
            cannot be read raises, only absences are told.

        Raises
        ------
        SectionImageError
            If a section cannot be read, and the Dataset was opened with ``on_error="raise"``.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100, on_error="fill")
        >>> len(ds.isel(coronal=[8]).atldld.failures())
        0
        """
        from atldld_xr.arrays.failures import failures_table

        return failures_table(self._data)

    def excluded(self) -> pd.DataFrame:
        """Return the sections of the data set that cannot be registered, and so are not here.

        Returns
        -------
        pandas.DataFrame
            ``section_image_id``, ``section_number`` and ``reason``, a row each. What a record does
            not have is missing. As read back from a store, Zarr or netCDF, it is the same.

        Raises
        ------
        InvalidArgumentError
            If the attribute that has it is no such record.

        Examples
        --------
        >>> import atldld_xr
        >>> atldld_xr.open_dataset("phantom").atldld.excluded().reason.tolist()
        ['Allen marked it as failed']
        """
        from atldld_xr.allen.excluded import excluded_table

        return excluded_table(self._data.attrs)


@xr.register_dataarray_accessor("atldld")  # type: ignore[no-untyped-call]  # xarray types it not
class AtldldArrayAccessor(OfSections[xr.DataArray]):
    """What this package does with one variable of a Dataset, whole or sliced."""

    @property
    def plot(self) -> PlotSections:
        """Pictures that are the right way up and to scale: `section`, `montage`."""
        return plots_of_array(self._data)
