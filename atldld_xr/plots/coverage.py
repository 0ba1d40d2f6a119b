"""Where sections have pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from atldld_xr.allen.reference import SECTION_DIMS
from atldld_xr.datasets.sections import TABLE_DIM
from atldld_xr.plots.axes import Unit, check_unit, drawing_on, finish, frame_of
from atldld_xr.plots.reading import check_variable, one_section
from atldld_xr.plots.section import draw
from atldld_xr.plots.titles import full_title, stack_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage


def plot_coverage(
    dataset: xr.Dataset,
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
    """Draw where one section, or how many, have pixels; see ``Dataset.atldld.plot.coverage``."""
    check_unit(unit)
    name = check_variable(dataset, variable)
    dim = next((name for name in SECTION_DIMS if name in dataset.dims), None)
    if at is not None or dim is None or TABLE_DIM in dataset.dims or dataset.sizes[dim] <= 1:
        section = one_section(dataset, at)
        counted = section[[name]].load()
        most, said = 1, full_title(section)
    else:
        counted = dataset[[name]].sum(dim, keep_attrs=True).assign_coords({dim: np.nan}).load()
        most, said = dataset.sizes[dim], stack_title(dataset)
    frame = frame_of(counted, counted[name].dims)
    counts = counted.assign({name: counted[name].astype(np.int32)})
    shown = {"cmap": "Blues", "vmin": 0, "vmax": most, "interpolation": "nearest", **imshow}
    with drawing_on(ax, figsize) as axes:
        image = draw(axes, counts, name, unit, **shown)
    figure = axes.get_figure()
    if most > 1 and figure is not None:
        figure.colorbar(image, ax=axes, label="sections with a pixel", shrink=0.8)
    finish(axes, frame, unit, scale_bar=scale_bar)
    axes.set_title(said if title is None else title)
    return image
