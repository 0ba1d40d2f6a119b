"""The cases: who races whom, over what, and which bars are to be reached."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from itertools import combinations
from typing import Any

from atldld_xr.sources.protocol import TILE_SIDE
from benchmarks.cluster_case import FEW_REPEATS, cluster
from benchmarks.collection_case import collection
from benchmarks.connectivity_case import connectivity
from benchmarks.folder import FEW_ID, MANY_ID
from benchmarks.measure import Bench, order
from benchmarks.results import Case
from benchmarks.serving_case import serve
from benchmarks.volume_case import volume
from benchmarks.wide import wide

_TOO_SHORT = 0.05
"""Seconds: of what takes less, ratios of single runs say nothing."""


def coarse(bench: Bench) -> Case:
    """Race over a whole data set, at the tier that its resolution needs."""
    size = bench.size
    case = Case("coarse", f"whole data sets at {size.coarse} um, to Zarr, tier chosen")
    few = {"dataset": FEW_ID, "count": size.few, "resolution": size.coarse}
    by_hand = {"tier": bench.tier(size.coarse), "codec": bench.codec}
    race = bench.race(
        {
            "this project": order("ours.export", **few),
            "hand loop": order("hand_loop.export", **few, **by_hand),
            "atldld": order("peer.export", **few, tier=0, codec=bench.codec),
        },
        min(bench.repeats, FEW_REPEATS),
    )
    case.contestants = {f"{name}, {size.few} sections": f for name, f in race.figures().items()}
    many = {"dataset": MANY_ID, "count": size.many, "resolution": size.coarse}
    wide = bench.race(
        {
            "this project": order("ours.export", **many),
            "hand loop": order("hand_loop.export", **many, **by_hand),
        }
    )
    case.contestants |= {f"{name}, {size.many} sections": f for name, f in wide.figures().items()}
    case.notes.append(
        f"atldld over {size.many} sections is not run but taken as {size.many}/{size.few} of its "
        f"{size.few}: it does the same for one section after the other."
    )
    scaled = race.median("atldld") * size.many / size.few
    case.at_least(
        f"time of atldld over ours, {size.few} sections", race.ratio("atldld", "this project"), 40
    )
    case.at_least(
        f"time of atldld over ours, {size.many} sections", scaled / wide.median("this project"), 80
    )
    case.at_least(
        "bytes of atldld over ours", race.ratio("atldld", "this project", "bytes"), 100, timed=False
    )
    for sections, r in ((size.few, race), (size.many, wide)):
        case.at_most(
            f"our time over the hand loop's, {sections} sections",
            r.ratio("this project", "hand loop"),
            1.5,
        )
    return case


def told(bench: Bench) -> Case:
    """Race over a data set at the tiers that atldld is told to use."""
    size = bench.size
    case = Case(
        "told", f"a data set at {size.coarse} um, to Zarr, at the tier atldld is told to use"
    )
    for tier in size.told_tiers:
        options = {"dataset": FEW_ID, "count": size.few, "resolution": size.coarse, "tier": tier}
        race = bench.race(
            {
                "this project": order("ours.export", **options),
                "hand loop": order("hand_loop.export", **options, codec=bench.codec),
                "atldld": order("peer.export", **options, codec=bench.codec),
            }
        )
        case.contestants |= {f"{name}, tier {tier}": f for name, f in race.figures().items()}
        case.at_least(
            f"time of atldld over ours, tier {tier}", race.ratio("atldld", "this project"), 1.5
        )
    return case


def fine(bench: Bench) -> Case:
    """Race over one whole section at full resolution."""
    size = bench.size
    case = Case("fine", f"one section at {size.fine} um, whole, to Zarr")
    options = {"dataset": FEW_ID, "count": 1, "resolution": size.fine}
    race = bench.race(
        {
            "this project": order("ours.export", **options),
            "hand loop": order("hand_loop.export", **options, tier=0, codec=bench.codec),
            "atldld": order("peer.export", **options, tier=0, codec=bench.codec, side=512),
        },
        min(bench.repeats, FEW_REPEATS),
    )
    all_variables = bench.race(
        {
            "this project, all variables": order(
                "ours.export", **options, variables=["image", "displacement", "coverage"]
            )
        },
        1,
    )
    case.contestants = race.figures() | all_variables.figures()
    case.notes.append(
        "atldld and the loop fetch the section as one JPEG, this project by tiles; all write the "
        "image alone, in chunks of about 512 with our codec."
    )
    case.at_least("time of atldld over ours", race.ratio("atldld", "this project"), 5)
    case.at_most("our time over the hand loop's", race.ratio("this project", "hand loop"), 1.3)
    case.at_most("our peak memory", max(r.peak for r in race.runs["this project"]), 1200, "MB")
    return case


def window(bench: Bench) -> Case:
    """Race for a window of a large section."""
    size = bench.size
    case = Case("window", f"a {size.window} um window at {size.fine} um of a large section")
    record = json.loads((bench.folder.path / f"section_data_set_{FEW_ID}.json").read_text())["msg"][
        0
    ]
    places = {str(i): list(place) for i, place in bench.folder.windows.items()}
    options = {
        "dataset": FEW_ID,
        "ids": list(bench.folder.windows),
        "resolution": size.fine,
        "side": size.window,
    }
    by_hand = {
        "windows": places,
        "offsets": {str(i["id"]): (i["x"], i["y"]) for i in record["section_images"]},
    }
    race = bench.race(
        {
            "this project": order("ours.window", **options),
            "this project, chunks=None": order("ours.window", **options, chunks=None),
            "bare request": order("hand_loop.window", **by_hand),
            "its tiles, bare": order("hand_loop.tiles", **by_hand, side=TILE_SIDE),
        }
    )
    case.contestants = race.figures()
    windows = len(places)
    case.notes.append(
        f"{windows} windows, each of another section; times are medians of all but the first."
    )
    bar = 3 if size.name == "full" else 100  # of a small section, tiles are large parts
    for name in ("this project", "this project, chunks=None"):
        served = race.runs[name][0].served
        case.contestants[name].facts["images per window"] = served.images / windows
        share = 100 * served.image_bytes / windows / bench.folder.whole_bytes[0]
        case.at_most(f"share of the section's bytes, {name}", share, bar, "%", timed=False)
        case.at_most(
            f"time over a bare request's, {name}", race.ratio(name, "bare request", "each"), 5
        )
    return case


def kernel(bench: Bench) -> Case:
    """Measure the warp kernel on one core."""
    case = Case("kernel", "the warp kernel: RGB uint8, linear, one core; Mpx/s")
    race = bench.race(
        {
            "this project": order("inside.kernel", side=bench.size.kernel_side),
            "OpenCV alone": order("hand_loop.kernel", side=bench.size.kernel_side),
        }
    )
    case.contestants = race.figures()
    speed = race.median("this project", "blocks of 512")
    case.at_least("speed in blocks of 512", speed, 100, "Mpx/s")
    same = all(run.facts["identical"] for run in race.runs["this project"])
    case.at_least("chunkings with the same pixels", same, 1, "", timed=False)
    return case


def opening(bench: Bench) -> Case:
    """Measure the import, and opening with the metadata cached."""
    case = Case("opening", "import, and opening with the metadata cached")
    race = bench.race(
        {
            "import": order("opening.importing"),
            "open": order("opening.cached", dataset=FEW_ID),
        }
    )
    case.contestants = race.figures()
    case.at_most("import, beyond xarray and dask.array", race.median("import"), 0.3, "s")
    case.at_most("first open in a process", 1e3 * race.median("open"), 50, "ms")
    case.at_most("later opens", 1e3 * race.median("open", "again"), 50, "ms")
    return case


def graph(bench: Bench) -> Case:
    """Measure a large graph."""
    case = Case("graph", "the graph of a large data set at 1 um")
    race = bench.race({"this project": order("inside.graph", sections=bench.size.graph_sections)})
    case.contestants = race.figures()
    ours = "this project"
    case.notes.append(f"{race.median(ours, 'chunks'):.0f} chunks of the image.")
    case.at_most("built", race.median(ours, "built"), 2, "s")
    case.at_most("pickled", race.median(ours, "pickled_mb"), 15, "MB", timed=False)
    case.at_most("one section culled", race.median(ours, "culling"), 0.1, "s")
    return case


def series(bench: Bench) -> Case:
    """Measure long series of small sections."""
    counts = bench.size.series
    case = Case("series", f"{counts[0]} to {counts[-1]} small sections through the graph")
    more = counts[-1] - counts[0]
    grown = {}
    for what, words in (("export", "to Zarr"), ("reduce", "means")):
        race = bench.race(
            {f"{n} sections, {words}": order("inside.series", count=n, what=what) for n in counts},
            min(bench.repeats, FEW_REPEATS),
        )
        case.contestants |= race.figures()
        growth = max(race.ratio(b, a, "ms_each") for a, b in combinations(race.runs, 2))
        case.at_most(f"worst growth of the time per section, {words}", growth, 1.25)
        grown[what] = 1e3 * race.growth() / more
    alone = {f"{n} blocks, Dask alone": order("inside.dask_alone", count=n) for n in counts}
    race = bench.race(alone, min(bench.repeats, FEW_REPEATS))
    case.contestants |= race.figures()
    least = 1e3 * race.growth() / more
    case.at_most("memory per further section, to Zarr", grown["export"], 10, "kB")
    name = "memory per further section, means, beyond Dask's own"
    case.at_most(name, grown["reduce"] - least, 10, "kB")
    case.notes.append(
        "A section's record, plan and tasks are what its memory is for; its pixels are 34 kB. Dask "
        f"alone takes {least:.1f} kB a block for such means."
    )
    return case


def memory(bench: Bench) -> Case:
    """Measure peak memory over one and over three sections."""
    size = bench.size
    case = Case("memory", f"peak memory of exports at {size.fine} um, by sections")
    race = bench.race(
        {
            f"{n} section{'s' * (n > 1)}": order(
                "ours.export", dataset=FEW_ID, count=n, resolution=size.fine
            )
            for n in (1, 3)
        },
        min(bench.repeats, FEW_REPEATS),
    )
    case.contestants = race.figures()
    growth = race.ratio("3 sections", "1 section", "peak")
    case.at_most("peak of 3 sections over 1", growth, 1.25)
    case.at_most("peak of 3 sections", race.median("3 sections", "peak"), 1200, "MB")
    return case


def service(bench: Bench) -> Case:
    """Measure the server itself, to see that it holds nobody up."""

    case = Case("server", "what the server can serve to two threads that do nothing with it")
    record = json.loads((bench.folder.path / f"section_data_set_{FEW_ID}.json").read_text())["msg"][
        0
    ]
    asked: list[Any] = []
    for image in record["section_images"][:1]:
        for top in range(0, bench.folder.height - TILE_SIDE, TILE_SIDE):
            for left in range(0, bench.folder.width - TILE_SIDE, TILE_SIDE):
                place = {"left": image["x"] + left, "top": image["y"] + top}
                query = {"downsample": 0, "width": TILE_SIDE, "height": TILE_SIDE} | place
                asked.append((image["id"], query))
    whole = [(i, {"downsample": 0}) for i in bench.folder.few]
    race = bench.race(
        {
            "tiles": order("hand_loop.download", requests_each=asked),
            "whole sections": order("hand_loop.download", requests_each=whole),
        }
    )
    case.contestants = race.figures()
    for name, what in (("tiles", asked), ("whole sections", whole)):
        rate = len(what) / race.median(name)
        speed = race.runs[name][0].served.bytes / 1e6 / race.median(name)
        case.notes.append(f"{name}: {rate:.0f} images and {speed:.0f} MB a second.")
    return case


def changes(bench: Bench) -> Case:
    """Compare this checkout with the one before, turn by turn, over all races that were run."""
    case = Case("change", "this checkout over the one before, medians of ratios within each turn")
    for name, runs in bench.changes.items():
        seconds, cpu, peak = (
            statistics.median(getattr(now, value) / getattr(then, value) for now, then in runs)
            for value in ("seconds", "cpu", "peak")
        )
        if min(then.seconds for _, then in runs) > _TOO_SHORT:
            case.at_most(name, seconds, 1.03)
        case.notes.append(f"{name}: time {seconds:.3f}x, CPU {cpu:.3f}x, peak memory {peak:.3f}x")
    return case


CASES: dict[str, Callable[[Bench], Case]] = {
    "server": service,
    "coarse": coarse,
    "told": told,
    "fine": fine,
    "window": window,
    "kernel": kernel,
    "opening": opening,
    "graph": graph,
    "series": series,
    "cluster": cluster,
    "memory": memory,
    "wide": wide,
    "volume": volume,
    "connectivity": connectivity,
    "collection": collection,
    "serve": serve,
}
"""By their names on the command line."""
