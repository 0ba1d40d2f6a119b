"""What a ledger says was written: chunks, values and whole sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from atldld_xr.store.chunk_encoding import ChunkPlace


@dataclass(frozen=True)
class ChunkEntry:
    """A chunk that is in the store; one of the fill value alone has no file, and size 0."""

    array: str
    place: ChunkPlace
    size: int
    checksum: int


@dataclass(frozen=True)
class ValuesEntry:
    """Values of an array of which all is small, from an index on."""

    array: str
    at: int
    values: Any


@dataclass(frozen=True)
class SectionEntry:
    """A part of which all is in the store.

    Attributes
    ----------
    at : int
        Its place along the first dimension.
    values : mapping
        What is known of it, by name of the array.
    failures : mapping of str
        Why its section could not be read, by whose pixels these are: "image" or "expression".
    written : tuple of ChunkEntry
        Its chunks that nothing was told of before.
    """

    at: int
    values: Mapping[str, Any]
    failures: Mapping[str, str]
    written: tuple[ChunkEntry, ...] = ()


def line_of(chunk: ChunkEntry) -> dict[str, Any]:
    """Return the ledger's line of a chunk."""
    return {
        "array": chunk.array,
        "chunk": list(chunk.place),
        "size": chunk.size,
        "crc32c": chunk.checksum,
    }
