"""Bars of a summary of structures, in the colours of the ontology."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from atldld_xr.allen.structures import Structures
from atldld_xr.analysis.tables import check_summary, values_by_acronym
from atldld_xr.datasets.cut_annotation import atlas_of
from atldld_xr.datasets.open_structures import structures as open_structures
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_whole
from atldld_xr.plots.axes import drawing_on
from atldld_xr.plots.colours import colour_of
from atldld_xr.plots.extra import need_matplotlib
from atldld_xr.plots.titles import dataset_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer

_HEIGHT = 0.8  # of the bars of one structure, in its own height
_SIDES = {1: "left", 2: "right", 3: "both"}
_HATCHES = {1: "", 2: "///", 3: "..."}
_MOST = 1500


def plot_summary(
    summary: xr.Dataset,
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
    """Draw a column of a summary as bars; see ``Dataset.atldld.plot.summary``."""
    check_summary(summary)
    if most is not None and not (is_whole(most) and 0 < most <= _MOST):
        raise InvalidArgumentError(f"most is a number of bars from 1 to {_MOST}, not {short(most)}")
    by_side = _by_side(summary, column)
    shown = _chosen(by_side, most, sort)
    if not shown:
        raise InvalidArgumentError(f"no structure of this summary has a number in {column}")
    need_matplotlib()
    if ontology is None and "color" not in bars:
        ontology = open_structures(source=atlas_of(summary))
    colours = [colour_of(ontology, acronym) for acronym in shown]
    thick = _HEIGHT / len(by_side)
    at = np.arange(len(shown), dtype=np.float64)
    drawn = []
    with drawing_on(ax, figsize) as axes:
        for place, (side, values) in enumerate(by_side.items()):
            options: dict[str, Any] = {
                "height": thick,
                "color": colours,
                "edgecolor": "0.2",
                "linewidth": 0.6,
                "hatch": _HATCHES[side] if len(by_side) > 1 else "",
                "label": _SIDES[side],
                **bars,
            }
            places = at + (place - (len(by_side) - 1) / 2) * thick
            widths = [values.get(acronym, np.nan) for acronym in shown]
            drawn.append(axes.barh(places, widths, **options))
    called = dict(zip(summary["structure"].values.tolist(), _names(summary), strict=True))
    written = [f"{called[one]} ({one})" if names else str(one) for one in shown]
    axes.set_yticks(at, written, fontsize="small" if len(shown) <= 30 else "x-small")
    axes.invert_yaxis()
    axes.set_xlabel(_label(summary, column))
    axes.spines[["top", "right"]].set_visible(False)
    if len(by_side) > 1:
        axes.legend(title="hemisphere", loc="lower right", frameon=False)
    axes.set_title(dataset_title(summary) if title is None else title)
    return drawn


def _by_side(summary: xr.Dataset, column: str) -> dict[int, dict[str, float]]:
    """Return values by acronym, by hemisphere: 1 left, 2 right, 3 both."""
    if "section" in summary.dims:
        raise InvalidArgumentError(
            "this summary has numbers of each section: select one, as by .isel(section=0), or "
            'make it by="data set"'
        )
    if "hemisphere_id" not in summary.dims:
        side = int(summary["hemisphere_id"]) if "hemisphere_id" in summary.coords else 3
        return {side: values_by_acronym(summary, column)}
    return {
        int(side): values_by_acronym(summary.isel(hemisphere_id=index), column)
        for index, side in enumerate(summary["hemisphere_id"].values)
    }


def _chosen(by_side: dict[int, dict[str, float]], most: int | None, sort: bool) -> list[str]:
    highest: dict[str, float] = {}
    for values in by_side.values():
        for acronym, value in values.items():
            highest[acronym] = max(value, highest.get(acronym, -np.inf))
    ranked = sorted(highest, key=lambda one: -highest[one])[:most]
    return ranked if sort else [one for one in highest if one in set(ranked)]


def _names(summary: xr.Dataset) -> list[str]:
    return [
        str(name) for name in summary["name" if "name" in summary.coords else "structure"].values
    ]


def _label(summary: xr.Dataset, column: str) -> str:
    attributes = summary[column].attrs
    units = attributes.get("units")
    return column.replace("_", " ") + (f" ({units})" if units else "")
