"""All sections of a Dataset side by side, at one scale, each no finer than its panel shows."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import xarray as xr

from atldld_xr.compute.threads import ending_threads, in_order
from atldld_xr.datasets.sections import section_dim
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_whole
from atldld_xr.plots.axes import (
    add_scale_bar,
    frame_of,
    mark_sides,
    new_figure,
    turn,
)
from atldld_xr.plots.extra import need_matplotlib
from atldld_xr.plots.reading import check_variable, read_section
from atldld_xr.plots.section import PRINT, draw
from atldld_xr.plots.titles import section_title, stack_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 10.0  # inches
_AT_ONCE = 4  # sections read at a time
_TITLE = 0.22  # inches above each panel
_MOST = 200  # panels: no data set has as many sections
_SHAPE = 1.4  # width by height of the montage, about


def plot_montage(
    dataset: xr.Dataset,
    *,
    variable: str = "image",
    columns: int | None = None,
    figsize: tuple[float, float] | None = None,
    scale_bar: bool = True,
    title: str | None = None,
    **imshow: Any,
) -> Figure:
    """Draw all sections; see ``Dataset.atldld.plot.montage``."""
    need_matplotlib()
    name = check_variable(dataset, variable)
    dim = section_dim(dataset)
    count = dataset.sizes[dim]
    if not 0 < count <= _MOST:
        raise InvalidArgumentError(
            f"a montage is of 1 to {_MOST} sections, not {count}: choose some, as by "
            f".isel({dim}=slice(None, None, 2))"
        )
    if columns is not None and not (is_whole(columns) and 0 < columns <= count):
        raise InvalidArgumentError(
            f"columns is a number from 1 to {count}, as many as there are sections, not "
            f"{short(columns)}"
        )
    frame = frame_of(dataset.isel({dim: 0}), ("y", "x"))
    height, width = (along.stop - along.start for along in (frame.down, frame.right))
    wide = columns or min(count, max(math.ceil(math.sqrt(count * _SHAPE * height / width)), 1))
    tall = math.ceil(count / wide)
    panel = _WIDTH / wide
    size = figsize or (_WIDTH, tall * (panel * height / width + _TITLE) + 2 * _TITLE)
    figure = new_figure(size, w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    panels = figure.subplots(tall, wide, squeeze=False).ravel()
    finest = max(width / (size[0] / wide), height / (size[1] / tall)) / PRINT
    sections = [dataset.isel({dim: index}) for index in range(count)]
    jobs = [
        (index, partial(read_section, each, name, finest)) for index, each in enumerate(sections)
    ]
    with ending_threads(_AT_ONCE, "atldld-montage") as pool:
        for index, read in in_order(pool, jobs, lambda waiting: waiting >= _AT_ONCE):
            ax = panels[index]
            draw(ax, read, name, "mm", **imshow)
            turn(ax, frame, "mm")
            ax.set_title(section_title(read, short=True), fontsize="x-small", pad=2)
    for ax in panels:
        ax.set_axis_off()
    mark_sides(panels[0], frame)
    if scale_bar:
        add_scale_bar(panels[count - 1], frame, "mm")
    figure.suptitle(stack_title(dataset) if title is None else title, fontsize="medium")
    return figure
