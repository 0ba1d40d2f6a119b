"""``.atldld.plot`` of Datasets: what needs more than one variable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import xarray as xr

from atldld_xr.accessor.plot_sections import PlotSections

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.quiver import Quiver

    from atldld_xr.allen.structures import Structures
    from atldld_xr.plots.axes import Unit


class Plots(PlotSections):
    """Pictures of a Dataset that one would put in a paper: dorsal up, left left, to scale.

    All need the extra "plot" and raise `MissingExtraError` without it. Pixels are read when drawn,
    and no finer than print at 300 dots an inch shows them: of a data set that was opened in fine
    pixels a coarser tier is fetched.
    """

    def overlay(
        self,
        annotation: xr.DataArray | xr.Dataset | None = None,
        *,
        at: float | None = None,
        structures: str | int | Iterable[str | int] | None = None,
        names: bool = False,
        ontology: Structures | None = None,
        linewidth: float = 0.8,
        **section: Any,
    ) -> LineCollection:
        """Draw one section with the outlines of structures, in the colours of the ontology.

        They are cut along the section's own, oblique, plane, as ``ds.atldld.annotation()`` does it,
        and run half a pixel inside of each structure.

        Parameters
        ----------
        annotation : xarray.DataArray or Dataset, optional
            As for ``ds.atldld.annotation()``, or what that returned. Default: Allen's at 25 um, or
            of a phantom its own.
        at : float, optional
            As for `section`.
        structures : str, int or sequence of these, optional
            Which, by acronym or id, each with all of its parts, as
            ``ontology.at_level(5)``. Default: each label by itself.
        names : bool
            Whether acronyms are written into them.
        ontology : Structures, optional
            Of the labels. Default: that of the adult mouse, or of a phantom its own.
        linewidth : float
            Of the outlines, in points.
        **section
            As for `section`.

        Returns
        -------
        matplotlib.collections.LineCollection
            The outlines.

        Raises
        ------
        InvalidArgumentError, MissingExtraError, SectionImageError
            As for `section`.
        ServiceError, StoreError
            If annotation or ontology cannot be had.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100)
        >>> outlines = ds.atldld.plot.overlay(at=6600, structures=["CP", "HPF"])
        """
        from atldld_xr.plots.overlay import plot_overlay

        return plot_overlay(
            self._data,
            annotation,
            at=at,
            structures=structures,
            names=names,
            ontology=ontology,
            linewidth=linewidth,
            **section,
        )

    def field(
        self,
        at: float | None = None,
        *,
        arrows: int = 24,
        bend: bool = False,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
        unit: Unit = "mm",
        scale_bar: bool = True,
        title: str | None = None,
        **quiver: Any,
    ) -> Quiver:
        """Draw the displacement field of one section as arrows; no image is fetched.

        An arrow says by how much the source image's pixel is off the picture's own index; lengths
        are drawn to fit, and coloured by what they are, in pixels of the tier in use.

        Parameters
        ----------
        at : float, optional
            As for `section`.
        arrows : int
            How many there are along the longer side.
        bend : bool
            Whether what an affine does is taken off: what is left is what a registration's markers
            or displacement fields bend. Of Allen's own, which are affine, nothing is.
        ax, figsize, unit, scale_bar, title
            As for `section`.
        **quiver
            For matplotlib's ``quiver``.

        Returns
        -------
        matplotlib.quiver.Quiver
            The arrows.

        Raises
        ------
        InvalidArgumentError, MissingExtraError
            As for `section`.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100)
        >>> ds.atldld.plot.field(6600).axes.get_xlabel()
        'left  ←  r (mm)  →  right'
        """
        from atldld_xr.plots.field import plot_field

        return plot_field(
            self._data,
            at,
            arrows=arrows,
            bend=bend,
            ax=ax,
            figsize=figsize,
            unit=unit,
            scale_bar=scale_bar,
            title=title,
            **quiver,
        )

    def coverage(
        self,
        at: float | None = None,
        *,
        variable: str = "coverage",
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
        unit: Unit = "mm",
        scale_bar: bool = True,
        title: str | None = None,
        **imshow: Any,
    ) -> AxesImage:
        """Draw where one section has pixels or, of several, how many have one at each place.

        Parameters
        ----------
        at : float, optional
            As for `section`. Default, of several: all are counted.
        variable : str
            "coverage", or that of masks.
        ax, figsize, unit, scale_bar, title
            As for `section`.
        **imshow
            For matplotlib's ``imshow``.

        Returns
        -------
        matplotlib.image.AxesImage
            As for `section`.

        Raises
        ------
        InvalidArgumentError, MissingExtraError, SectionImageError
            As for `section`.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100)
        >>> ds.atldld.plot.coverage(6600).axes.get_ylabel()
        'ventral  ←  i (mm)  →  dorsal'
        """
        from atldld_xr.plots.coverage import plot_coverage

        return plot_coverage(
            self._data,
            at,
            variable=variable,
            ax=ax,
            figsize=figsize,
            unit=unit,
            scale_bar=scale_bar,
            title=title,
            **imshow,
        )

    def preview(self) -> Figure:
        """Draw how all sections of the data set lie in the reference space, from three sides.

        Only its record is read, as by `atldld_xr.preview`: by Allen's own matrices.

        Returns
        -------
        matplotlib.figure.Figure
            As of `montage`.

        Raises
        ------
        InvalidArgumentError
            If the Dataset does not say of which data set it is.
        MissingExtraError, DatasetNotFoundError, MetadataError, ServiceError
            As for `atldld_xr.preview`.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100)
        >>> ds.atldld.plot.preview().savefig("sections.png")
        """
        from atldld_xr.plots.preview_dataset import preview_of

        return preview_of(self._data)

    def summary(
        self,
        column: str = "expression_energy",
        *,
        most: int | None = 30,
        sort: bool = True,
        names: bool = False,
        ontology: Structures | None = None,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
        title: str | None = None,
        **bars: Any,
    ) -> list[BarContainer]:
        """Draw a column of a summary of structures as bars, in the colours of the ontology.

        Parameters
        ----------
        column : str
            Of what ``ds.atldld.structure_summary()`` returned, which this is called on.
        most : int, optional
            Of how many structures, those with the highest values; None for all.
        sort : bool
            Whether the highest is first; else they are in the order of the summary.
        names : bool
            Whether names are written, and not acronyms alone.
        ontology : Structures, optional
            That has the colours. Default: that of the adult mouse, or of a phantom its own.
        ax, figsize, title
            As for `section`.
        **bars
            For matplotlib's ``barh``.

        Returns
        -------
        list of matplotlib.container.BarContainer
            One for each hemisphere that the summary has.

        Raises
        ------
        InvalidArgumentError
            If the Dataset is no summary, has no such column, or several values of a structure.
        MissingExtraError
            If matplotlib is not installed.
        ServiceError, StoreError
            If the ontology cannot be had: with ``color=`` it is not asked for.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100, expression="intensity")
        >>> numbers = ds.isel(coronal=[8, 9]).atldld.structure_summary(structures=["CP", "HPF"])
        >>> len(numbers.atldld.plot.summary("expression_density"))
        1
        """
        from atldld_xr.plots.summary import plot_summary

        return plot_summary(
            self._data,
            column,
            most=most,
            sort=sort,
            names=names,
            ontology=ontology,
            ax=ax,
            figsize=figsize,
            title=title,
            **bars,
        )
