"""Coarser levels of an OME-Zarr: each is made of the stored one before it, plane by plane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.export.ome.arrays import halve_block
from atldld_xr.export.ome.pyramid import Pyramid
from atldld_xr.export.run.on_threads import Job
from atldld_xr.export.run.section_tasks import ChunkTask, SectionTask
from atldld_xr.files.file_store import FileStore
from atldld_xr.plan.load_plan import Block


def halved_tasks(pyramid: Pyramid, level: int, job: Job, is_missing: Any) -> Iterator[SectionTask]:
    """Yield what is to be made of a level from the stored one before it, plane by plane."""
    path, chunks = pyramid.path(level), pyramid.chunks(level)
    _, _, rows, columns = pyramid.shape(level)
    source = _Level(job.store, pyramid.path(level - 1), pyramid.order)
    chunk_tasks: dict[int, list[ChunkTask]] = {}
    turn = partial(_turned, pyramid.order)
    for _, plane, row, column in pyramid.blocks(level):
        place = pyramid.turned((0, plane, row, column))
        if not is_missing(path, place):
            continue
        y0, x0 = row * chunks[2], column * chunks[3]
        block = Block(y0, min(y0 + chunks[2], rows), x0, min(x0 + chunks[3], columns))
        chunk_task = ChunkTask(
            path, place, partial(_halve, source, plane), None, block, (), None, transpose=turn
        )
        chunk_tasks.setdefault(plane, []).append(chunk_task)
    for plane, made in chunk_tasks.items():
        yield SectionTask(plane, (), tuple(made), ())


@dataclass(frozen=True)
class _Level:
    """A level in the store, to be read where it is wanted."""

    store: FileStore
    path: str
    order: tuple[int, ...]

    def read(self, plane: int, block: Block) -> NDArray[Any]:
        array = _open_array(self.store, self.path)
        rows, columns = slice(2 * block.y0, 2 * block.y1), slice(2 * block.x0, 2 * block.x1)
        part = (slice(None), slice(plane, plane + 1), rows, columns)
        return np.asarray(array[tuple(part[axis] for axis in self.order)]).transpose(self.order)


@lru_cache(maxsize=8)
def _open_array(store: FileStore, path: str) -> Any:
    import zarr

    return zarr.open_array(store.zarr_store(), path=path, mode="r")


def _halve(source: _Level, plane: int, section: None, block: Block, tiles: Any) -> NDArray[Any]:
    return halve_block(source.read(plane, block))


def _turned(order: Sequence[int], block: NDArray[Any]) -> NDArray[Any]:
    """Return a block without the axis of sections that a unit's gets: (c, z, y, x) has it."""
    out: NDArray[Any] = block[0].transpose(order)
    return out
