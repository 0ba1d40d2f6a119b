"""PlanStore: images over plans as a Zarr store whose chunks are made when they are asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import xarray as xr
from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype, cpu
from zarr.storage import MemoryStore

from atldld_xr.arrays.tile_memory import TileMemory
from atldld_xr.errors import StoreError
from atldld_xr.export.ome.keep import Keeper
from atldld_xr.export.ome.pyramid import Pyramid
from atldld_xr.forks import PerProcess
from atldld_xr.serve.image import Image, as_array
from atldld_xr.serve.labels import GROUP, NAME
from atldld_xr.store.consolidated import CONSOLIDATED, consolidated, encoded

CHUNKS: PerProcess[TileMemory] = PerProcess(TileMemory)
"""The chunks used last, of all stores of a process: ``config["memory.limit"]`` bytes of them."""


class PlanStore(Store):
    """Images over plans as a read-only Zarr v3 store, of which nothing is written anywhere.

    Of identical chunks asked for at a time one is made, and the chunks used last are kept in
    memory, up to ``config["memory.limit"]`` bytes. A store can be read by many threads at once, and
    be pickled.

    Parameters
    ----------
    dataset : xarray.Dataset
        What is served, at the resolution of its finest level.
    images : mapping of Image
        By where they are in the store: "" is its root, and all others end with a slash.
    groups : mapping
        The attributes of more groups, by where they are.

    Attributes
    ----------
    keeper : Keeper, optional
        What is given the chunks of the finest level as they are made.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = False

    def __init__(
        self,
        dataset: xr.Dataset,
        images: Mapping[str, Image],
        groups: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(read_only=True)
        self.dataset, self.images = dataset, dict(images)
        self.files = _files(images, groups or {})
        self.digest = self._digest()
        self.keeper: Keeper | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what keeps chunks in a store of this process."""
        return vars(self) | {"keeper": None}

    @property
    def pyramid(self) -> Pyramid:
        """The levels of the image at the root."""
        return self.images[""].pyramid

    def read(self, key: str) -> bytes | None:
        """Return the bytes of a key, None where there is nothing.

        Raises
        ------
        SectionImageError
            If it is a chunk of a section that cannot be read.
        """
        if key in self.files:
            return self.files[key]
        prefix, inside = _split(key)
        image = self.images.get(prefix)
        place = None if image is None else image.place(inside)
        if image is None or place is None:
            return None
        kept = self.keeper if prefix == "" and place[0] == 0 else None

        def make() -> Any:
            content = image.make(*place)
            if kept is not None:
                kept.keep(place[1], content)
            return as_array(content)

        made: bytes = CHUNKS().get((self.digest, key), make).tobytes()
        return made or None

    def has(self, key: str) -> bool:
        """Whether a key can have something: metadata, or a chunk of a plane that has a section."""
        prefix, inside = _split(key)
        is_chunk = prefix in self.images and self.images[prefix].place(inside) is not None
        return key in self.files or is_chunk

    def _digest(self) -> str:
        """Return what no other content has: of metadata, plans, source and our version."""
        from dask.base import tokenize

        contents = {prefix: image.content for prefix, image in self.images.items()}
        return str(tokenize(self.files, contents))

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
        """Refuse to list: which chunks are all fill, and so are not there, is known once made.

        Zarr asks for no list where a store says that it has none, and metadata are consolidated.

        Raises
        ------
        StoreError
            Always.
        """
        raise StoreError(
            f"{self!r} has no list of its chunks, which are made when they are asked for: open it "
            "with zarr.open, whose groups and arrays are known from its metadata"
        )

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Refuse, as `list` does."""
        return self.list()

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Refuse, as `list` does."""
        return self.list()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlanStore) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        title, variable = self.dataset.attrs["title"], self.pyramid.variable
        return f"{type(self).__name__}({title!r}, {variable!r})"


def _files(
    images: Mapping[str, Image], groups: Mapping[str, Mapping[str, Any]]
) -> dict[str, bytes]:
    """Return all of a store but its chunks; the root has the metadata of all."""
    root = CONSOLIDATED[3]
    files = {f"{at}{key}": content for at, i in images.items() for key, content in i.files.items()}
    for prefix, attributes in groups.items():
        group = {"attributes": dict(attributes), "zarr_format": 3, "node_type": "group"}
        files[f"{prefix}{root}"] = encoded(group, 3)
    said = {key: json.loads(content) for key, content in sorted(files.items())}
    return files | {root: encoded(consolidated(said, 3), 3)}


def _split(key: str) -> tuple[str, str]:
    """Return the image that a chunk would be of, and its key in there."""
    prefix = f"{GROUP}/{NAME}/"
    return (prefix, key.removeprefix(prefix)) if key.startswith(prefix) else ("", key)
