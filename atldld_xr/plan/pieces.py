"""Pieces: which tiles one request carries. Pure.

What results are made of is a fixed grid of tiles; what is asked for at once follows from what is
needed at a time. A window of few tiles is asked for tile by tile, all of them at once; most of a
section in squares of 4 x 4 tiles, so that an ocean is crossed a few times for each connection.
Pixels do not depend on it: JPEG's blocks are independent of each other, and a tile starts at one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from atldld_xr.allen.tiers import Tile
from atldld_xr.plan.load_plan import SectionPlan

TilePlace = tuple[int, int]

_MOST_HALVINGS = 2
"""Squares of 2**2 tiles a side at most: 2048 px, 12.6 MB once decoded."""

_BUNDLE = 3
"""Squares of 2**3 tiles a side: 50 MB."""


@dataclass(frozen=True)
class Piece:
    """Some tiles of a section image that are asked for at once.

    Attributes
    ----------
    rectangle : Tile
        What is asked for, in pixels of the fetched tier.
    places : tuple of (int, int)
        (row, column) of the tiles in it that are needed.
    """

    rectangle: Tile
    places: tuple[TilePlace, ...]


def pieces_of(
    section: SectionPlan, places: Iterable[TilePlace], *, side: int, at_once: int
) -> list[Piece]:
    """Return what to ask for, so that all of some tiles come.

    Parameters
    ----------
    section : SectionPlan
        The section.
    places : iterable of (int, int)
        (row, column) of the tiles that are needed.
    side : int
        Of the largest square that may be asked for, in pixels of the fetched tier. A piece has at
        most 4 x 4 tiles, whatever this is.
    at_once : int
        Requests that can be under way: there are as many pieces if there are as many tiles.

    Returns
    -------
    list of Piece
        Each tile is in one of them; in the order in which they are first needed. A square is asked
        for if at least half of its tiles are needed, or else in quarters.
    """
    needed = list(dict.fromkeys(places))
    most = min(_MOST_HALVINGS, max(side // section.tile_side, 1).bit_length() - 1)
    level = next(
        (k for k in range(most, 0, -1) if _squares(needed, k) >= min(len(needed), at_once)), 0
    )
    found = [
        (rectangle_of(section, *square), inside)
        for square, inside in _split(section.tile_grid, needed, level)
    ]
    return [Piece(rectangle, tuple(inside)) for rectangle, inside in found]


def bundles_of(pieces: Iterable[Piece]) -> list[tuple[Piece, ...]]:
    """Return pieces in bundles of what is near each other, for one task each: 64 tiles at most."""
    bundles: dict[TilePlace, list[Piece]] = defaultdict(list)
    for piece in pieces:
        row, column = piece.places[0]
        bundles[row >> _BUNDLE, column >> _BUNDLE].append(piece)
    return [tuple(bundle) for bundle in bundles.values()]


def rectangle_of(section: SectionPlan, row: int, column: int, count: int) -> Tile:
    """Return what a square of `count` tiles a side covers of a section image, from a tile on."""
    first = section.tile(row, column)
    rows, columns = section.tile_grid
    last = section.tile(min(row + count, rows) - 1, min(column + count, columns) - 1)
    return Tile(
        tier=first.tier,
        left=first.left,
        top=first.top,
        width=last.left + last.width - first.left,
        height=last.top + last.height - first.top,
        whole=(row, column) == (0, 0) and count >= max(rows, columns),
    )


def _squares(places: Collection[TilePlace], level: int) -> int:
    return len({(row >> level, column >> level) for row, column in places})


def _split(
    grid: tuple[int, int], places: Iterable[TilePlace], level: int
) -> Iterator[tuple[tuple[int, int, int], list[TilePlace]]]:
    """Yield squares, each as (row, column, tiles a side), with the places that are in them."""
    count = 1 << level
    squares: dict[TilePlace, list[TilePlace]] = defaultdict(list)
    for row, column in places:
        squares[row >> level, column >> level].append((row, column))
    for (row, column), inside in squares.items():
        row, column = row << level, column << level
        tiles = min(count, grid[0] - row) * min(count, grid[1] - column)
        if 2 * len(inside) >= tiles:
            yield (row, column, count), inside
        else:
            yield from _split(grid, inside, level - 1)
