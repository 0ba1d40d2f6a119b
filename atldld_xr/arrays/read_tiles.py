"""Reading tiles by way of memory: what is there is not fetched, the rest in few requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atldld_xr.arrays.fetch import fetch_key, fetch_piece, fetch_tile, map_pieces, plan_pieces
from atldld_xr.arrays.tile_memory import TileMemory
from atldld_xr.arrays.variables import TilePlace
from atldld_xr.plan.load_plan import LoadPlan
from atldld_xr.plan.pieces import Piece
from atldld_xr.sources.protocol import Source


def read_tiles(
    source: Source, plan: LoadPlan, index: int, places: Sequence[TilePlace], memory: TileMemory
) -> list[Any]:
    """Return some tiles of a section, each from memory, or fetched and kept there.

    Parameters
    ----------
    source : Source
        Where they are read.
    plan : LoadPlan
        What they are for.
    index : int
        The section's place in it.
    places : sequence of (int, int)
        (row, column) of the tiles.
    memory : TileMemory
        Of all who read with it, one fetches a tile.
    """
    section = plan.sections[index]
    keys = {place: fetch_key(source, section, place, plan) for place in places}
    missing = [place for place in places if not memory.has(keys[place])]

    def fetch(piece: Piece) -> list[Any]:
        return memory.get_all(
            [keys[place] for place in piece.places],
            lambda: fetch_piece(source, section, piece, plan.view, plan.on_error),
        )

    pieces = plan_pieces(source, section, missing, plan.view)
    fetched: dict[TilePlace, Any] = {}
    for piece, tiles in zip(pieces, map_pieces(fetch, pieces), strict=True):
        fetched.update(zip(piece.places, tiles, strict=True))

    def one(place: TilePlace) -> Any:
        if place in fetched:
            return fetched[place]
        return memory.get(
            keys[place], lambda: fetch_tile(source, section, place, plan.view, plan.on_error)
        )

    return [one(place) for place in places]
