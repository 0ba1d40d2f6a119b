"""One section as it lies in the reference space: dorsal up, left left, to scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.planes.spacing import is_size
from atldld_xr.plots.axes import (
    Frame,
    Unit,
    check_unit,
    drawing_on,
    finish,
    frame_of,
    placed,
)
from atldld_xr.plots.reading import check_variable, one_section, read_section
from atldld_xr.plots.titles import full_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

PRINT = 300.0
"""Pixels an inch that a picture is read for, whatever its figure has: it may be saved in them."""

_RGB = 3
_WHITE = 255.0


def plot_section(
    dataset: xr.Dataset,
    at: float | None = None,
    *,
    variable: str = "image",
    resolution: float | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    unit: Unit = "mm",
    scale_bar: bool = True,
    labels: bool = True,
    title: str | None = None,
    **imshow: Any,
) -> AxesImage:
    """Draw a variable of one section; see ``Dataset.atldld.plot.section``."""
    check_unit(unit)
    name = check_variable(dataset, variable)
    if resolution is not None and not is_size(resolution):
        raise InvalidArgumentError(f"resolution is a size in micrometres, not {short(resolution)}")
    section = one_section(dataset, at)
    frame = frame_of(section, [dim for dim in section[name].dims if dim not in _COLOURS])
    with drawing_on(ax, figsize) as axes:
        finest = pixel_on(axes, frame) if resolution is None else float(resolution)
        read = read_section(section, name, finest)
        image = draw(axes, read, name, unit, **imshow)
    finish(axes, frame, unit, labels=labels, scale_bar=scale_bar)
    axes.set_title(full_title(section, name) if title is None else title)
    return image


_COLOURS = ("channel", "component")
"""Dimensions of what one pixel holds."""


def pixel_on(ax: Axes, frame: Frame) -> float:
    """Return how large a pixel of print is on some axes, in micrometres."""
    box = ax.get_position()
    figure = ax.get_figure(root=True)
    width, height = (1.0, 1.0) if figure is None else figure.get_size_inches()
    inches = box.width * width, box.height * height
    sizes = (along.stop - along.start for along in (frame.right, frame.down))
    return max(size / (PRINT * room) for size, room in zip(sizes, inches, strict=True))


def draw(ax: Axes, read: xr.Dataset, name: str, unit: Unit, **imshow: Any) -> AxesImage:
    """Draw what is read where it lies; what has no pixel is transparent.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    read : xarray.Dataset
        One section, loaded; where it has pixels is in "coverage".
    name : str
        The variable to draw.
    unit : {"mm", "um"}
        Of the axes' numbers.
    **imshow
        For matplotlib's ``imshow``.
    """
    values = read[name]
    frame = frame_of(read, [dim for dim in values.dims if dim not in _COLOURS])
    pixels = placed(values.values, values.dims, frame)
    covered = None
    if "coverage" in read and name != "coverage":
        covered = placed(read["coverage"].values, read["coverage"].dims, frame) == 1
    for axis, along in enumerate((frame.down, frame.right)):
        at = read[along.dim].values
        if at[0] > at[-1]:
            pixels = np.flip(pixels, axis)
            covered = None if covered is None else np.flip(covered, axis)
    if pixels.ndim == 2:
        shown: Any = np.ma.masked_invalid(pixels) if pixels.dtype.kind == "f" else pixels
        if covered is not None:
            shown = np.ma.masked_where(~covered, shown)
        if pixels.dtype == np.uint8:
            imshow = {"cmap": "gray", "vmin": 0, "vmax": _WHITE, **imshow}
    elif pixels.shape[-1] == _RGB:
        shown = to_rgba(pixels, covered)
    else:
        raise InvalidArgumentError(
            f"{name} has {pixels.shape[-1]} values a pixel: choose one, or three of colour"
        )
    if covered is not None and not covered.any():
        middle: dict[str, Any] = {"ha": "center", "va": "center", "transform": ax.transAxes}
        ax.text(0.5, 0.5, "no pixels", color="0.4", fontsize="small", **middle)
    extent = frame.extent(unit)
    return ax.imshow(shown, **{"origin": "upper", "extent": extent, "aspect": "equal", **imshow})


def to_rgba(pixels: NDArray[Any], covered: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """Return colours of 8 bits with what is not covered, or no number, transparent.

    Parameters
    ----------
    pixels : ndarray, shape (rows, columns, 3)
        From 0 to 255.
    covered : ndarray of bool, shape (rows, columns), optional
        Where they are pixels.
    """
    shown = np.full(pixels.shape[:2], True) if covered is None else covered
    if pixels.dtype.kind == "f":
        shown = shown & np.isfinite(pixels).all(axis=-1)
        pixels = np.where(shown[..., None], pixels, 0).round()
    out = np.zeros((*pixels.shape[:2], _RGB + 1), dtype=np.uint8)
    out[..., :_RGB] = np.clip(pixels, 0, _WHITE)
    out[..., _RGB] = np.where(shown, _WHITE, 0)
    return out
