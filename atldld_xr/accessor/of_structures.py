"""Numbers of structures: what the accessor of Datasets has of them."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import xarray as xr

if TYPE_CHECKING:
    from atldld_xr.allen.structures import Structures


class OfStructures:
    """What a Dataset of sections, a grid and a summary have."""

    _data: xr.Dataset

    def structure_summary(
        self,
        annotation: xr.Dataset | xr.DataArray | None = None,
        *,
        structures: str | int | Iterable[str | int] | None = None,
        threshold: int = 25,
        by: Literal["data set", "section"] = "data set",
        method: Literal["sections", "grid"] = "sections",
        hemisphere: Literal["both", "left", "right", "each"] = "both",
        ontology: Structures | None = None,
    ) -> xr.Dataset:
        """Return the numbers of each structure, as Allen defines them: a row each.

        On sections, pixels are counted block by block, on threads or on the cluster whose client is
        connected: each is read once, for however many structures. What is counted are whole numbers
        by the labels themselves; parents add up those of all their descendants and divide last. So
        chunks, order and workers change nothing, to the bit.

        Parameters
        ----------
        annotation : xarray.DataArray or Dataset, optional
            The labels, as ``ds.atldld.annotation()`` cuts them on the Dataset's own pixels; or the
            reference volume, as `open_annotation` gives it. Default: that volume. Of a grid, the
            volume.
        structures : str, int or sequence of these, optional
            By acronym or id. Default: all of the ontology.
        threshold : int
            A mask's value, of 255, above which a pixel expresses; of a coloured mask, in any of its
            channels. Of masks that are averaged for a coarse resolution it is an average that is
            compared.
        by : {"data set", "section"}
            Whether sections are added up, or a dimension.
        method : {"sections", "grid"}
            What the numbers are of: the sections, or the 200 um energy grid of `open_grid`. That is
            of the same data set and source, or the Dataset itself, if it is one.
        hemisphere : {"both", "left", "right", "each"}
            Which side of the brain, r = 5700 um being the middle; "each" has all three, by
            ``hemisphere_id`` (1 left, 2 right, 3 both).
        ontology : Structures, optional
            Of the labels. Default: that of the adult mouse, as `structures` gives it.

        Returns
        -------
        xarray.Dataset
            Over ``structure`` (by acronym), and ``section`` and ``hemisphere_id`` if asked for. Of
            sections: ``sum_pixels``, ``sum_expressing_pixels``, ``sum_pixel_intensity`` and
            ``sum_expressing_pixel_intensity`` (of 255 - grey), in full-resolution pixels;
            ``expression_density``, ``expression_intensity``, ``expression_energy``; ``coverage``,
            ``volume_mm3`` and ``n_sections``. Of a grid: ``voxel_energy_mean``,
            ``voxel_energy_cv``, ``n_voxels``, ``coverage`` and ``volume_mm3``. A structure without
            any is a row of numbers that are none, and ``reason`` says why. Sections that could not
            be read, under ``on_error="fill"``, are not counted: ``sections_not_counted``.

        Raises
        ------
        InvalidArgumentError
            If an argument cannot work, or the Dataset lacks what is counted.
        SectionImageError
            If a section cannot be read, and the Dataset was opened with ``on_error="raise"``.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100, expression="intensity")
        >>> ds = ds.isel(coronal=[8, 9])
        >>> numbers = ds.atldld.structure_summary(structures=["CP", "HPF"])
        >>> numbers.n_sections.values.tolist()
        [1, 2]
        """
        from atldld_xr.analysis.summary import structure_summary

        return structure_summary(
            self._data,
            annotation,
            structures=structures,
            threshold=threshold,
            by=by,
            method=method,
            hemisphere=hemisphere,
            ontology=ontology,
        )

    def to_table(self, path: str | PathLike[str]) -> Path:
        """Write a summary of structures as a table: a row of each, for each section and side.

        Parameters
        ----------
        path : str or path
            On this machine: ``.csv``, or ``.parquet``, which needs the extra "parquet". What is
            there is replaced. By ``to_dataframe()`` xarray gives the table itself.

        Returns
        -------
        pathlib.Path
            Where it is.

        Raises
        ------
        InvalidArgumentError
            If the Dataset is no summary, or the suffix another.
        MissingExtraError
            If the extra is not there.
        StoreError
            If it cannot be written.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100, expression="intensity")
        >>> ds = ds.isel(coronal=[8, 9])
        >>> ds.atldld.structure_summary(structures="HPF").atldld.to_table("numbers.csv").name
        'numbers.csv'
        """
        from atldld_xr.analysis.tables import to_table

        return to_table(self._data, path)

    def structure_values(self, column: str) -> dict[str, float]:
        """Return a column of a summary as ``{acronym: value}``, as BrainGlobe's heatmaps take it.

        Parameters
        ----------
        column : str
            Its name, for instance "expression_energy".

        Returns
        -------
        dict of float
            Without structures of which there is no number.

        Raises
        ------
        InvalidArgumentError
            If the Dataset is no summary, has no such column or several values of a structure.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100, expression="intensity")
        >>> ds = ds.isel(coronal=[8, 9])
        >>> numbers = ds.atldld.structure_summary(structures=["CP", "HPF"])
        >>> numbers.atldld.structure_values("n_sections")
        {'CP': 1.0, 'HPF': 2.0}
        """
        from atldld_xr.analysis.tables import values_by_acronym

        return values_by_acronym(self._data, column)
