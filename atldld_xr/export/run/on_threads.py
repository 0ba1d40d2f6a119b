"""Carrying out section tasks on threads: tiles are fetched ahead, chunks made and written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

import numpy as np

from atldld_xr.allen.tiers import GREY
from atldld_xr.arrays.fetch import fetch_pieces, plan_pieces
from atldld_xr.arrays.variables import TilePlace, errors_in, pixels_of
from atldld_xr.compute.threads import ending_threads, in_order
from atldld_xr.errors import SectionImageError, StoreError
from atldld_xr.export.run.section_tasks import ChunkTask, SectionTask, TileInput
from atldld_xr.files.checksum import checksum
from atldld_xr.files.file_store import FileStore
from atldld_xr.plan.pieces import Piece
from atldld_xr.store.chunk_encoding import ArraySpec, ChunkPlace
from atldld_xr.store.lease import Lease
from atldld_xr.store.ledger_entries import ChunkEntry, SectionEntry

TileKey = tuple[int, int, int]
"""TileInput, row and column of a tile of a section task."""

# Bytes of tiles that are held at most, or on their way, beyond those of the chunks that are being
# made: 112 tiles of 512 px.
_MOST_AHEAD = 112 * 512 * 512 * 3

# As many as keep eight connections busy with whole sections at 10 um: of more, no more chunks wait
# than threads are about to make.
_ENOUGH_AHEAD = 50_000_000

# Chunks that wait to be made at most: each is a few names and numbers.
_MOST_WAITING = 1000

# Seconds for which a look at the lease is good enough.
_CHECKED = 1.0


def failure_of(error: SectionImageError) -> str:
    """Return why a section could not be read, in words."""
    return f"{error.reason} ({error.address})"


@dataclass(frozen=True)
class Job:
    """Where chunks go.

    Attributes
    ----------
    store : FileStore
        The store.
    arrays : mapping of ArraySpec
        Its arrays, by name.
    may_overwrite : bool
        Whether chunks may be there already, and other ones than are made now.
    lease : Lease
        Without which nothing is written: a thread, or a worker, may outlive the export it is for.
    """

    store: FileStore
    arrays: Mapping[str, ArraySpec]
    may_overwrite: bool
    lease: Lease

    def write(self, array: str, place: ChunkPlace, block: Any) -> ChunkEntry:
        """Encode a chunk and put it in the store."""
        return self.put(array, place, self.arrays[array].encode(place, block))

    def put(self, array: str, place: ChunkPlace, content: bytes | None) -> ChunkEntry:
        """Put a chunk in the store as it is encoded; None is one of the fill value alone."""
        key = self.arrays[array].key(place)
        self.lease.check(every=_CHECKED)
        try:
            if content is not None:
                self.store.put(key, content)
            elif self.may_overwrite:
                self.store.remove([key])
        except StoreError:
            self.lease.check()  # whoever has it now has taken away what this is written through
            raise
        size, crc32c = (0, 0) if content is None else (len(content), checksum(content))
        return ChunkEntry(array, place, size, crc32c)


def make_on_threads(
    section_tasks: Iterable[SectionTask], job: Job, *, compute_threads: int, connections: int
) -> Iterator[ChunkEntry | SectionEntry]:
    """Make and write sections, and tell of each chunk and section as it is done, in order.

    Of a section that may be left at the fill value all is told at once, when it is finished, so
    that nobody takes a chunk of it for good without knowing that.

    What is in memory at a time: for each maker a chunk, with the tiles that it needs, and up to
    88 MB of tiles more, fetched ahead or kept for other chunks, and the rest of the piece that
    the last of them comes in; if the tiles that a row of chunks shares with the next are more, as
    in sections 30 000 pixels wide, those. For each processor a piece of 12.6 MB, as it is cut.

    Parameters
    ----------
    section_tasks : iterable of SectionTask
        Taken one after the other, as there is room.
    job : Job
        Where they go.
    compute_threads : int
        Threads that make and write chunks.
    connections : int
        Threads that fetch tiles.
    """
    room = 2 * (compute_threads + connections)
    with (
        ending_threads(compute_threads, "atldld-make") as make,
        ending_threads(connections, "atldld-fetch") as fetch,
    ):
        tiles = _HeldTiles()

        def is_full(waiting: int) -> bool:
            return (
                waiting >= _MOST_WAITING
                or (waiting >= room and tiles.nbytes >= _ENOUGH_AHEAD)
                or (waiting >= compute_threads and tiles.nbytes >= _MOST_AHEAD)
            )

        runs = (_SectionRun(section_task, job, fetch, tiles) for section_task in section_tasks)
        steps = ((run, step) for run in runs for step in run.steps())
        for run, written in in_order(make, steps, is_full):
            if written is not None and run.section_task.is_whole:
                run.written.append(written)
            elif written is not None:
                yield written
            run.steps_left -= 1
            if not run.steps_left and run.section_task.inputs:  # else nothing was read to tell of
                yield run.finished()


class _HeldTiles:
    """The tiles of all sections in work that are here or on their way, with the pieces they are of.

    Attributes
    ----------
    lock : Lock
        Held by whoever changes it.
    nbytes : int
        Their size in all, in bytes.
    """

    def __init__(self) -> None:
        self.lock = Lock()
        self.nbytes = 0
        self._pieces: dict[Any, tuple[Future[dict[TilePlace, Any]], int]] = {}

    def __contains__(self, key: Any) -> bool:
        return key in self._pieces

    def __getitem__(self, key: Any) -> Future[dict[TilePlace, Any]]:
        return self._pieces[key][0]

    def add(self, key: Any, piece: Future[dict[TilePlace, Any]], nbytes: int) -> None:
        """Enter a tile of so many bytes."""
        with self.lock:
            self._pieces[key] = piece, nbytes
            self.nbytes += nbytes

    def pop(self, key: Any) -> Future[dict[TilePlace, Any]]:
        """Take a tile out; the lock is held."""
        piece, nbytes = self._pieces.pop(key)
        self.nbytes -= nbytes
        return piece


class _SectionRun:
    """A section in work: its tiles, for as long as something needs them, and what went wrong."""

    def __init__(
        self,
        section_task: SectionTask,
        job: Job,
        fetch: ThreadPoolExecutor,
        tiles: _HeldTiles,
    ) -> None:
        self.section_task, self.job, self._fetch = section_task, job, fetch
        self._tiles = tiles
        self.written: list[ChunkEntry] = []
        """What has been written and not been told of."""
        self._errors: dict[TileKey, SectionImageError] = {}
        self._needs = {
            id(chunk_task): chunk_task.tiles() for chunk_task in section_task.chunk_tasks
        }
        self._users = Counter(
            (chunk_task.tile_input, *place)
            for chunk_task in section_task.chunk_tasks
            if chunk_task.tile_input is not None
            for place in self._needs[id(chunk_task)]
        )
        needs = [need for value in section_task.values for need in value.needs]
        asked = ((tile_input, *place) for tile_input, places in needs for place in places)
        # Tiles that no chunk needs: only whether they can be had is of interest.
        self._extra = list(dict.fromkeys(key for key in asked if key not in self._users))
        self._pieces = self._plan_pieces()
        self.steps_left = max(len(section_task.chunk_tasks) + len(self._extra), 1)

    def _plan_pieces(self) -> dict[TileKey, Piece]:
        """Return the piece that each tile comes in: as few requests as all of the section needs."""
        pieces: dict[TileKey, Piece] = {}
        for n, tile_input in enumerate(self.section_task.inputs):
            places = [key[1:] for key in (*self._users, *self._extra) if key[0] == n]
            source, section, view = tile_input.source, tile_input.section, tile_input.view
            for piece in plan_pieces(source, section, places, view):
                pieces.update(((n, *place), piece) for place in piece.places)
        return pieces

    def steps(self) -> Iterator[Callable[[], ChunkEntry | None]]:
        """Yield what is to be done by a thread; when one is taken, its tiles are asked for.

        It has their keys alone: who takes the next holds the one before, and would hold its tiles.
        """
        for chunk_task in self.section_task.chunk_tasks:
            places = self._needs.pop(id(chunk_task))
            keys = [(chunk_task.tile_input or 0, *place) for place in places]
            self._start(keys)
            yield partial(self._make_chunk, chunk_task, keys)
        for key in self._extra:
            self._users[key] = 1
            self._start([key])
            yield partial(self._look_at, key)
        if not (self.section_task.chunk_tasks or self._extra):
            yield lambda: None

    def finished(self) -> SectionEntry:
        """Return what is known when all is done."""
        values = {}
        for value in self.section_task.values:
            keys = ((tile_input, *place) for tile_input, places in value.needs for place in places)
            values[value.name] = value.make([self._errors[k] for k in keys if k in self._errors])
        failures: dict[str, str] = {}
        for key in sorted(self._errors):
            name = pixels_of(self.section_task.inputs[key[0]].view)
            failures.setdefault(name, failure_of(self._errors[key]))
        return SectionEntry(self.section_task.at, values, failures, tuple(self.written))

    def _make_chunk(self, chunk_task: ChunkTask, keys: Sequence[TileKey]) -> ChunkEntry:
        tiles = {key[1:]: self._tiles[self, key].result()[key[1:]] for key in keys}
        block: Any = chunk_task.make(chunk_task.section, chunk_task.block, tiles)
        del tiles  # they are not held while it is written
        block = block[(np.newaxis, ..., *chunk_task.trailing)]
        if chunk_task.transpose is not None:
            block = chunk_task.transpose(block)
        for key in keys:
            self._release(key)
        return self.job.write(chunk_task.array, chunk_task.place, block)

    def _look_at(self, key: TileKey) -> None:
        self._tiles[self, key].result()
        self._release(key)

    def _start(self, keys: Iterable[TileKey]) -> None:
        for key in keys:
            if (self, key) not in self._tiles:
                of, piece = self.section_task.inputs[key[0]], self._pieces[key]
                future = self._fetch.submit(
                    fetch_pieces, of.source, of.section, [piece], of.view, of.on_error
                )
                for place in piece.places:
                    self._tiles.add((self, (key[0], *place)), future, _size(of, place))

    def _release(self, key: TileKey) -> None:
        with self._tiles.lock:
            self._users[key] -= 1
            if self._users[key]:
                return
            tile = self._tiles.pop((self, key)).result().pop(key[1:])
        for error in errors_in([tile]):
            self._errors[key] = error


def _size(tile_input: TileInput, place: TilePlace) -> int:
    """Return the bytes of a tile's pixels."""
    tile = tile_input.section.tile(*place)
    pixels = tile.width * tile.height >> 2 * tile_input.section.reduction
    return pixels * (1 if tile_input.view in GREY else 3)
