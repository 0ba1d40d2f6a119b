"""Pixels in the cache, as they were decoded: of what comes in other shares than it is asked for."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import Tile
from atldld_xr.sources.cache import Cache
from atldld_xr.sources.kept_pieces import cut, larger

_LEVEL = 1  # 1.5 times smaller, at 60 MB/s; the best is 1.6 times, and 10 MB/s


def kept_or_read(
    cache: Cache | None,
    folder: str,
    image: SectionImage,
    tile: Tile,
    read: Callable[[], NDArray[np.uint8]],
) -> NDArray[np.uint8]:
    """Return a tile's pixels from the cache, or as they are read, which it then keeps.

    Parameters
    ----------
    cache : Cache, optional
        The cache, if there is one.
    folder : str
        The source's folder in it.
    image : SectionImage
        The section image.
    tile : Tile
        What is wanted; it may lie in a larger piece that is there.
    read : callable
        Returns its pixels, (height, width, 3).
    """
    if not cache:
        return read()
    for piece in dict.fromkeys((tile, *larger(image, tile))):
        key = _key(folder, image, piece)
        if (data := cache.get(key)) is not None:
            if (pixels := _unpack(data, piece)) is not None:
                return cut(pixels, piece, tile)
            cache.discard(key)  # the disk's fault, or another's hand: read again
    pixels = read()
    cache.put(_key(folder, image, tile), zlib.compress(np.ascontiguousarray(pixels).data, _LEVEL))
    return pixels


def _unpack(data: bytes, tile: Tile) -> NDArray[np.uint8] | None:
    """Return pixels, None if those are not all of them; zlib's checksum tells of damage."""
    size = tile.width * tile.height * 3
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(data, size + 1)
    except zlib.error:
        return None
    if len(content) != size or not unpacker.eof:
        return None
    return np.frombuffer(content, np.uint8).reshape(tile.height, tile.width, 3)


def _key(folder: str, image: SectionImage, tile: Tile) -> str:
    place = "" if tile.whole else f"_{tile.left}_{tile.top}_{tile.width}x{tile.height}"
    return f"{folder}/section_image/{image.id}/{tile.tier}{place}.pixels"
