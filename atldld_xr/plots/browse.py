"""A browser of sections in a notebook: sliders for the section and for the window of it.

What is read is what is on screen: one section, its window, in pixels of the screen. The picture is
a PNG that is made here, so it shows wherever ipywidgets do, and needs no window system.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from atldld_xr.datasets.sections import section_dim
from atldld_xr.errors import AtldldError, InvalidArgumentError, MissingExtraError
from atldld_xr.plots.axes import MICROMETRES, Along, frame_of, new_figure
from atldld_xr.plots.extra import need_matplotlib
from atldld_xr.plots.overlay import PIXELS, plot_overlay
from atldld_xr.plots.reading import check_variable
from atldld_xr.plots.section import PRINT, pixel_on, plot_section
from atldld_xr.plots.titles import section_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 100.0  # of the screen
_MM = MICROMETRES["mm"]


@dataclass(frozen=True, eq=False)
class Browser:
    """A picture of one section, and what chooses it; notebooks show it as it is.

    Attributes
    ----------
    section : ipywidgets.SelectionSlider
        Which section: its value is the place in the stack.
    y, x : ipywidgets.FloatRangeSlider
        The window, in millimetres.
    outlines : ipywidgets.Checkbox
        Whether outlines of structures are drawn.
    image : ipywidgets.Image
        The picture, as PNG.
    box : ipywidgets.VBox
        All of them.
    """

    section: Any
    y: Any
    x: Any
    outlines: Any
    image: Any
    box: Any

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.box._repr_mimebundle_(**options)


def browse(
    dataset: xr.Dataset,
    *,
    variable: str = "image",
    figsize: tuple[float, float] = (8.0, 6.0),
    **imshow: Any,
) -> Browser:
    """Return a browser of a Dataset's sections; see ``Dataset.atldld.plot.browse``."""
    need_matplotlib()
    widgets = _ipywidgets()
    name = check_variable(dataset, variable)
    dim = section_dim(dataset)
    count = dataset.sizes[dim]
    if not count:
        raise InvalidArgumentError(f"there is no section to browse: {dim} is empty")
    frame = frame_of(dataset.isel({dim: 0}), PIXELS)
    named = [section_title(dataset.isel({dim: k}), short=True) or str(k) for k in range(count)]
    wide = widgets.Layout(width=f"{int(figsize[0] * _DPI)}px")
    at_once = {"continuous_update": False, "layout": wide}
    section = widgets.SelectionSlider(
        description=dim,
        options=[(f"{k + 1}: {title}", k) for k, title in enumerate(named)],
        value=count // 2,
        **at_once,
    )
    y, x = (
        _range_slider(widgets, next(a for a in (frame.down, frame.right) if a.dim == one), at_once)
        for one in PIXELS
    )
    outlines = widgets.Checkbox(description="outlines of structures", indent=False)
    image = widgets.Image(format="png")

    def show(_: object = None) -> None:
        chosen = _window(dataset.isel({dim: section.value}), {"y": y.value, "x": x.value})
        image.value = _png(chosen, name, figsize, bool(outlines.value), imshow)

    for control in (section, y, x, outlines):
        control.observe(show, names="value")
    show()
    box = widgets.VBox([section, image, y, x, outlines])
    return Browser(section, y, x, outlines, image, box)


def _ipywidgets() -> Any:
    try:
        import ipywidgets
    except ImportError as error:
        raise MissingExtraError(
            'browsing needs ipywidgets: pip install "atldld-xr[browse]"'
        ) from error
    return ipywidgets


def _range_slider(widgets: Any, along: Along, options: dict[str, Any]) -> Any:
    low, high = along.start / _MM, along.stop / _MM
    return widgets.FloatRangeSlider(
        description=f"{along.letter} (mm)",
        min=low,
        max=high,
        value=(low, high),
        step=(high - low) / 1000,
        readout_format=".2f",
        **options,
    )


def _window(section: xr.Dataset, limits: dict[str, tuple[float, float]]) -> xr.Dataset:
    """Return the pixels between limits in millimetres; the nearest one where there is none."""
    part = {}
    for dim, (low, high) in limits.items():
        at = np.asarray(section[dim].values) / _MM
        found = np.flatnonzero((at >= low) & (at <= high))
        nearest = int(np.abs(at - (low + high) / 2).argmin())
        first, last = (found[0], found[-1]) if found.size else (nearest, nearest)
        part[dim] = slice(int(first), int(last) + 1)
    return section.isel(part)


def _png(
    section: xr.Dataset,
    name: str,
    figsize: tuple[float, float],
    with_outlines: bool,
    imshow: dict[str, Any],
) -> bytes:
    figure = new_figure(figsize)
    ax = figure.add_subplot()
    finest = pixel_on(ax, frame_of(section, PIXELS)) * PRINT / _DPI
    drawing = {"variable": name, "resolution": finest, "ax": ax, **imshow}
    try:
        if with_outlines:
            plot_overlay(section, **drawing)
        else:
            plot_section(section, **drawing)
    except AtldldError as error:  # the sliders go on
        figure = _told(str(error), section, figsize)
    out = BytesIO()
    figure.savefig(out, format="png", dpi=_DPI)
    return out.getvalue()


def _told(message: str, section: xr.Dataset, figsize: tuple[float, float]) -> Figure:
    figure = new_figure(figsize)
    figure.suptitle(section_title(section))
    figure.text(0.5, 0.5, message, ha="center", va="center", wrap=True, color="0.3")
    return figure
