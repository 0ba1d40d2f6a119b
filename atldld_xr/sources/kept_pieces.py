"""Tiles that lie in larger pieces, such as the cache and mirrors keep as they came. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import Tile, tier_size
from atldld_xr.sources.protocol import PIECE_SIDE, TILE_SIDE

SIDES = tuple(TILE_SIDE << k for k in range((PIECE_SIDE // TILE_SIDE).bit_length()))
"""Of the squares that requests are made for: 512, 1024 and 2048 px."""


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
    for side in SIDES:
        if square := square_of(image, tile, side):
            yield square
            if square.whole:
                return
    width, height = tier_size(image.width, tile.tier), tier_size(image.height, tile.tier)
    yield Tile(tile.tier, 0, 0, width, height, whole=True)


def square_of(image: SectionImage, tile: Tile, side: int) -> Tile | None:
    """Return the square of a grid in which a tile lies, as much of it as the image has.

    None where it lies in no square of that grid alone.
    """
    width, height = tier_size(image.width, tile.tier), tier_size(image.height, tile.tier)
    left, top = tile.left // side * side, tile.top // side * side
    right, bottom = min(left + side, width), min(top + side, height)
    if right < tile.left + tile.width or bottom < tile.top + tile.height:
        return None
    whole = (left, top, right, bottom) == (0, 0, width, height)
    return Tile(tile.tier, left, top, right - left, bottom - top, whole)


def side_of(width: int, height: int) -> int:
    """Return the side of the smallest square of tiles, or more, in which a rectangle fits."""
    return TILE_SIDE << max(-(-max(width, height) // TILE_SIDE) - 1, 0).bit_length()


def split(tile: Tile, side: int) -> Iterator[Tile]:
    """Yield the squares of a grid that a rectangle, which starts at one, is of."""
    right, bottom = tile.left + tile.width, tile.top + tile.height
    for top in range(tile.top, bottom, side):
        for left in range(tile.left, right, side):
            width, height = min(side, right - left), min(side, bottom - top)
            yield Tile(tile.tier, left, top, width, height, whole=False)


def cut(pixels: NDArray[np.uint8], piece: Tile, tile: Tile) -> NDArray[np.uint8]:
    """Return a tile's pixels of those of a piece in which it lies, in memory of their own."""
    if tile == piece:
        return pixels
    top, left = tile.top - piece.top, tile.left - piece.left
    return pixels[top : top + tile.height, left : left + tile.width].copy()
