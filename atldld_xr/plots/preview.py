"""Drawing how the sections of a data set lie in the reference space; needs the extra "plot"."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen import transforms
from atldld_xr.allen.metadata import SectionDataset, parse_dataset
from atldld_xr.allen.reference import ReferenceSpace
from atldld_xr.datasets.which_space import Extent, SpaceLike, check_space, space_of
from atldld_xr.plots.extra import need_matplotlib
from atldld_xr.sources.protocol import Source, asked_anew
from atldld_xr.sources.resolve import parse_dataset_name, resolve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_P, _I, _R = range(3)
_LETTERS = "pir"
_AXES = (
    "anterior  ←  p (mm)  →  posterior",
    "ventral  ←  i (mm)  →  dorsal",
    "left  ←  r (mm)  →  right",
)

_MM = 1000.0  # micrometres
_MARGIN = 1.3  # mm around the sections, in which their numbers are
_LABEL_DISTANCE = 0.25  # mm from the sections to their numbers
_ROW_SPACING = 0.9  # mm from one section number to the next in a row, at least
_COLUMN_SPACING = 0.45  # and in a column
_TICKS = 2  # mm
_NOTES = 8  # excluded sections written out, at most

# In shares of the figure and, between panels, of a panel.
_MARGINS = {
    "left": 0.06, "right": 0.98, "bottom": 0.06, "top": 0.91, "wspace": 0.16, "hspace": 0.2
}  # fmt: skip

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Section:
    """What is drawn of a section: corners (4, 3) and point (3,) in (p, i, r), in millimetres."""

    number: int
    corners: Array
    point: Array
    colour: Any


def preview(
    dataset: int | str,
    *,
    source: str | PathLike[str] | Source | None = None,
    refresh: bool = False,
    reference_space: SpaceLike | None = None,
    extent: Extent | None = None,
) -> Figure:
    """Draw how the sections of a data set lie in the reference space, from three sides.

    Only the metadata are fetched.

    Parameters
    ----------
    dataset : int or str
        As for `atldld_xr.open_dataset`.
    source : str, path or source object, optional
        As for `atldld_xr.open_dataset`.
    refresh : bool
        As for `atldld_xr.open_dataset`.
    reference_space, extent : optional
        The space to draw in. Default: the data set's own, as for `atldld_xr.open_dataset`.

    Returns
    -------
    matplotlib.figure.Figure
        Each section's outline, and the point at which its coordinate is taken.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    InvalidArgumentError, DatasetNotFoundError, MetadataError, ServiceError
        As for `atldld_xr.open_dataset`.

    Examples
    --------
    >>> import atldld_xr
    >>> atldld_xr.preview("phantom").savefig("sections.png")
    """
    need_matplotlib()
    from matplotlib.ticker import MultipleLocator

    from atldld_xr.plots.figure import Figure

    dataset_id = parse_dataset_name(dataset)
    check_space(reference_space, extent)  # before the request
    opened = asked_anew(resolve(source, dataset), refresh)
    data = parse_dataset(opened.dataset_record(dataset_id))
    space = space_of(data, reference_space, extent, opened)
    mirrored = space.id != data.reference_space_id
    sections = _sections(data, space)
    limits = _limits(sections, space)
    size = limits[1] - limits[0]
    figure = Figure(figsize=(13.0, 13.0 * (size[_I] + size[_R]) / (size[_P] + size[_R])))
    panels = figure.subplots(
        2,
        2,
        width_ratios=[size[_P], size[_R]],
        height_ratios=[size[_I], size[_R]],
        gridspec_kw=_MARGINS,
    )
    across = data.plane.section_axis
    (side, behind), (above, notes) = panels
    views = (
        (side, _P, _I, "from the left"),
        (behind, _R, _I, "from behind"),
        (above, _P, _R, "from above"),
    )
    for axes, horizontal, vertical, title in views:
        axes.set(title=title, xlabel=_AXES[horizontal], ylabel=_AXES[vertical], aspect="equal")
        axes.xaxis.set_major_locator(MultipleLocator(_TICKS))
        axes.yaxis.set_major_locator(MultipleLocator(_TICKS))
        axes.set_xlim(*limits[:: _direction(horizontal, mirrored=mirrored), horizontal])
        axes.set_ylim(*limits[:: _direction(vertical, mirrored=mirrored), vertical])
        _draw_space(axes, space, horizontal, vertical)
        _draw_sections(
            axes, sections, horizontal, vertical, edge_on=across in (horizontal, vertical)
        )
        if across == horizontal:
            _write_numbers(
                axes, sections, across, vertical, _direction(vertical, mirrored=mirrored)
            )
        elif across == vertical:
            _write_numbers(
                axes, sections, across, horizontal, _direction(horizontal, mirrored=mirrored)
            )
    _write_notes(notes, data, sections)
    genes = f" ({', '.join(data.genes)})" if data.genes else ""
    called = f", {space.name}" if space.name else ""
    figure.suptitle(
        f"Section data set {data.id}{genes}: {data.plane.dim} sections in reference space "
        f"{space.id}{called}{', which mirrors them' if mirrored else ''}",
        fontsize=14,
    )
    return figure


def _sections(data: SectionDataset, space: ReferenceSpace) -> list[_Section]:
    """Return the sections in order of coordinate, coloured by it."""
    from matplotlib import colormaps

    found = []
    for image in data.images:
        corners = transforms.footprint(data, image, reference_space=space.id) / _MM
        point = transforms.detect(data, image, reference_space=space.id) / _MM
        found.append((image.section_number, corners, point))
    found.sort(key=lambda item: float(item[2][data.plane.section_axis]))
    # Without the palest end, which is hard to see on white.
    colours = colormaps["viridis"](np.linspace(0.0, 0.88, len(found)))
    return [_Section(*item, colour) for item, colour in zip(found, colours, strict=True)]


def _limits(sections: list[_Section], space: ReferenceSpace) -> Array:
    """Return the lowest and the highest (p, i, r) to show, shape (2, 3)."""
    box = np.array([(0.0, 0.0, 0.0), space.extent]) / _MM
    points = np.concatenate([box, *(section.corners for section in sections)])
    return np.array([points.min(axis=0) - _MARGIN, points.max(axis=0) + _MARGIN])


def _direction(axis: int, *, mirrored: bool) -> int:
    """Return 1 for an axis that goes right or up on the page, -1 for one that goes the other way.

    Dorsal is up and right is right, also where r runs from right to left. From above, where
    anterior is left, right is up: otherwise it would be a mirror image.
    """
    return -1 if axis == _I or (axis == _R and mirrored) else 1


def _draw_space(axes: Axes, space: ReferenceSpace, horizontal: int, vertical: int) -> None:
    from matplotlib.patches import Rectangle

    size = (space.extent[horizontal] / _MM, space.extent[vertical] / _MM)
    axes.add_patch(Rectangle((0, 0), *size, facecolor="0.95", edgecolor="0.5", zorder=0))


def _draw_sections(
    axes: Axes, sections: list[_Section], horizontal: int, vertical: int, *, edge_on: bool
) -> None:
    from matplotlib.patches import Polygon

    for section in sections:
        outline = section.corners[:, [horizontal, vertical]]
        axes.add_patch(Polygon(outline, fill=False, edgecolor=section.colour, linewidth=1.0))
        if edge_on:  # an oblique section is then a narrow band
            axes.add_patch(Polygon(outline, facecolor=section.colour, alpha=0.25))
        at = section.point[[horizontal, vertical]]
        axes.plot(*at, "o", markersize=3.5, color=section.colour, markeredgecolor="k", mew=0.4)


def _write_numbers(
    axes: Axes, sections: list[_Section], across: int, along: int, direction: int
) -> None:
    """Write section numbers beside the ends of sections seen edge-on, as many as have room.

    They are in a row above upright sections, and in a column right of those that lie.
    """
    is_row = along == _I or across == _P
    outermost = max(float((direction * section.corners[:, along]).max()) for section in sections)
    spacing = _ROW_SPACING if is_row else _COLUMN_SPACING
    last = -np.inf
    for section in sections:
        outer = np.argsort(direction * section.corners[:, along])[-2:]
        end = section.corners[outer].mean(axis=0)
        if end[across] - last < spacing:
            continue
        last = end[across]
        label = end.copy()
        label[along] = direction * (outermost + _LABEL_DISTANCE)
        order = [across, along] if is_row else [along, across]
        axes.annotate(
            str(section.number),
            xy=tuple(end[order]),
            xytext=tuple(label[order]),
            fontsize=8,
            horizontalalignment="center" if is_row else "left",
            verticalalignment="bottom" if is_row else "center",
            arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkA": 0},
        )


def _write_notes(axes: Axes, data: SectionDataset, sections: list[_Section]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    axes.set_axis_off()
    colour = sections[len(sections) // 2].colour
    dot = {"marker": "o", "linestyle": "", "color": colour, "markeredgecolor": "k"}
    handles = [
        Patch(facecolor="0.95", edgecolor="0.5", label="reference space"),
        Patch(facecolor="none", edgecolor=colour, label="section image, coloured by coordinate"),
        Line2D([], [], label="where a section's coordinate is taken", **dot),
    ]
    axes.legend(handles=handles, loc="upper left", frameon=False, fontsize=10)
    axes.text(0.02, 0.76, _notes(data, sections), va="top", fontsize=10, linespacing=1.5)


def _notes(data: SectionDataset, sections: list[_Section]) -> str:
    axis = data.plane.section_axis
    at = [section.point[axis] for section in sections]
    count = len(sections)
    lines = [
        f"{count} section{'s' if count > 1 else ''}, {data.plane.dim} {_LETTERS[axis]} = "
        f"{at[0]:.2f} to {at[-1]:.2f} mm, each {data.section_thickness:g} µm thick",
        f"planes oblique by {_obliquity(sections[0], axis):.1f}°",
        "small numbers: section numbers",
    ]
    if data.excluded:
        lines += ["", f"not drawn, as they cannot be registered: {len(data.excluded)}"]
        for excluded in data.excluded[:_NOTES]:
            lines += textwrap.wrap(
                f"• section {excluded.section_number} (image {excluded.id}): {excluded.reason}",
                width=62,
                subsequent_indent="   ",
            )
        if len(data.excluded) > _NOTES:
            lines.append(f"• and {len(data.excluded) - _NOTES} more")
    return "\n".join(lines)


def _obliquity(section: _Section, axis: int) -> float:
    """Return the angle between a section's normal and the axis that sections lie across."""
    first, second, _, last = section.corners
    normal = np.cross(second - first, last - first)
    return math.degrees(math.acos(min(abs(normal[axis]) / float(np.linalg.norm(normal)), 1.0)))
