"""Fetching one source tile: where a plan meets a source, and failures become data."""

from __future__ import annotations

from typing import Literal

from atldld_xr.allen.tiers import View
from atldld_xr.arrays.variables import TilePlace
from atldld_xr.errors import SectionImageError
from atldld_xr.plan.load_plan import LoadPlan, SectionPlan
from atldld_xr.sources.protocol import Source
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
