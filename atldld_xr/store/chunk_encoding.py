"""Encoding: a block as the bytes that Zarr stores for it. Pure.

Zarr's own way through its event loop costs 2 ms a chunk beside 5 ms of compression, and a thread
of its own holds the interpreter meanwhile. For the codecs used most, the bytes are made here with
the library that Zarr makes them with; for any other, Zarr makes them in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from atldld_xr.errors import InvalidArgumentError


@dataclass(frozen=True)
class ArraySpec:
    """An array of a store: enough to make the bytes of any of its chunks.

    Attributes
    ----------
    path : str
        Its key in the store.
    metadata : str
        Its Zarr metadata, as JSON.
    zarr_format : int
        2 or 3.
    """

    path: str
    metadata: str
    zarr_format: int = 3

    @cached_property
    def zarray(self) -> Any:
        """The array, without a chunk, in memory."""
        return _in_memory(self.metadata, self.zarr_format)[1]

    @cached_property
    def chunks(self) -> tuple[int, ...]:
        """What is stored at a time: a shard, where there are shards."""
        array = self.zarray
        return tuple(array.shards or array.chunks)

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return tuple(self.zarray.shape)

    @cached_property
    def numblocks(self) -> tuple[int, ...]:
        """Chunks along each axis."""
        return tuple(-(-n // c) for n, c in zip(self.shape, self.chunks, strict=True))

    def key(self, place: tuple[int, ...]) -> str:
        """Return the key of a chunk, by its place among the chunks."""
        return f"{self.path}/{self.zarray.metadata.encode_chunk_key(place)}"

    def encode(self, place: tuple[int, ...], block: NDArray[Any]) -> bytes | None:
        """Return a chunk's bytes; None for one of the fill value alone, which Zarr does not store.

        Parameters
        ----------
        place : tuple of int
            Its place among the chunks.
        block : ndarray
            Its content; at the array's end it may be smaller than a chunk.
        """
        array = self.zarray
        block = np.asarray(block, dtype=array.dtype)  # Dask's may be other than they say
        room = zip(place, self.chunks, array.shape, strict=True)
        expected = tuple(min(size, length - at * size) for at, size, length in room)
        if block.shape != expected:
            raise ValueError(f"{self.path}: a block of {block.shape} where {expected} is to be")
        compress = self._compress
        if compress is None:
            return self._by_zarr(place, block)
        fill = self.zarray.fill_value
        if _is_all(block, fill):
            return None
        if block.shape != self.chunks:
            padded = np.full(self.chunks, fill, dtype=block.dtype)
            padded[tuple(map(slice, block.shape))] = block
            block = padded
        block = np.ascontiguousarray(block, dtype=block.dtype.newbyteorder("<"))
        return bytes(compress(block))

    @cached_property
    def _compress(self) -> Any:
        """The compression, where that is all there is to do; else None."""
        from numcodecs.blosc import Blosc
        from numcodecs.zstd import Zstd

        metadata = json.loads(self.metadata)
        if self.zarr_format != 3 or self.zarray.dtype.kind not in "biuf":
            return None
        first, *others = metadata["codecs"]
        endian = first.get("configuration", {}).get("endian", "little")
        if first["name"] != "bytes" or endian != "little" or len(others) > 1:
            return None
        if not others:
            return lambda block: block.tobytes()
        name, options = others[0]["name"], others[0].get("configuration", {})
        if name == "zstd" and not options.get("checksum"):
            return Zstd(level=options["level"]).encode
        if name == "blosc" and options["typesize"] == self.zarray.dtype.itemsize:
            shuffle = ("noshuffle", "shuffle", "bitshuffle").index(options["shuffle"])
            return Blosc(options["cname"], options["clevel"], shuffle, options["blocksize"]).encode
        return None

    def _by_zarr(self, place: tuple[int, ...], block: NDArray[Any]) -> bytes | None:
        files, array = _in_memory(self.metadata, self.zarr_format)
        starts = [at * step for at, step in zip(place, self.chunks, strict=True)]
        region = tuple(slice(s, s + n) for s, n in zip(starts, block.shape, strict=True))
        array[region] = block
        stored = files.get(self.zarray.metadata.encode_chunk_key(place))
        return None if stored is None else bytes(stored.to_bytes())

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is derived."""
        return {"path": self.path, "metadata": self.metadata, "zarr_format": self.zarr_format}


def check_codecs(arrays: Iterable[ArraySpec]) -> None:
    """Try the codecs of arrays: what they cannot do, as levels out of range, shows at first use.

    Raises
    ------
    InvalidArgumentError
        If they fail.
    """
    for spec in arrays:
        shape = tuple(map(min, spec.chunks, spec.shape))
        try:
            block = np.zeros(shape, spec.zarray.dtype)
            block.flat[::2] = 1  # of one value alone nothing is stored
            spec.encode((0,) * len(shape), block)
        except Exception as error:  # codecs raise all kinds
            raise InvalidArgumentError(
                f"{spec.path} cannot be compressed as asked for: {error}"
            ) from error


def _is_all(block: NDArray[Any], fill: Any) -> bool:
    """Return whether a block is of one value alone, to the bit, as Zarr sees it: -0 is not 0."""
    bits = block.view(f"u{block.dtype.itemsize}")
    value = np.full(1, fill, dtype=block.dtype).view(bits.dtype)[0]
    # Mostly seen at the first one.
    if fill != fill:
        return bool(np.isnan(block).all())
    return bool(bits[(0,) * bits.ndim] == value and (bits == value).all())


def _in_memory(metadata: str, zarr_format: int) -> tuple[dict[str, Any], Any]:
    """Return an array of its own in memory, and the files that it is made of."""
    import zarr
    from zarr.buffer import default_buffer_prototype

    name = "zarr.json" if zarr_format == 3 else ".zarray"
    buffer = default_buffer_prototype().buffer.from_bytes(metadata.encode())
    files: dict[str, Any] = {name: buffer}
    store = zarr.storage.MemoryStore(files)
    known: Literal[2, 3] = 2 if zarr_format == 2 else 3
    return files, zarr.open_array(store, mode="r+", zarr_format=known)


ChunkPlace = tuple[int, ...]
"""Of a chunk among the chunks of its array."""
