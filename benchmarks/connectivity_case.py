"""The case of connectivity: sections of 35 000 x 25 000 px of 16 bits, beside one of expression."""

from __future__ import annotations

from dataclasses import replace

from atldld_xr.testing import LARGE, FluorescentPhantom
from benchmarks.cluster_case import FEW_REPEATS
from benchmarks.folder import FEW_ID
from benchmarks.measure import Bench, order
from benchmarks.results import Case
from benchmarks.serve import Server

DRAWN = {
    "full": LARGE,
    "small": FluorescentPhantom(id=900000500, resolution=7.0, count=5, spacing=40),
}
"""By the run's size; nothing of it is in files, or in memory but what was asked for."""

_WINDOWS = 4


def connectivity(bench: Bench) -> Case:
    """Measure a data set of connectivity, whole, by windows and by one section."""
    is_full = bench.size.name == "full"
    data = DRAWN[bench.size.name]
    images = [image for image in data.record["section_images"] if not image["failed"]]
    width, height = images[0]["width"], images[0]["height"]
    case = Case(
        "connectivity",
        f"{len(images)} sections of {width} x {height} px, beside one of expression",
    )
    coarse, window = bench.size.coarse, bench.size.window
    middle = len(images) // 2
    ids = [image["id"] for image in images[middle : middle + _WINDOWS]]
    all_ = {"dataset": data.id, "count": len(images), "resolution": coarse}
    cut = {"dataset": data.id, "ids": ids, "resolution": data.resolution, "side": window}
    one = {"dataset": data.id, "count": 1, "first": middle, "resolution": bench.size.fine}
    names = {
        "all": f"{len(images)} sections at {coarse} um",
        "masks": "the same, with masks of projections in grey",
        "window": f"{window} um windows at {data.resolution:g} um, chunks=None",
        "dask": f"{window} um windows at {data.resolution:g} um",
        "one": f"a section at {bench.size.fine} um",
    }
    masks = {"variables": ["image", "projection"], "projection": "intensity"}
    orders = {
        names["all"]: order("ours.export", **all_),
        names["masks"]: order("ours.export", **all_, **masks),
        names["window"]: order("ours.window", **cut, chunks=None),
        names["dask"]: order("ours.window", **cut),
        names["one"]: order("ours.export", **one),
    }
    with Server(data.id) as server:
        far = replace(bench, server=server, before=None)
        if is_full:
            far.race(orders, 1)  # what is drawn now is at hand then
        race = far.race(orders, min(bench.repeats, FEW_REPEATS))
    case.contestants = race.figures()
    beside = {
        f"expression: a section at {resolution} um": order(
            "ours.export", dataset=FEW_ID, count=1, resolution=resolution
        )
        for resolution in (coarse, bench.size.fine)
    }
    case.contestants |= bench.race(beside, min(bench.repeats, FEW_REPEATS)).figures()
    requests = {name: race.runs[name][0].served.images for name in race.runs}
    case.at_most(
        f"{names['all']}: image requests a section", requests[names["all"]] / len(images), 1, "",
        timed=False,
    )  # fmt: skip
    case.at_most(
        f"{names['masks']}: image requests a section", requests[names["masks"]] / len(images), 2,
        "", timed=False,
    )  # fmt: skip
    for key in ("all", "masks", "window", "dask", "one"):
        bar = 600 if key == "one" else 400
        case.at_most(f"{names[key]}: peak memory", race.median(names[key], "peak"), bar, "MB")
    if is_full:
        pixels = len(images) * width * height * 3 / 1e9
        case.notes.append(
            f"All pixels of the data set, decoded, would be {pixels:,.0f} GB. The server draws "
            "them where they are asked for; what is measured is a second run, for which it has "
            "the answers."
        )
    case.notes.append("Windows are of another section each; wall time is of all of them.")
    return case
