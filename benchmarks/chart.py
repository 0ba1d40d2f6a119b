"""The picture of a run: how far each value is from its bar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import number
from benchmarks.results import Case

_REACHED, _MISSED, _NOT_JUDGED = "#2a7f62", "#c8553d", "#8d99ae"


def draw(cases: Sequence[Case], path: Path, *, judged: bool, subtitle: str) -> None:
    """Draw a bar for every check, on a log axis on which the bar to reach is at 1.

    Parameters
    ----------
    cases : sequence of Case
        What was found.
    path : Path
        The PNG file.
    judged : bool
        Whether bars about time and memory are judged.
    subtitle : str
        What the run was.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [(case, check) for case in cases for check in case.checks]
    figure = Figure(figsize=(13, 1.8 + 0.36 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    low, high = 0.1, 10.0
    for at, (_, check) in enumerate(rows):
        margin = min(max(check.margin, 0.011), 1e4)
        low, high = min(low, margin / 1.5), max(high, margin * 20)
        colour = _REACHED if check.reached else _MISSED
        if check.timed and not judged:
            colour = _NOT_JUDGED
        axes.barh(at, margin - 1, left=1, color=colour, height=0.7)
        axes.plot(margin, at, "o", color=colour, markersize=5, zorder=3)
        text = f"{number(check.value, check.unit)}   ({check.kind} {number(check.bar, check.unit)})"
        axes.annotate(
            text, (max(margin, 1), at), (8, 0), textcoords="offset points", va="center", fontsize=9
        )
    axes.set_yticks(
        range(len(rows)), [f"{case.name}: {check.what}" for case, check in rows], fontsize=9
    )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.axvline(1, color="black", linewidth=1)
    for at in range(1, len(rows)):
        if rows[at][0] is not rows[at - 1][0]:
            axes.axhline(at - 0.5, color="#d8dce3", linewidth=0.8, zorder=0)
    axes.set_xlabel("times better than the bar (worse to the left of 1)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"Bars to reach, and what was measured\n{subtitle}", loc="left", fontsize=11)
    figure.savefig(path, dpi=110)
