"""Tiles that lie in larger pieces, such as the cache keeps them as they came. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import Tile, tier_size
from atldld_xr.sources.protocol import PIECE_SIDE, TILE_SIDE


def larger(image: SectionImage, tile: Tile) -> Iterator[Tile]:
    """Yield the squares of tiles, and at last the whole image, in which a tile lies.

    The tile itself comes first if it is one that requests are made for; nothing comes if it is the
    whole image, which lies in nothing else.

    Parameters
    ----------
    image : SectionImage
        The section image.
    tile : Tile
        Of the grid of 512 px.
    """
    if tile.whole:
        return
    width, height = tier_size(image.width, tile.tier), tier_size(image.height, tile.tier)
    side = TILE_SIDE
    while side <= PIECE_SIDE:
        left, top = tile.left // side * side, tile.top // side * side
        right, bottom = min(left + side, width), min(top + side, height)
        if right >= tile.left + tile.width and bottom >= tile.top + tile.height:
            whole = (left, top, right, bottom) == (0, 0, width, height)
            yield Tile(tile.tier, left, top, right - left, bottom - top, whole)
            if whole:
                return
        side *= 2
    yield Tile(tile.tier, 0, 0, width, height, whole=True)


def cut(pixels: NDArray[np.uint8], piece: Tile, tile: Tile) -> NDArray[np.uint8]:
    """Return a tile's pixels of those of a piece in which it lies, in memory of their own."""
    if tile == piece:
        return pixels
    top, left = tile.top - piece.top, tile.left - piece.left
    return pixels[top : top + tile.height, left : left + tile.width].copy()
