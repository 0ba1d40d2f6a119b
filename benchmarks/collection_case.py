"""The case of a collection: one table of up to 1000 data sets, of a service an ocean away."""

from __future__ import annotations

from dataclasses import replace

from atldld_xr.testing.atlas import write_atlas
from atldld_xr.testing.genes import GenePhantom, gene_phantoms
from benchmarks.measure import Bench, order
from benchmarks.results import Case
from benchmarks.serve import Server
from benchmarks.wide import BANDWIDTH, JUDGED

COUNTS = {"full": (10, 100, 1000), "small": (3, 12)}
"""Data sets, by the run's size."""

_SMALL = 3  # sections of each, one of which has failed
_TRUE = {"full": 61, "small": 4}  # of one data set, by the run's size


def genes_of(what: str) -> list[GenePhantom]:
    """Return what ``genes:COUNT:SECTIONS:PIXEL`` names: data sets that are drawn when asked for."""
    _, count, sections, pixel = what.split(":")
    return gene_phantoms(int(count), count=int(sections), resolution=float(pixel))


def collection(bench: Bench) -> Case:
    """Measure tables of more and more small data sets, and of one of true size."""
    size = bench.size
    counts = COUNTS[size.name]
    case = Case(
        "collection",
        f"a table of up to {counts[-1]:,} data sets, {1e3 * JUDGED:.0f} ms before each answer",
    )
    many = f"genes:{counts[-1]}:{_SMALL}:40"
    ids = [phantom.id for phantom in genes_of(many)]
    names = {f"{count:,} data sets": ids[:count] for count in counts}
    asked = {"resolution": 100, "annotation": write_atlas(bench.scratch / "atlas")}
    with Server(many, latency=JUDGED, bandwidth=BANDWIDTH) as server:
        race = replace(bench, server=server, before=None).race(
            {name: order("tables.table", ids=some, **asked) for name, some in names.items()}, 1
        )
    case.contestants = race.figures()
    first, *_, last = (case.contestants[name] for name in names)
    case.at_most(
        "image requests told over those made", last.facts["told"] / last.images, 1.02, timed=False
    )
    case.at_least("rows", last.facts["rows"], counts[-1], "", timed=False)
    case.at_least("data sets a second", counts[-1] / last.seconds, 2, "/s")
    case.at_most(
        "memory per further data set",
        1e3 * (last.peak - first.peak) / (counts[-1] - counts[0]),
        40,
        "kB",
    )
    for name, some in names.items():
        found = case.contestants[name]
        case.notes.append(
            f"{name}: {len(some) / found.seconds:.2g} data sets and "
            f"{found.images / found.seconds:.3g} image requests a second, "
            f"{found.cpu / len(some):.2g} s of processor time each"
        )
    _true_size(bench, case)
    return case


def _true_size(bench: Bench, case: Case) -> None:
    """Add what counting takes where sections are as large as Allen's."""
    size = bench.size
    one = f"genes:1:{_TRUE[size.name]}:{size.pixel}"
    name = f"1 data set of true size at {size.coarse} um"
    ids = [phantom.id for phantom in genes_of(one)]
    table = order("tables.table", ids=ids, resolution=size.coarse, annotation="phantom")
    with Server(one) as server:
        near = replace(bench, server=server, before=None)
        race = near.race({name: table}, 1)  # what is drawn now is at hand then
        race = near.race({name: table}, min(bench.repeats, 3))
    case.contestants |= race.figures()
    found = case.contestants[name]
    case.notes.append(
        f"{name}: {1e3 * found.cpu / found.facts['sections']:.3g} ms of processor time a section "
        f"with its mask, {found.mb / found.images * 1e3:.3g} kB an image request"
    )
