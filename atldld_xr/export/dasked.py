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

    Values come first: nothing is written of a section before it is known whether it could be read.

    Parameters
    ----------
    arrays : mapping of dask.array.Array
        By name, chunked as the store is; those that are not in the store give values.
    job : Job
        Where they go.
    wanted : callable
        Whether a chunk, by name of the array and place, is to be made; of values, those from an
        index on.
    """
    connected_client()  # its workers are told the storage options
    with own_threads() as threads:
        chunks = _chunks(arrays, job, wanted)
        while batch := list(islice(chunks, _BATCH)):
            yield from _compute(batch, threads)


def _chunks(
    arrays: Mapping[str, Any], job: Job, wanted: Callable[[str, ChunkPlace], bool]
) -> Iterator[Delayed]:
    for name in sorted(arrays, key=lambda name: name in job.arrays):
        array, is_written = arrays[name], name in job.arrays
        told = _written(array, name, job) if is_written else _known(array, name)
        starts = [np.cumsum((0, *sizes)).tolist() for sizes in array.chunks]
        for place in np.ndindex(*array.numblocks):
            first = tuple(at[k] for at, k in zip(starts, place, strict=True))
            if wanted(name, place if is_written else first):
                yield Delayed((told.name, *place), told.dask, layer=told.name)


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
    return _told(array, _write, name, job=job)


def _known(array: Any, name: str) -> Any:
    """Return an array whose chunks, when computed, are what is known."""
    return _told(array, _know, name)


def _told(array: Any, tell: Callable[..., Any], name: str, **job: Job) -> Any:
    import dask.array as da

    url = [one.store.url for one in job.values()]
    return da.map_blocks(
        tell,
        array,
        called=name,
        **job,
        dtype=object,
        chunks=tuple((1,) * len(sizes) for sizes in array.chunks),
        meta=np.empty((0,) * array.ndim, dtype=object),
        name=f"atldld-export-{dask.base.tokenize(array.name, name, url)}",
    )


def _write(block: Any, called: str, job: Job, block_id: ChunkPlace) -> Any:
    return _one(job.write(called, block_id, block), block.ndim)


def _know(block: Any, called: str, block_info: Any) -> Any:
    along = block_info[0]["array-location"]
    first = int(along[0][0]) if along else 0
    return _one(Known(called, first, np.atleast_1d(block).tolist()), np.ndim(block))


def _one(value: Any, ndim: int) -> Any:
    out = np.empty((1,) * ndim, dtype=object)
    out[...] = value
    return out
