"""What a source of section data sets is: one protocol for the service, mirrors and the phantom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import Tile, View, tier_size
from atldld_xr.errors import AtldldError, InvalidArgumentError
from atldld_xr.messages.repeating import short

T = TypeVar("T")

TILE_SIDE = 512
"""Side of a source tile, in pixels of its tier.

JPEG windows of one region differ with their origin, so tiles lie on a fixed grid. 512 keeps a
500 um window at 1 um under 3 % of a section's pixels; it is a multiple of JPEG's 16 px blocks."""

PIECE_SIDE = 4 * TILE_SIDE
"""Side of the largest square of tiles in one request.

A section at 1 um takes some 30 of them: an ocean is crossed four times for each connection. With
eight connections 100 MB of pixels are under way at most."""

WHOLE_SIDE = 3072
"""A tier image of at most this side is fetched in one piece: the usual case at 5 um and above."""


def service_tile_side(image: SectionImage, tier: int) -> int:
    """Return the side of the tile grid that requests to the service use for a tier of an image."""
    longest = max(tier_size(image.width, tier), tier_size(image.height, tier))
    return longest if longest <= WHOLE_SIDE else TILE_SIDE


@runtime_checkable
class Source(Protocol):
    """A place that section data sets come from. Picklable; holds no connection and no secret.

    Everything but `url` may do I/O; `read` is called from many threads and processes at once.

    A source of data that are not Allen's says so: its `attribution`, an
    `atldld_xr.attribution.Attribution` which other sources do without, is what Datasets and stores
    cite. Without it, or where it is None, Allen is cited, by the products that records name.
    """

    @property
    def url(self) -> str:
        """Where it is, for people: it appears in attributes and errors."""

    def dataset_record(self, dataset_id: int) -> Mapping[str, Any]:
        """Return Allen's ``SectionDataSet`` record: alignment3d, section_images(alignment2d).

        Raises
        ------
        DatasetNotFoundError
            If there is none.
        """

    def image_record(self, image_id: int) -> Mapping[str, Any]:
        """Return Allen's ``SectionImage`` record with its alignment2d.

        Raises
        ------
        DatasetNotFoundError
            If there is none.
        """

    def tiers(self, image: SectionImage, view: View) -> frozenset[int] | None:
        """Return the tiers at hand, or None where every tier of the pyramid can be asked for."""

    def tile_side(self, image: SectionImage, tier: int, view: View) -> int:
        """Return the side of the grid of tiles on which `read` is asked, in pixels of the tier.

        A multiple of 512, unless one tile is the whole image: where a coarser tier than the source
        has is made of a finer one, tiles are halved up to 9 times and still lie on a grid.
        """

    def read(self, image: SectionImage, tile: Tile, view: View) -> NDArray[np.uint8]:
        """Return verified pixels: (height, width, 3), or (height, width) for the intensity view.

        Raises
        ------
        SectionImageError
            If they cannot be had, after all retries.
        """


@runtime_checkable
class WideSource(Source, Protocol):
    """A source of which one `read` can ask for many tiles."""

    def piece_side(self, image: SectionImage, tier: int, view: View) -> int:
        """Return the side of the largest square to ask for, in pixels of the tier.

        It is the tile's side times a power of two. Whatever square of the tile grid is asked for,
        a tile's pixels in it are the same, to the bit.
        """


@runtime_checkable
class FileSource(WideSource, Protocol):
    """A source whose squares are files, all of which is read for any part."""

    @property
    def has_files(self) -> bool:
        """Whether that is so: then nothing is asked for in smaller parts to be there sooner."""


@runtime_checkable
class KeepingSource(Source, Protocol):
    """A source that takes records that it was given once as current, and can be told not to."""

    def refreshed(self) -> Source:
        """Return the same source, which asks for records anew."""


def asked_anew(source: Source, refresh: object) -> Source:
    """Return the source to ask for records: itself, or where it keeps them one that asks anew.

    Raises
    ------
    InvalidArgumentError
        If `refresh` is neither True nor False.
    """
    if not isinstance(refresh, bool | np.bool_):
        raise InvalidArgumentError(f"refresh must be True or False, not {short(refresh)}")
    return source.refreshed() if refresh and isinstance(source, KeepingSource) else source


@runtime_checkable
class RemoteSource(Source, Protocol):
    """A source that is asked over the network, and that can do with what was kept of it."""

    def kept_only(self, offline: bool) -> Source:
        """Return the same source, which is not asked for anything, or is, whatever is set."""


def kept_alone(source: Source, offline: object) -> Source:
    """Return the source to take all from: itself, or where it is remote one that may not be asked.

    Raises
    ------
    InvalidArgumentError
        If `offline` is neither True nor False nor None, by which the setting decides.
    """
    if offline is None:
        return source
    if not isinstance(offline, bool | np.bool_):
        raise InvalidArgumentError(
            f"offline must be True, False or None (as the setting offline is), not {short(offline)}"
        )
    return source.kept_only(bool(offline)) if isinstance(source, RemoteSource) else source


@runtime_checkable
class ChoosingSource(Source, Protocol):
    """Several sources, of which one is taken for each data set."""

    def choose(self, ask: Callable[[Source], T], refresh: bool = False) -> tuple[Source, T]:
        """Return the one that is taken, and what it answers: see `ask_source`."""

    def choose_each(
        self, dataset_ids: Iterable[int], refresh: bool = False
    ) -> Iterator[tuple[int, Source, Mapping[str, Any] | AtldldError]]:
        """Yield of each data set the one that is taken and its record, or why there is none."""


def ask_source(
    source: Source, ask: Callable[[Source], T], refresh: object = False
) -> tuple[Source, T]:
    """Ask a source for a record.

    Parameters
    ----------
    source : Source
        The source; of several, those are asked one by one until one answers.
    ask : callable
        ``ask(source)`` returns what is asked for.
    refresh : bool
        Whether it is asked for anew, as by `asked_anew`.

    Returns
    -------
    tuple
        The source that answered, and the answer. Pixels are to come from the same.
    """
    if isinstance(source, ChoosingSource):
        return source.choose(ask, bool(refresh))
    return source, ask(asked_anew(source, refresh))


class QueryAnswer(NamedTuple):
    """A page of a catalogue.

    Attributes
    ----------
    envelope : mapping
        As the service gives it.
    fetched : float
        When it came from the service, in seconds since the epoch.
    is_kept : bool
        Whether it was kept from then, not asked for now.
    """

    envelope: Mapping[str, Any]
    fetched: float
    is_kept: bool


@runtime_checkable
class CatalogueSource(Source, Protocol):
    """A source that can be asked what it has, in the service's query language."""

    def answer(self, stages: str, name: str, *, since: float | None = None) -> QueryAnswer:
        """Return the answer to a query.

        Parameters
        ----------
        stages : str
            The query, as `atldld_xr.allen.rma.stages` returns it.
        name : str
            What is asked for, for messages.
        since : float, optional
            An answer that was kept from before then is none, unless no other may be asked for.

        Raises
        ------
        ServiceError
            If it cannot be had, or is no page of records.
        """
