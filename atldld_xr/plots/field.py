"""The displacement field of one section: from where in its image each pixel comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_whole
from atldld_xr.plots.axes import (
    MICROMETRES,
    Unit,
    check_unit,
    drawing_on,
    finish,
    frame_of,
)
from atldld_xr.plots.reading import one_section
from atldld_xr.plots.titles import full_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.quiver import Quiver

_LARGEST = 200  # arrows a side
_LENGTH = 0.9  # of the longest arrow, in distances of two


def plot_field(
    dataset: xr.Dataset,
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
    """Draw the displacement field of a section as arrows; see ``Dataset.atldld.plot.field``."""
    check_unit(unit)
    name = "displacement"
    if not is_whole(arrows) or not 2 <= arrows <= _LARGEST:
        raise InvalidArgumentError(
            f"arrows is how many there are along the longer side, from 2 to {_LARGEST}, not "
            f"{short(arrows)}"
        )
    if name not in dataset.data_vars:
        raise InvalidArgumentError(
            "this Dataset has no displacement: open the data set, as stores leave it out unless "
            "variables= names it when they are written"
        )
    section = one_section(dataset, at)
    frame = frame_of(section, ("y", "x"))
    step = max(1, round(max(section.sizes["y"], section.sizes["x"]) / arrows))
    every = slice(step // 2, None, step)
    thin = section[[n for n in (name, "coverage") if n in section]].isel(y=every, x=every).load()
    offsets = thin[name].transpose("y", "x", ...).values.astype(np.float64)
    rows, columns = np.meshgrid(thin["y"].values, thin["x"].values, indexing="ij")
    covered = np.isfinite(offsets).all(axis=-1)
    if "coverage" in thin:
        covered &= thin["coverage"].values == 1
    rows, columns, offsets = rows[covered], columns[covered], offsets[covered]
    if bend:
        offsets = without_affine(rows, columns, offsets)
    length = np.hypot(offsets[:, 0], offsets[:, 1])
    most = float(length.max(initial=0.0))
    apart = step * (frame.right.stop - frame.right.start) / section.sizes["x"]
    per = MICROMETRES[unit]
    shown: dict[str, Any] = {
        "angles": "xy",
        "scale_units": "xy",
        "scale": max(most, 1e-9) / (_LENGTH * apart / per),
        "cmap": "viridis",
        "width": 0.0025,
        **quiver,
    }
    given = (columns / per, rows / per, offsets[:, 0], offsets[:, 1], length)
    with drawing_on(ax, figsize) as axes:
        drawn = axes.quiver(*given, **shown)
    figure = axes.get_figure()
    if figure is not None:
        tier = int(section["tier"]) if "tier" in section.coords else None
        pixels = "px of the source image" + ("" if tier is None else f", tier {tier}")
        said = f"{'bend' if bend else 'displacement'} ({pixels})"
        figure.colorbar(drawn, ax=axes, label=said, shrink=0.8)
    finish(axes, frame, unit, scale_bar=scale_bar)
    axes.set_title(full_title(section) if title is None else title)
    return drawn


def without_affine(
    rows: NDArray[Any], columns: NDArray[Any], offsets: NDArray[Any]
) -> NDArray[np.float64]:
    """Return what is left of a field once the affine that fits it best is taken off.

    Parameters
    ----------
    rows, columns : ndarray, shape (N,)
        Where it is.
    offsets : ndarray, shape (N, 2)
        What it is.
    """
    terms = np.stack([rows, columns, np.ones_like(rows)], axis=-1)
    fitted, *_ = np.linalg.lstsq(terms, offsets, rcond=None)
    left: NDArray[np.float64] = offsets - terms @ fitted
    return left
