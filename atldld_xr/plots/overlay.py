"""Outlines of structures on a section, cut along the section's own, oblique, plane."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.allen.reference import check_adult
from atldld_xr.allen.structures import Structures
from atldld_xr.analysis.ontology import choose
from atldld_xr.datasets.cut_annotation import atlas_of, cut_annotation
from atldld_xr.datasets.open_structures import structures as open_structures
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.plots.axes import MICROMETRES, Unit, drawing_on, frame_of, placed
from atldld_xr.plots.colours import colour_of
from atldld_xr.plots.outlines import innermost, outlines
from atldld_xr.plots.reading import coarser_grid, factor_of, one_section
from atldld_xr.plots.section import pixel_on, plot_section

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection

PIXELS = ("y", "x")


def plot_overlay(
    dataset: xr.Dataset,
    annotation: xr.DataArray | xr.Dataset | None = None,
    *,
    at: float | None = None,
    structures: str | int | Iterable[str | int] | None = None,
    names: bool = False,
    ontology: Structures | None = None,
    variable: str = "image",
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    unit: Unit = "mm",
    linewidth: float = 0.8,
    **section: Any,
) -> LineCollection:
    """Draw a section with outlines on it; see ``Dataset.atldld.plot.overlay``."""
    chosen = one_section(dataset, at)
    if ontology is None:
        check_adult(dataset.attrs, "Allen's ontology")
        ontology = open_structures(source=atlas_of(dataset))
    with drawing_on(ax, figsize) as axes:
        plot_section(chosen, variable=variable, ax=axes, unit=unit, **section)
        frame = frame_of(chosen, PIXELS)
        grid = coarser_grid(chosen, factor_of(chosen, pixel_on(axes, frame)))
        labels = _labels(chosen, grid, annotation)
        values = placed(labels.values, labels.dims, frame)
        if structures is not None:
            values = merged(values, ontology, structures)
        lines = _draw_outlines(axes, labels, values, ontology, unit, linewidth)
        if names:
            _write_names(axes, labels, values, ontology, unit)
    return lines


def merged(
    labels: NDArray[Any], ontology: Structures, structures: str | int | Iterable[str | int]
) -> NDArray[np.int64]:
    """Return labels of some structures alone, each with all of its parts; 0 elsewhere.

    Where one is part of another that is asked for too, it is the part.
    """
    chosen = choose(ontology, structures)
    by_depth = sorted(chosen.ids, key=lambda one: len(ontology.path(one)))
    out = np.zeros(labels.shape, dtype=np.int64)
    for one in by_depth:
        out[ontology.is_in(labels, one)] = one
    return out


def _labels(
    section: xr.Dataset, grid: xr.Dataset, annotation: xr.DataArray | xr.Dataset | None
) -> xr.DataArray:
    """Return the label of each pixel of a section: cut as coarse as it is shown, or as given."""
    own = section.coords.get("section_image_id")
    if not isinstance(annotation, xr.DataArray) or "section_image_id" not in annotation.coords:
        return cut_annotation(grid, annotation).load()
    ids = annotation["section_image_id"]
    same = np.atleast_1d(ids.values == (None if own is None else own.values))
    if not same.any():
        raise InvalidArgumentError(
            "these labels are of other sections than the one that is drawn: leave them out, or "
            "give those that ds.atldld.annotation() of this Dataset has"
        )
    return annotation.isel({ids.dims[0]: int(same.argmax())}) if ids.ndim else annotation


def _draw_outlines(
    ax: Axes,
    labels: xr.DataArray,
    values: NDArray[Any],
    ontology: Structures,
    unit: Unit,
    linewidth: float,
) -> LineCollection:
    from matplotlib.collections import LineCollection
    from matplotlib.patheffects import Normal, Stroke

    found = outlines(values)
    lines = [_points(line, labels, unit) for of in found.values() for line in of]
    colours = [colour_of(ontology, label) for label, of in found.items() for _ in of]
    dark = Stroke(linewidth=linewidth + 0.7, foreground="black", alpha=0.55)
    collection = LineCollection(lines, colors=colours, linewidths=linewidth, zorder=2)
    collection.set_path_effects([dark, Normal()])  # pale ones are seen on glass, too
    ax.add_collection(collection, autolim=False)
    return collection


def _write_names(
    ax: Axes, labels: xr.DataArray, values: NDArray[Any], ontology: Structures, unit: Unit
) -> None:
    box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}
    for label, pixel in innermost(values).items():
        ((x, y),) = _points(np.array([pixel]), labels, unit)
        name = ontology.acronym(label) if label in ontology.ids else str(label)
        ax.text(x, y, name, ha="center", va="center", fontsize="x-small", bbox=box, clip_on=True)


def _points(pixels: NDArray[np.float64], labels: xr.DataArray, unit: Unit) -> NDArray[np.float64]:
    """Return (x, y) on axes of pixels (row, column) of labels."""
    places = []
    for dim, at in zip(PIXELS, pixels.T, strict=True):
        centres = labels[dim].values
        places.append(np.interp(at, np.arange(centres.size), centres) / MICROMETRES[unit])
    return np.stack(places[::-1], axis=-1)
