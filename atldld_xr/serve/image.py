"""An image that nobody wrote: its files but for the chunks, and how each of these is made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import uuid4

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.arrays.fetch import asked_at_once
from atldld_xr.arrays.readers import content_name
from atldld_xr.export.ome import create
from atldld_xr.export.ome.arrays import channels_first
from atldld_xr.export.ome.pyramid import Pyramid, Shape
from atldld_xr.planes.axis import Axis
from atldld_xr.store.chunk_encoding import ArraySpec
from atldld_xr.store.store_plan import METADATA

_NUMBER = "(0|[1-9][0-9]{0,6})"
_CHUNK = re.compile(f"{_NUMBER}/c/0/{_NUMBER}/{_NUMBER}/{_NUMBER}")


@dataclass(frozen=True)
class Image:
    """An OME-Zarr image whose levels are lazy arrays, each of its own resolution.

    Attributes
    ----------
    pyramid : Pyramid
        Its levels, and which planes have a section.
    levels : tuple of xarray.Variable
        Of each level, over (section, y, x[, channel]).
    files : mapping of bytes
        All of it but its chunks, by key.
    """

    pyramid: Pyramid
    levels: tuple[xr.Variable, ...]
    files: Mapping[str, bytes]

    @cached_property
    def arrays(self) -> tuple[ArraySpec, ...]:
        """What makes the bytes of chunks, by level."""
        paths = map(self.pyramid.path, range(self.pyramid.levels))
        return tuple(ArraySpec(p, self.files[f"{p}/{METADATA[3]}"].decode()) for p in paths)

    @property
    def content(self) -> list[str]:
        """Names of the levels' pixels that no others have; of plans they are always the same."""
        return [_name(level) for level in self.levels]

    def place(self, key: str) -> tuple[int, Shape] | None:
        """Return the level and the place of a chunk in a plane that has a section; else None."""
        found = _CHUNK.fullmatch(key)
        if found is None:
            return None
        level, plane, row, column = map(int, found.groups())
        if level >= self.pyramid.levels or plane not in self.pyramid.sections(level):
            return None
        sizes = zip(self.pyramid.shape(level), self.pyramid.chunks(level), strict=True)
        counts = [-(-size // side) for size, side in sizes]
        is_inside = row < counts[2] and column < counts[3]
        return (level, (0, plane, row, column)) if is_inside else None

    def make(self, level: int, place: Shape) -> bytes | None:
        """Return a chunk's bytes; None for one that is all fill, which Zarr does not store."""
        _, plane, row, column = place
        section = self.pyramid.sections(level)[plane]
        _, _, height, width = self.pyramid.chunks(level)
        rows = slice(row * height, (row + 1) * height)
        columns = slice(column * width, (column + 1) * width)
        with asked_at_once(1):  # several chunks are made at a time
            block: NDArray[Any] = self.levels[level][section : section + 1, rows, columns].values
        return self.arrays[level].encode(place, channels_first(block))


def make_image(
    pyramid: Pyramid,
    levels: Sequence[xr.Variable],
    attributes: Mapping[str, Any],
    compressor: Any = "auto",
) -> Image:
    """Return an image of some arrays, with the attributes of its group."""
    from zarr.storage import MemoryStore

    memory: dict[str, Any] = {}
    create(MemoryStore(memory), pyramid, attributes, compressor=compressor)
    files = {key: bytes(buffer.to_bytes()) for key, buffer in sorted(memory.items())}
    return Image(pyramid, tuple(levels), files)


@dataclass(frozen=True)
class VolumePyramid(Pyramid):
    """The pyramid of a volume: its levels are coarser in all three directions.

    Attributes
    ----------
    each : tuple of Pyramid
        Every level by itself.
    """

    each: tuple[Pyramid, ...] = ()

    def axes(self, level: int) -> tuple[Axis, Axis, Axis]:
        """Return where the planes, rows and columns of a level are."""
        return self.each[level].axes(0)

    def sections(self, level: int) -> dict[int, int]:
        """Return the plane of the volume in each plane of a level."""
        return self.each[level].planes.sections


def _name(level: xr.Variable) -> str:
    if level.chunks is not None:
        return str(level.data.name)
    return content_name(level, {}) or uuid4().hex


def as_array(content: bytes | None) -> NDArray[np.uint8]:
    """Return bytes as what a memory of chunks weighs; nothing for a chunk that is all fill."""
    return np.frombuffer(content or b"", dtype=np.uint8)
