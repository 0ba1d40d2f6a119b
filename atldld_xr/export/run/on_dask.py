"""Arrays that more was done to than slicing: Dask makes their chunks, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import dask
import numpy as np
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from dask.task_spec import Task, TaskRef

from atldld_xr.arrays.dask_graph import FetchLayer, Key
from atldld_xr.arrays.variables import pixels_of
from atldld_xr.arrays.window_blocks import whole_blocks
from atldld_xr.compute.client import connected_client
from atldld_xr.compute.lost_workers import cluster_errors
from atldld_xr.compute.threads import own_threads
from atldld_xr.errors import SectionImageError
from atldld_xr.export.run.on_threads import Job, failure_of
from atldld_xr.store.chunk_encoding import ChunkPlace
from atldld_xr.store.ledger_entries import ChunkEntry, SectionEntry, ValuesEntry

# Chunks handed to a scheduler at a time: enough to keep it busy, and few enough that what waits for
# its chunks is a section's or two: Dask orders a larger batch by breadth.
_BATCH = 512
# What a scheduler is to hold at most: beyond, a cluster's becomes slow.
_MOST_TASKS = 20_000


def compute_and_write(
    arrays: Mapping[str, Any],
    job: Job,
    is_missing: Callable[[str, ChunkPlace], bool],
    sections: Sequence[tuple[int, int]],
) -> Iterator[ChunkEntry | ValuesEntry | SectionEntry]:
    """Compute arrays on whatever scheduler is in use, and write them.

    Whatever is filled with the fill value, as tiles of a section cannot be had, is told of before
    the chunks that it may be in. Values come first.

    Parameters
    ----------
    arrays : mapping of dask.array.Array
        By name, chunked as the store is; those that are not in the store give values.
    job : Job
        Where they go.
    is_missing : callable
        Whether a chunk, by name of the array and place, is to be made; of values, those from an
        index on.
    sections : sequence of (int, int)
        The place of each section in the store, and its image's id.

    Raises
    ------
    SectionImageError
        If tiles cannot be had of a section that has no place there.
    """
    if not arrays:
        return
    connected_client()  # its workers are told the storage options
    with own_threads() as threads, whole_blocks():
        for batch in batches(_chunks(arrays, job, is_missing)):
            yield from _compute(batch, threads, sections)


@dataclass(frozen=True)
class Batch:
    """Chunks that are computed together, with their graph, whole and as far as they need it."""

    chunks: Sequence[Delayed]
    graph: HighLevelGraph
    needed: HighLevelGraph


def batches(chunks: Iterator[Delayed]) -> Iterator[Batch]:
    """Yield chunks in batches that a scheduler can take."""
    while some := list(islice(chunks, _BATCH)):
        yield from _split(some)


def _split(chunks: Sequence[Delayed]) -> Iterator[Batch]:
    graph = HighLevelGraph.merge(*(chunk.dask for chunk in chunks))
    needed = graph.cull({chunk.key for chunk in chunks})
    if len(chunks) > 1 and len(needed) + len(_tiles(graph, needed)) > _MOST_TASKS:
        half = len(chunks) // 2
        yield from _split(chunks[:half])
        yield from _split(chunks[half:])
    else:
        yield Batch(chunks, graph, needed)


def _chunks(
    arrays: Mapping[str, Any], job: Job, is_missing: Callable[[str, ChunkPlace], bool]
) -> Iterator[Delayed]:
    for name in sorted(arrays, key=lambda name: name in job.arrays):
        array, is_written = arrays[name], name in job.arrays
        entries = _written(array, name, job) if is_written else _known(array, name)
        starts = [np.cumsum((0, *sizes)).tolist() for sizes in array.chunks]
        for place in np.ndindex(*array.numblocks):
            first = tuple(at[k] for at, k in zip(starts, place, strict=True))
            if is_missing(name, place if is_written else first):
                yield Delayed((entries.name, *place), entries.dask, layer=entries.name)


def _compute(
    batch: Batch, threads: Mapping[str, Any], sections: Sequence[tuple[int, int]]
) -> Iterator[ChunkEntry | ValuesEntry | SectionEntry]:
    tiles = _tiles(batch.graph, batch.needed)
    with cluster_errors():
        errors, *done = dask.compute(_errors(batch.graph, tiles), *batch.chunks, **threads)
    ids_in_store = {image_id for _, image_id in sections}
    reasons: dict[int, dict[str, str]] = {}
    for name, error in errors:
        image_id, reason = error.section_image_id, failure_of(error)
        if image_id not in ids_in_store:
            raise error  # the store cannot tell of it
        section_reasons = reasons.setdefault(image_id, {})
        section_reasons[name] = min(section_reasons.get(name, reason), reason)
    for at, image_id in sections:
        if image_id in reasons:
            yield SectionEntry(at, {}, reasons[image_id])
    for chunk in done:
        yield chunk.item()


def _tiles(graph: HighLevelGraph, needed: HighLevelGraph) -> dict[Key, str]:
    """Return the keys of the tiles that are needed, and may be errors, with what they are of."""
    names = {
        name: pixels_of(layer.plan.view)
        for name, layer in graph.layers.items()
        if isinstance(layer, FetchLayer) and layer.plan.on_error == "fill"
    }
    # Dask adds a digest to the names of layers that it culls.
    names_before = {name: name.rpartition("-")[0] for name in needed.layers}
    keys = {
        key: names[before]
        for name, before in names_before.items()
        if before in names
        for key in needed.layers[name]
        if key[0] == before  # and no task that fetches many of them
    }
    return dict(sorted(keys.items()))


def _errors(graph: HighLevelGraph, tiles: Mapping[Key, str]) -> Delayed:
    """Return what will be the errors among some tiles of a graph, each with what it is of."""
    name = f"atldld-errors-{dask.base.tokenize(list(tiles))}"
    # A task for each tile: one for all would keep all tiles.
    tasks: dict[Any, Task] = {}
    for n, (key, pixels) in enumerate(tiles.items()):
        tasks[name, n] = Task((name, n), _error, pixels, TaskRef(key))
    tasks[name] = Task(name, _list, *map(TaskRef, list(tasks)))
    layers = {**graph.layers, name: MaterializedLayer(tasks)}
    return Delayed(
        name,
        HighLevelGraph(layers, {**graph.dependencies, name: {key[0] for key in tiles}}),
        layer=name,
    )


def _error(pixels: str, tile: Any) -> tuple[str, SectionImageError] | None:
    return (pixels, tile) if isinstance(tile, SectionImageError) else None


def _list(*errors: tuple[str, SectionImageError] | None) -> list[tuple[str, SectionImageError]]:
    return [error for error in errors if error is not None]


def _written(array: Any, name: str, job: Job) -> Any:
    """Return an array whose chunks, when computed, are written, and say so."""
    return _told(array, _write, name, job=job)


def _known(array: Any, name: str) -> Any:
    """Return an array whose chunks, when computed, are what is known."""
    return _told(array, _know, name)


def _told(array: Any, tell: Callable[..., Any], name: str, **job: Job) -> Any:
    import dask.array as da

    url = [some.store.url for some in job.values()]
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
    return _one(ValuesEntry(called, first, np.atleast_1d(block).tolist()), np.ndim(block))


def _one(value: Any, ndim: int) -> Any:
    out = np.empty((1,) * ndim, dtype=object)
    out[...] = value
    return out
