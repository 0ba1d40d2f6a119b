"""Cases over a wide-area network: an ocean between us and the service."""

from __future__ import annotations

import json
from dataclasses import replace

from benchmarks.folder import FEW_ID, MANY_ID
from benchmarks.measure import Bench, order
from benchmarks.results import Case
from benchmarks.serve import Server

BANDWIDTH = 4e6
"""Bytes a second of each connection."""

JUDGED = 0.1
"""Seconds before each answer, in the cases that have bars; each image takes two, by a redirect."""

LATENCIES = (0.02, JUDGED, 0.2)
REPEATS = 3
SIDES = (1024, 2048, 4096, 0)
"""Windows that the loop may ask for; the best of them is the bar."""


def wide(bench: Bench) -> Case:
    """Race over a network with latency, bandwidth and redirects."""
    size = bench.size
    case = Case(
        "wide",
        f"an ocean away: {1e3 * JUDGED:.0f} ms before each answer, {BANDWIDTH / 1e6:.0f} MB/s a "
        "connection, eight connections",
    )
    for latency in LATENCIES if size.name == "full" else LATENCIES[:1]:
        with Server(bench.folder.path, latency=latency, bandwidth=BANDWIDTH) as server:
            far = replace(bench, server=server, repeats=min(bench.repeats, REPEATS))
            is_judged = latency == JUDGED or size.name != "full"
            for race in (_section, _coarse, _window, _many):
                race(far, case, f"{1e3 * latency:.0f} ms", is_judged)
    case.notes.append(
        "A contestant's processes are up, and have imported, before the clock starts; where it is "
        "fresh, only xarray and dask.array are there."
    )
    return case


def _section(bench: Bench, case: Case, line: str, is_judged: bool) -> None:
    size = bench.size
    options = {"dataset": FEW_ID, "count": 1, "resolution": size.fine}
    by_hand = {"tier": 0, "codec": bench.codec}
    orders = {"this project": order("ours.export", **options)} | {
        f"loop, {side or 'whole'}": order("far_loop.export", **options, **by_hand, side=side)
        for side in (SIDES if is_judged else (2048,))
    }
    race = bench.race(orders)
    name = f"section at {size.fine} um"
    case.contestants |= {f"{name}, {who}, {line}": f for who, f in race.figures().items()}
    if not is_judged:
        return
    if size.name == "full":
        peer = bench.race({"atldld": order("peer.export", **options, **by_hand, side=512)}, 1)
        case.contestants |= {f"{name}, {who}, {line}": f for who, f in peer.figures().items()}
    best = min((n for n in orders if n.startswith("loop")), key=race.median)
    case.at_most(f"{name}: our time over the best loop's", race.ratio("this project", best), 1.5)
    images = max(run.served.images for run in race.runs["this project"])
    case.at_most(f"{name}: image requests", images, 60, "", timed=False)
    peak = max(run.peak for run in race.runs["this project"])
    case.at_most(f"{name}: our peak memory", peak, 400, "MB")


def _coarse(bench: Bench, case: Case, line: str, is_judged: bool) -> None:
    size = bench.size
    options = {"dataset": FEW_ID, "count": size.few, "resolution": size.coarse}
    by_hand = {"tier": bench.tier(size.coarse), "codec": bench.codec, "side": 0, "fresh": True}
    race = bench.race(
        {
            "this project, fresh": order("far_loop.ours", **options),
            "loop, fresh": order("far_loop.export", **options, **by_hand),
        }
    )
    name = f"{size.few} sections at {size.coarse} um"
    case.contestants |= {f"{name}, {who}, {line}": f for who, f in race.figures().items()}
    if is_judged:
        ratio = race.ratio("this project, fresh", "loop, fresh")
        case.at_most(f"{name}: our time over the loop's, fresh processes", ratio, 1.3)


def _window(bench: Bench, case: Case, line: str, is_judged: bool) -> None:
    size = bench.size
    path = bench.folder.path / f"section_data_set_{FEW_ID}.json"
    record = json.loads(path.read_text())["msg"][0]
    options = {
        "dataset": FEW_ID,
        "ids": list(bench.folder.windows),
        "resolution": size.fine,
        "side": size.window,
    }
    by_hand = {
        "windows": {str(i): list(place) for i, place in bench.folder.windows.items()},
        "offsets": {str(i["id"]): (i["x"], i["y"]) for i in record["section_images"]},
    }
    race = bench.race(
        {
            "chunks=None": order("ours.window", **options, chunks=None),
            "with Dask": order("ours.window", **options),
            "with Dask, indexed once": order("ours.window", **options, once=True),
            "bare request": order("hand_loop.window", **by_hand),
        }
    )
    name = f"{size.window} um window"
    case.contestants |= {f"{name}, {who}, {line}": f for who, f in race.figures().items()}
    if not is_judged:
        return
    for who, bar in (("chunks=None", 1.3), ("with Dask", 1.6), ("with Dask, indexed once", 1.6)):
        ratio = race.ratio(who, "bare request", "each")
        case.at_most(f"{name}: time over a bare request's, {who}", ratio, bar)
        served = race.runs[who][0].served
        share = 100 * served.image_bytes / len(bench.folder.windows) / bench.folder.whole_bytes[0]
        most = 3 if size.name == "full" else 100
        case.at_most(f"{name}: share of the section's bytes, {who}", share, most, "%", timed=False)


def _many(bench: Bench, case: Case, line: str, is_judged: bool) -> None:
    size = bench.size
    count = min(60, size.many)
    options = {"dataset": MANY_ID, "count": count, "resolution": 10 * size.fine}
    by_hand = {"tier": bench.tier(10 * size.fine), "codec": bench.codec, "side": 0}
    race = bench.race(
        {
            "this project": order("ours.export", **options),
            "loop": order("far_loop.export", **options, **by_hand),
        }
    )
    name = f"{count} sections at {10 * size.fine} um"
    case.contestants |= {f"{name}, {who}, {line}": f for who, f in race.figures().items()}
    if is_judged:
        ratio = race.ratio("this project", "loop")
        case.at_most(f"{name}: our time over the loop's", ratio, 1.2)
        images = max(run.served.images for run in race.runs["this project"])
        case.at_most(f"{name}: image requests", images, count, "", timed=False)
