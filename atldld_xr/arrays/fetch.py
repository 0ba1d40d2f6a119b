"""Fetching source tiles: where a plan meets a source, and failures become data."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

from atldld_xr.allen.tiers import View
from atldld_xr.arrays.variables import TilePlace
from atldld_xr.errors import SectionImageError
from atldld_xr.forks import PerProcess
from atldld_xr.plan.load_plan import LoadPlan, SectionPlan
from atldld_xr.plan.pieces import Piece, pieces_of
from atldld_xr.settings import as_int, setting
from atldld_xr.sources.kept_pieces import cut
from atldld_xr.sources.protocol import FileSource, Source, WideSource
from atldld_xr.warp.averages import Pixels, reduce_tile

OnError = Literal["raise", "fill"]


def fetch_tile(
    source: Source, section: SectionPlan, place: TilePlace, view: View, on_error: OnError
) -> Pixels | SectionImageError:
    """Return a tile at the section's sampled tier, or under "fill" the error in its place.

    Parameters
    ----------
    source : Source
        Where it is read; retries and limits live in there.
    section : SectionPlan
        The section.
    place : tuple of int
        (row, column) on its tile grid.
    view : {"image", "expression", "intensity"}
        What to read.
    on_error : {"raise", "fill"}
        Whether an unreadable tile raises or is returned as data.

    Raises
    ------
    SectionImageError
        Under "raise", if the tile cannot be had.
    """
    try:
        pixels = source.read(section.image, section.tile(*place), view)
    except SectionImageError as error:
        if on_error == "raise":
            raise
        # Made anew, without the traceback and causes that would keep frames and bodies alive.
        return SectionImageError(*error.args)
    return reduce_tile(pixels, section.reduction)


_NARROW: Counter[str] = Counter()
"""How many pieces in a row sources could not give, and had all tiles of."""

_TOO_MANY = 2  # one may be an accident

_AT_ONCE: ContextVar[int | None] = ContextVar("atldld_at_once", default=None)


@contextmanager
def asked_at_once(count: int) -> Iterator[None]:
    """Have this thread ask for so few pieces at a time: others use the connections meanwhile."""
    before = _AT_ONCE.set(count)
    try:
        yield
    finally:
        _AT_ONCE.reset(before)


def plan_pieces(
    source: Source, section: SectionPlan, places: Iterable[TilePlace], view: View
) -> list[Piece]:
    """Return what a source is asked for, so that all of some tiles come.

    Parameters
    ----------
    source : Source
        Where they are read. One that is no `WideSource` is asked for each by itself.
    section : SectionPlan
        The section.
    places : iterable of (int, int)
        (row, column) of the tiles, on its tile grid.
    view : {"image", "expression", "intensity"}
        What is read.
    """
    side = section.tile_side
    if isinstance(source, WideSource) and _NARROW[source.url] < _TOO_MANY:
        side = source.piece_side(section.image, section.tier, view)
    divides = not (isinstance(source, FileSource) and source.has_files)
    at_once = (_AT_ONCE.get() or setting("http.connections", as_int)) if divides else 1
    return pieces_of(section, places, side=side, at_once=at_once)


def fetch_piece(
    source: Source, section: SectionPlan, piece: Piece, view: View, on_error: OnError
) -> list[Pixels | SectionImageError]:
    """Return the needed tiles of a piece, each as `fetch_tile` returns it; one request if it can.

    Where the piece cannot be had, its tiles are asked for one by one: some may be fine, and a
    service may take no request as large as this.
    """
    places, rectangle = piece.places, piece.rectangle
    tiles = [section.tile(*place) for place in places]
    if tiles == [rectangle]:
        return [fetch_tile(source, section, places[0], view, on_error)]
    try:
        pixels = source.read(section.image, rectangle, view)
    except SectionImageError:
        found = [fetch_tile(source, section, place, view, on_error) for place in places]
        # Where nothing is asked for, it was smaller pieces that came before.
        is_asked = not getattr(source, "is_offline", False)
        if is_asked and not any(isinstance(tile, SectionImageError) for tile in found):
            _NARROW[source.url] += 1
        return found
    _NARROW.pop(source.url, None)
    # In memory of their own, as the rest is not to stay there for as long as one tile does.
    return [reduce_tile(cut(pixels, rectangle, tile), section.reduction) for tile in tiles]


def fetch_pieces(
    source: Source, section: SectionPlan, pieces: Sequence[Piece], view: View, on_error: OnError
) -> dict[TilePlace, Pixels | SectionImageError]:
    """Return the needed tiles of some pieces, by place; several requests are made at a time."""
    fetched = map_pieces(lambda p: fetch_piece(source, section, p, view, on_error), pieces)
    return {
        place: tile
        for piece, tiles in zip(pieces, fetched, strict=True)
        for place, tile in zip(piece.places, tiles, strict=True)
    }


def map_pieces(fetch: Callable[[Piece], list[Any]], pieces: Sequence[Piece]) -> Iterator[list[Any]]:
    """Yield what `fetch` returns of each piece, with as many at a time as there are connections."""
    # A source may read another Dataset: for threads of its own a thread would wait for ever.
    is_one_of_them = threading.current_thread().name.startswith(_THREADS)
    if len(pieces) < 2 or is_one_of_them:
        return map(fetch, pieces)
    threads = setting("http.connections", as_int)
    # Kept, as starting them takes as long as four tiles; of these none is started yet.
    new = ThreadPoolExecutor(threads, thread_name_prefix=_THREADS)
    return _POOLS().setdefault(threads, new).map(fetch, pieces)


_THREADS = "atldld-fetch"
_POOLS: PerProcess[dict[int, ThreadPoolExecutor]] = PerProcess(dict)


def fetch_key(
    source: Source, section: SectionPlan, place: TilePlace, plan: LoadPlan
) -> tuple[object, ...]:
    """Return what identifies a fetched tile: equal keys give equal pixels."""
    try:
        hash(source)
    except TypeError:
        known: object = _Same(source)
    else:
        known = source
    return known, section.image, section.tile(*place), section.reduction, plan.view, plan.on_error


class _Same:
    """A source that cannot be hashed, equal to itself only."""

    def __init__(self, source: Source) -> None:
        self._source = source  # kept, so that no other gets its id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._source is other._source

    def __hash__(self) -> int:
        return id(self._source)
