"""``.atldld.plot`` of Datasets and arrays: pictures of sections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from atldld_xr.plots.axes import Unit
    from atldld_xr.plots.browse import Browser


class PlotSections:
    """Pictures of sections: dorsal up, left left, to scale.

    All need the extra "plot" and raise `MissingExtraError` without it. Pixels are read when drawn,
    and no finer than print at 300 dots an inch shows them: of a data set that was opened in fine
    pixels a coarser tier is fetched.
    """

    def __init__(self, dataset: xr.Dataset, variable: str = "image") -> None:
        self._data = dataset
        self._variable = variable

    def section(
        self,
        at: float | None = None,
        *,
        variable: str | None = None,
        resolution: float | None = None,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
        unit: Unit = "mm",
        scale_bar: bool = True,
        labels: bool = True,
        title: str | None = None,
        **imshow: Any,
    ) -> AxesImage:
        """Draw one section, in the coordinates of the reference space.

        Where it has no pixel it is transparent. Left is left and dorsal up, also where the space is
        the mirror image of the data set's own: then r runs from right to left.

        Parameters
        ----------
        at : float, optional
            The section that is nearest to it is drawn, along the dimension across sections, in
            micrometres. Of one section, and of a plane of a volume, it is not needed.
        variable : str, optional
            What of it. Default: "image"; of an array, itself.
        resolution : float, optional
            Pixels that are read, in micrometres; none are finer than the Dataset's own. Default: as
            fine as print shows them.
        ax : matplotlib.axes.Axes, optional
            Where to draw. Default: pyplot's current one, as for xarray's own plots.
        figsize : tuple of float, optional
            Width and height, in inches, of a new figure.
        unit : {"mm", "um"}
            Of the axes.
        scale_bar, labels : bool
            Whether there is a scale bar, and whether there are axes with labels; without, letters
            say what is where: D, V, L, R, A, P.
        title : str, optional
            Default: gene, data set, section number, image id and coordinate.
        **imshow
            For matplotlib's ``imshow``.

        Returns
        -------
        matplotlib.image.AxesImage
            Its ``axes`` and ``figure`` are where it was drawn.

        Raises
        ------
        InvalidArgumentError
            If an argument cannot work, or it is not told which section.
        MissingExtraError
            If matplotlib is not installed.
        SectionImageError
            If it cannot be read, and the Dataset was opened with ``on_error="raise"``.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom")
        >>> image = ds.atldld.plot.section(6600, figsize=(7, 5))
        >>> image.figure.savefig("section.png")
        """
        from atldld_xr.plots.section import plot_section

        return plot_section(
            self._data,
            at,
            variable=variable or self._variable,
            resolution=resolution,
            ax=ax,
            figsize=figsize,
            unit=unit,
            scale_bar=scale_bar,
            labels=labels,
            title=title,
            **imshow,
        )

    def montage(
        self,
        *,
        variable: str | None = None,
        columns: int | None = None,
        figsize: tuple[float, float] | None = None,
        scale_bar: bool = True,
        title: str | None = None,
        **imshow: Any,
    ) -> Figure:
        """Draw all sections side by side, in the order of their coordinate, at one scale.

        Parameters
        ----------
        variable : str, optional
            As for `section`.
        columns : int, optional
            How many are side by side.
        figsize : tuple of float, optional
            Width and height, in inches. Default: 10 wide, and as high as it takes.
        scale_bar : bool
            Whether there is a scale bar, in the last panel; it is true of all.
        title : str, optional
            Default: gene and data set.
        **imshow
            For matplotlib's ``imshow``.

        Returns
        -------
        matplotlib.figure.Figure
            Which pyplot does not know of, as that of `preview`: it is gone with its last reference.

        Raises
        ------
        InvalidArgumentError, MissingExtraError, SectionImageError
            As for `section`.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100)
        >>> ds.isel(coronal=slice(8, 10)).atldld.plot.montage().savefig("montage.png")
        """
        from atldld_xr.plots.montage import plot_montage

        return plot_montage(
            self._data,
            variable=variable or self._variable,
            columns=columns,
            figsize=figsize,
            scale_bar=scale_bar,
            title=title,
            **imshow,
        )

    def browse(
        self,
        *,
        variable: str | None = None,
        figsize: tuple[float, float] = (8.0, 6.0),
        **imshow: Any,
    ) -> Browser:
        """Return a browser for a notebook: sliders for the section and the window of it.

        Only what is on screen is fetched: one section, its window, in pixels of the screen, so that
        a data set opened at 1 um is seen as a whole by a coarse tier, and in a window sharply. What
        cannot be read is told in the picture's place. Needs the extra "browse".

        Parameters
        ----------
        variable : str, optional
            As for `section`.
        figsize : tuple of float
            Width and height of the picture, in inches of 100 pixels.
        **imshow
            For matplotlib's ``imshow``.

        Returns
        -------
        Browser
            Its ``section``, ``y``, ``x`` and ``outlines`` are widgets, whose ``value`` may be set,
            and its ``image`` has the picture.

        Raises
        ------
        InvalidArgumentError
            If an argument cannot work.
        MissingExtraError
            If ipywidgets or matplotlib is not installed.

        Examples
        --------
        >>> import atldld_xr
        >>> browser = atldld_xr.open_dataset("phantom", resolution=100).atldld.plot.browse()
        >>> browser.section.value = 3  # the fourth section
        """
        from atldld_xr.plots.browse import browse

        return browse(self._data, variable=variable or self._variable, figsize=figsize, **imshow)


def plots_of_array(array: xr.DataArray) -> PlotSections:
    """Return the plots of an array: it is drawn as a variable of a Dataset of nothing else."""
    name = "values" if array.name is None or array.name in array.coords else str(array.name)
    return PlotSections(array.to_dataset(name=name).assign_attrs(array.attrs), name)
