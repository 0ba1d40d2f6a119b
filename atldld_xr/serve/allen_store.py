"""AllenStore: a data set as an OME-Zarr that nobody wrote, whose chunks are made when asked for.

Metadata are those of an export. A chunk's key leads to a level, a plane and in it a window; each
level is planned at its own resolution, and so is read at the tier of Allen's own pyramid that it
needs: an overview of a section costs what it shows, not what its finest level would.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype, cpu
from zarr.storage import MemoryStore

from atldld_xr.arrays.readers import content_name
from atldld_xr.arrays.tile_memory import TileMemory
from atldld_xr.datasets.arguments import with_arguments_too
from atldld_xr.datasets.open_dataset import dataset_of
from atldld_xr.datasets.plan_dataset import halved, plan_dataset
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export.ome import create, group_attributes, plan_pyramid
from atldld_xr.export.ome.arrays import channels_first
from atldld_xr.export.ome.pyramid import Pyramid, Shape
from atldld_xr.forks import PerProcess
from atldld_xr.store.chunk_encoding import ArraySpec
from atldld_xr.store.consolidated import CONSOLIDATED, consolidated, encoded
from atldld_xr.store.store_plan import METADATA, OME_KEY

CHUNKS: PerProcess[TileMemory] = PerProcess(TileMemory)
"""The chunks used last, of all stores of a process: ``config["memory.limit"]`` bytes of them."""

_NUMBER = "(0|[1-9][0-9]{0,6})"
_CHUNK = re.compile(f"{_NUMBER}/c/0/{_NUMBER}/{_NUMBER}/{_NUMBER}")

_BY_TIER = (
    "each level is read at its own resolution, from the tier of Allen's pyramid that it needs"
)
_LEVELS = (
    "Where a section has no pixel, and in planes that are not valid, there is fill ({}); "
    + _BY_TIER
)


class AllenStore(Store):
    """A section data set as a read-only OME-Zarr 0.5, of which nothing is written anywhere.

    ``zarr.open(AllenStore(71717640))`` reads it as any Zarr v3 store. Metadata are those that
    ``to_ome_zarr`` writes, and so are the chunks of the finest level, to the bit; a coarser level
    is read at its own resolution, from the tier of Allen's pyramid that it needs, where an export
    has means of the level before it.

    Of identical chunks asked for at a time one is made, and the chunks used last are kept in
    memory, up to ``config["memory.limit"]`` bytes. A store can be read by many threads at once, and
    be pickled.

    Parameters
    ----------
    dataset : int or str
        As for `open_dataset`.
    variable : str
        Which data variable. Of "expression" or "projection" the masks are opened as "intensity",
        unless something else is asked for.
    step : float, optional
        From one plane to the next, in micrometres. Default: a section's thickness.
    levels : int, optional
        Of the pyramid. Default: until no side is longer than 256 pixels.
    compressor : codec of zarr.codecs, "auto" or None
        Of the chunks.
    **arguments
        As for `open_dataset`. Pixels are anchored at their centres, and what cannot be read raises:
        it is tried anew when it is asked for again.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work, or one of a Dataset that a pyramid cannot be of.
    DatasetNotFoundError, MetadataError, RegistrationError, ServiceError
        As `open_dataset`. Reading a chunk raises SectionImageError if its section cannot be had.

    Examples
    --------
    >>> import zarr
    >>> from atldld_xr.serve import AllenStore
    >>> zarr.open(AllenStore("phantom"))["0"].shape
    (3, 357, 320, 456)
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = False

    @with_arguments_too(plan_dataset)
    def __init__(
        self,
        dataset: int | str,
        *,
        variable: str = "image",
        step: float | None = None,
        levels: int | None = None,
        compressor: Any = "auto",
        **arguments: Any,
    ) -> None:
        super().__init__(read_only=True)
        for name, only in {"anchor": "center", "on_error": "raise"}.items():
            if arguments.get(name, only) != only:
                raise InvalidArgumentError(f'{name} can be "{only}" alone in what is served')
        for mask in ("expression", "projection"):
            if str(variable).startswith(mask):
                arguments.setdefault(mask, "intensity")
        # Blocks are as were asked for; their arrays are without Dask, which has a graph to make.
        planned = replace(plan_dataset(dataset, **arguments), chunks=None)
        self.dataset = dataset_of(planned)
        self.pyramid = plan_pyramid(self.dataset, variable=variable, step=step, levels=levels)
        coarser = [dataset_of(halved(planned, times)) for times in range(1, self.pyramid.levels)]
        self._levels = [opened[variable].variable for opened in (self.dataset, *coarser)]
        attributes = _as_read(group_attributes(self.dataset, self.pyramid), self.pyramid)
        self.files = _files(self.pyramid, attributes, compressor)
        self._arrays = {
            path: ArraySpec(path, self.files[f"{path}/{METADATA[3]}"].decode())
            for path in map(self.pyramid.path, range(self.pyramid.levels))
        }
        self.digest = self._digest()

    def read(self, key: str) -> bytes | None:
        """Return the bytes of a key, None where there is nothing; nobody else is waited for.

        Raises
        ------
        SectionImageError
            If it is a chunk of a section that cannot be read.
        """
        if key in self.files:
            return self.files[key]
        place = self._place(key)
        if place is None:
            return None
        made = CHUNKS().get((self.digest, key), lambda: _as_array(self._make(*place)))
        return made.tobytes() or None

    def has(self, key: str) -> bool:
        """Whether a key can have something: metadata, or a chunk of a plane that has a section."""
        return key in self.files or self._place(key) is not None

    def _place(self, key: str) -> tuple[int, Shape] | None:
        """Return the level and the place of a chunk that has a section; None for any other key."""
        found = _CHUNK.fullmatch(key)
        if found is None:
            return None
        level, *place = map(int, found.groups())
        if level >= self.pyramid.levels or place[0] not in self.pyramid.planes.sections:
            return None
        sizes = zip(self.pyramid.shape(level), self.pyramid.chunks(level), strict=True)
        counts = [-(-size // side) for size, side in sizes][1:]
        if any(at >= count for at, count in zip(place, counts, strict=True)):
            return None
        plane, row, column = place
        return level, (0, plane, row, column)

    def _make(self, level: int, place: Shape) -> bytes | None:
        _, plane, row, column = place
        section = self.pyramid.planes.sections[plane]
        _, _, height, width = self.pyramid.chunks(level)
        rows = slice(row * height, (row + 1) * height)
        columns = slice(column * width, (column + 1) * width)
        block = self._levels[level][section : section + 1, rows, columns].values
        array = self._arrays[self.pyramid.path(level)]
        return array.encode(place, channels_first(block))

    def _digest(self) -> str:
        """Return what no other content has: of metadata, plans, source and our version."""
        from dask.base import tokenize

        return str(tokenize(self.files, [content_name(level, {}) for level in self._levels]))

    # What Zarr asks of a store.

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Return the bytes of a key, or of a part of them; None where there is nothing."""
        content = await asyncio.to_thread(self.read, key) if self.has(key) else None
        if content is None:
            return None
        held = MemoryStore({key: cpu.Buffer.from_bytes(content)})
        return await held.get(key, prototype, byte_range)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Return the bytes of several keys, or of parts of them."""
        wanted = (self.get(key, prototype, byte_range) for key, byte_range in key_ranges)
        return list(await asyncio.gather(*wanted))

    async def exists(self, key: str) -> bool:
        """Whether there is something; of a chunk this is known once it is made."""
        return await self.get(key) is not None

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse to write."""
        self._check_writable()

    async def delete(self, key: str) -> None:
        """Refuse to delete."""
        self._check_writable()

    def list(self) -> AsyncIterator[str]:
        """Refuse to list: which chunks are all fill is known once they are made."""
        raise NotImplementedError("an AllenStore lists nothing; its metadata are consolidated")

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Refuse, as `list` does."""
        return self.list()

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Refuse, as `list` does."""
        return self.list()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AllenStore) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"AllenStore({self.dataset.attrs['title']!r}, {self.pyramid.variable!r})"


def _as_read(attributes: dict[str, Any], pyramid: Pyramid) -> dict[str, Any]:
    """Return an image's attributes, which then say what coarser levels are here: no means."""
    if pyramid.levels > 1:
        (multiscale,) = attributes["ome"]["multiscales"]
        multiscale["type"] = "tiers"
        multiscale["metadata"]["description"] = _BY_TIER
        attributes[OME_KEY]["levels"] = _LEVELS.format(pyramid.fill_value)
    return attributes


def _files(pyramid: Pyramid, attributes: Mapping[str, Any], compressor: Any) -> dict[str, bytes]:
    """Return all of an image but its chunks, as Zarr has it."""
    memory: dict[str, Any] = {}
    create(MemoryStore(memory), pyramid, attributes, compressor=compressor)
    files = {key: bytes(buffer.to_bytes()) for key, buffer in sorted(memory.items())}
    said = {key: json.loads(content) for key, content in files.items()}
    return files | {CONSOLIDATED[3]: encoded(consolidated(said, 3), 3)}


def _as_array(content: bytes | None) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return bytes as what the memory of chunks weighs; nothing for a chunk that is all fill."""
    return np.frombuffer(content or b"", dtype=np.uint8)
