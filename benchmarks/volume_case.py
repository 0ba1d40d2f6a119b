"""The case of true volumes, and of numbers per structure."""

from __future__ import annotations

from benchmarks.cluster_case import FEW_REPEATS
from benchmarks.measure import Bench, order
from benchmarks.results import Case

TURNS = {
    "coronal, 5.5 degrees": ("coronal", (0.0, 4.4, -3.3)),
    "sagittal, 10 degrees": ("sagittal", (8.0, 6.0, 0.0)),
    "coronal, 0.6 degrees": ("coronal", (0.0, 0.5, -0.33)),
}
"""As the most and the least oblique data sets on record: degrees about p, i and r."""

_BARS = {"nearest": 6, "linear": 9}


def volume(bench: Bench) -> Case:
    """Measure volumes of oblique sections: voxels, requests, memory, and numbers per structure."""
    # Coarser planes of the brain are small, and averaged in another way.
    resolution, planes = (25, 32) if bench.size.name == "full" else (50, 4)
    case = Case("volume", f"true volumes of oblique sections, {resolution} um")
    few = min(bench.repeats, FEW_REPEATS)
    names = {
        name: order("volumes.voxels", plane=plane, turn=turn, resolution=resolution,
                    planes=planes, turns=2 * bench.repeats - 1)
        for name, (plane, turn) in TURNS.items()
    }  # fmt: skip
    race = bench.race(names, few)
    case.contestants = race.figures()
    for name in TURNS:
        for method, bar in _BARS.items():
            ratio = race.median(name, method)
            case.at_most(f"a voxel over a stack's pixel, {method}, {name}", ratio, bar)
    _, turn = TURNS["coronal, 5.5 degrees"]
    filling = {"turn": turn, "resolution": resolution, "planes": 2 * planes}
    ways = {"volume": "linear volume", "scatter": "forward scatter"}
    race = bench.race(
        {name: order("volumes.filled", **filling, by=by) for by, name in ways.items()},
        few,
    )
    case.contestants |= race.figures()
    ratio = race.ratio(ways["scatter"], ways["volume"])
    case.at_least("time of a forward scatter over ours", ratio, 2)
    halves = {"half of the planes": 0.5, "all planes": 1.0}
    race = bench.race(
        {
            name: order("volumes.export", turn=turn, resolution=resolution, share=share)
            for name, share in halves.items()
        },
        few,
    )
    case.contestants |= race.figures()
    half, whole = halves
    case.at_most("peak memory, all planes over half", race.ratio(whole, half, "peak"), 1.25)
    _planes(bench, case)
    _summary(bench, case)
    case.notes.append(
        "Voxels and pixels are those that are covered, on one thread, tiles in memory; the scatter "
        "and the volume have two threads, and fill the same voxels from the same tiles."
    )
    return case


def _planes(bench: Bench, case: Case) -> None:
    _, turn = TURNS["sagittal, 10 degrees"]
    options = {"turn": turn, "resolution": bench.size.coarse, "tier": 1}
    race = bench.race(
        {
            "a sagittal plane": order("volumes.plane", **options, chunks="auto"),
            "a sagittal plane, chunks=None": order("volumes.plane", **options, chunks=None),
        },
        1,
    )
    case.contestants |= race.figures()
    for name in race.runs:
        read, tiles, explained = (race.median(name, n) for n in ("read", "tiles", "explained"))
        case.at_most(f"{name}: tiles read again", read - tiles, 0, "", timed=False)
        case.at_most(f"{name}: off what explain() says", abs(read - explained), 0, "", timed=False)


def _summary(bench: Bench, case: Case) -> None:
    is_full = bench.size.name == "full"
    sections, structures = (60, 800) if is_full else (6, 80)
    name = f"summary of {sections} sections x {structures} structures"
    asked = order("summaries.structures", sections=sections, structures=structures,
                  resolution=bench.size.coarse, turns=2 * bench.repeats - 1)  # fmt: skip
    race = bench.race({name: asked}, 1)
    case.contestants |= race.figures()
    case.at_most(f"{name}, over reading", race.median(name, "over reading"), 1.3)
