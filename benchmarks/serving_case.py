"""The case of the server under a viewer."""

from __future__ import annotations

from benchmarks.cluster_case import FEW_REPEATS
from benchmarks.folder import FEW_ID
from benchmarks.measure import Bench, order
from benchmarks.results import Case

CONNECTIONS = (1, 6, 12)
"""One, a browser's, and two browsers'."""


def serve(bench: Bench) -> Case:
    """Measure how long a viewer waits for chunks, and what is asked of the service for them."""
    fine = bench.size.fine
    case = Case("serve", f"all chunks of a section at {fine} um over HTTP, cold and then warm")
    names = {f"{n} connection{'s' * (n > 1)}": n for n in CONNECTIONS}
    race = bench.race(
        {
            name: order("serving.look", dataset=FEW_ID, resolution=fine, connections=n)
            for name, n in names.items()
        },
        min(bench.repeats, FEW_REPEATS),
    )
    case.contestants = race.figures()
    for name in names:
        chunks = race.median(name, "chunks")
        requests = race.median(name, "images") / chunks
        case.at_most(f"upstream requests per chunk, {name}", requests, 1, timed=False)
        ratio = race.median(name, "image_bytes") / race.median(name, "bytes served")
        case.notes.append(f"{name}: bytes upstream over bytes served {ratio:.2f}.")
    case.notes.append("Cold: no tile in memory or on disk. Warm: the same chunks again.")
    return case
