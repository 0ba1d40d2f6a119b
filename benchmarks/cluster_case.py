"""The case of a cluster: two processes against two threads."""

from __future__ import annotations

from benchmarks.folder import FEW_ID
from benchmarks.measure import Bench, order
from benchmarks.results import Case

FEW_REPEATS = 3
"""Turns, at most, of races in which a contestant takes many seconds."""

_MEAN_RESOLUTION = 4
"""Micrometres, of means on a cluster: sections of 17 MB, made of a hundred tiles."""


def cluster(bench: Bench) -> Case:
    """Race a cluster of two processes against two threads."""
    size = bench.size
    case = Case("cluster", f"one section at {size.fine} um: two processes against two threads")
    options = {"dataset": FEW_ID, "count": 1, "resolution": size.fine}
    race = bench.race(
        {
            "threads": order("ours.export", **options),
            "cluster": order("ours.cluster", **options),
        },
        min(bench.repeats, FEW_REPEATS),
    )
    case.contestants = race.figures()
    case.notes.append("The cluster is up, and its workers have imported, before the clock starts.")
    case.at_most("time of the cluster over the threads'", race.ratio("cluster", "threads"), 1.3)
    moved = max(run.facts["moved"] for run in race.runs["cluster"]) / 1e6
    # Results of writing are a number per block; a tile is 0.8 MB.
    case.at_most("moved between workers", moved, 0.1, "MB", timed=False)
    options = {"dataset": FEW_ID, "count": size.few, "resolution": _MEAN_RESOLUTION}
    means = bench.race(
        {
            "mean across sections, threads": order("ours.mean", **options),
            "mean across sections, cluster": order("ours.mean", **options, processes=2),
        },
        min(bench.repeats, FEW_REPEATS),
    )
    case.contestants |= means.figures()
    ratio = means.ratio("mean across sections, cluster", "mean across sections, threads")
    case.at_most("time of the cluster over the threads', mean across sections", ratio, 1.5)
    return case
