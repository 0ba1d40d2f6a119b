"""A contestant over many data sets: their numbers per structure, as one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import dask
import xarray as xr

import atldld_xr
from atldld_xr.collection.atlas import atlas_at, find_atlas
from benchmarks import ours

Facts = Mapping[str, Any]

IMPORTED = (cv2, ours)


def table(
    server: str, out: str, ids: Sequence[int], resolution: float, annotation: str
) -> Iterator[Facts]:
    """Make the table of data sets; the annotation, which a process holds, is there before.

    Parameters
    ----------
    server, out : str
        The service's address, and the table's path.
    ids : sequence of int
        The data sets.
    resolution : float
        Of the sections, in micrometres.
    annotation : str
        Where it is.
    """
    asked = {"source": server, "annotation": annotation, "resolution": resolution}
    atlas_at(find_atlas(annotation)[0])
    with dask.config.set(num_workers=ours.THREADS):
        yield {}
        report = atldld_xr.summarize(ids, url=out, **asked)
        yield {}
    told = atldld_xr.summarize(ids, url=f"{out}-told", dry_run=True, **asked).cost
    assert told is not None
    made = xr.open_zarr(out)
    yield {
        "rows": report.counted - len(report.failures),
        "structures": made.sizes["structure"],
        "sections": int(made.sections_counted.sum()),
        "told": told.requests,
    }
