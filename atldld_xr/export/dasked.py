"""Arrays that more was done to than slicing: Dask makes their chunks, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import dask
import numpy as np
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph

from atldld_xr.export.cluster import connected_client
from atldld_xr.export.parts import ChunkPlace
from atldld_xr.export.work import Job, Known, Written
from atldld_xr.threads import own_threads

# Chunks handed to a scheduler at a time: enough to keep it busy, and few enough that what waits for
# its chunks is a section's or two: Dask orders a larger batch by breadth.
_BATCH = 512
# What a scheduler is to hold at most: beyond, a cluster's becomes slow.
_MOST_TASKS = 20_000


def make_with_dask(
    arrays: Mapping[str, Any], job: Job, wanted: Callable[[str, ChunkPlace], bool]
) -> Iterator[Written | Known]:
    """Compute arrays on whatever scheduler is in use, and write them.

    Parameters
    ----------
    arrays : mapping of dask.array.Array
        By name, chunked as the store is; those that are not in the store give values.
    job : Job
        Where they go.
    wanted : callable
        Whether a chunk, by name of the array and place, is to be made.
    """
    connected_client()  # its workers are told the storage options
    with own_threads() as threads:
        chunks = _chunks(arrays, job, wanted)
        while batch := list(islice(chunks, _BATCH)):
            yield from _compute(batch, threads)


def _chunks(
    arrays: Mapping[str, Any], job: Job, wanted: Callable[[str, ChunkPlace], bool]
) -> Iterator[Delayed]:
    for name, array in arrays.items():
        written = _known(array, name) if name not in job.arrays else _written(array, name, job)
        for place in np.ndindex(*array.numblocks):
            if wanted(name, place):
                yield Delayed((written.name, *place), written.dask, layer=written.name)


def _compute(batch: Sequence[Delayed], threads: Mapping[str, Any]) -> Iterator[Written | Known]:
    if len(batch) > 1 and _tasks(batch) > _MOST_TASKS:
        half = len(batch) // 2
        yield from _compute(batch[:half], threads)
        yield from _compute(batch[half:], threads)
        return
    for done in dask.compute(*batch, **threads):
        yield done.item()


def _tasks(batch: Sequence[Delayed]) -> int:
    """Return how many tasks a batch has."""
    graph = HighLevelGraph.merge(*(chunk.dask for chunk in batch))
    return len(graph.cull({chunk.key for chunk in batch}))


def _written(array: Any, name: str, job: Job) -> Any:
    """Return an array whose chunks, when computed, are written, and say so."""
    return _told(array, _write, name, job)


def _known(array: Any, name: str) -> Any:
    """Return an array whose chunks, when computed, are what is known."""
    return _told(array, _know, name, None)


def _told(array: Any, tell: Callable[..., Any], name: str, job: Job | None) -> Any:
    import dask.array as da

    return da.map_blocks(
        tell,
        array,
        called=name,
        job=job,
        dtype=object,
        chunks=tuple((1,) * len(sizes) for sizes in array.chunks),
        meta=np.empty((0,) * array.ndim, dtype=object),
        name=f"atldld-export-{dask.base.tokenize(array.name, name, job and job.store.url)}",
    )


def _write(block: Any, called: str, job: Job, block_id: ChunkPlace) -> Any:
    return _one(job.write(called, block_id, block), block.ndim)


def _know(block: Any, called: str, job: None, block_id: ChunkPlace) -> Any:
    at = block_id[0] if block_id else 0
    return _one(Known(called, at, np.atleast_1d(block).tolist()), np.ndim(block))


def _one(value: Any, ndim: int) -> Any:
    out = np.empty((1,) * ndim, dtype=object)
    out[...] = value
    return out
