"""Asking a source's catalogue: records of all pages, with an age and progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from atldld_xr.allen import rma
from atldld_xr.catalogue.pages import read_records
from atldld_xr.compute.progress import progress_bar
from atldld_xr.errors import InvalidArgumentError, ServiceError
from atldld_xr.messages.repeating import short
from atldld_xr.sources.protocol import CatalogueSource, Source, asked_anew, kept_alone
from atldld_xr.sources.resolve import resolve
from atldld_xr.sources.resolve_atlas import OntologySource

if TYPE_CHECKING:
    from atldld_xr.allen.structures import Structures


@dataclass
class Catalogue:
    """What a source can be asked, and since when its answers are.

    Attributes
    ----------
    source : CatalogueSource
        Where it is.
    progress : bool, optional
        Whether to show how far a query is; None does on a terminal, if it has several pages.
    oldest : float, optional
        When the oldest answer so far came from the service, in seconds since the epoch.
    """

    source: CatalogueSource
    progress: bool | None = None
    oldest: float | None = None

    def structures(self) -> Structures:
        """Return the ontology, of the same place: one request, kept as records are.

        Raises
        ------
        DatasetNotFoundError, MetadataError, ServiceError
            If it cannot be had.
        """
        if not isinstance(self.source, OntologySource):
            raise InvalidArgumentError(f"{self.source.url} has no ontology to find structures in")
        return self.source.structures()

    def records(
        self,
        model: str,
        what: str,
        *,
        criteria: str,
        include: Sequence[str] = (),
        rows: int,
        limit: int | None = None,
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the records that a query finds, each once and whole, in the order of their ids.

        Parameters
        ----------
        model : str
            The kind of record.
        what : str
            What they are, for people, in the plural.
        criteria : str
            RMA filters and joins.
        include : sequence of str
            Associations to return with each record.
        rows : int
            Rows of a page.
        limit : int, optional
            Not much more than so many are needed.

        Raises
        ------
        ServiceError
            If they cannot be had.
        """
        if limit is not None:
            rows = min(rows, limit + 1)  # what follows the last shows that it is whole
        since: float | None = None
        is_kept = is_asking = False

        def ask(start: int, rows: int) -> Mapping[str, Any]:
            nonlocal since, is_kept, is_asking
            stages = rma.stages(
                model, criteria=criteria, include=include, order="id", start=start, rows=rows
            )
            name = f"{what} from row {start:,}" if start else what
            # None that is older than the page before it: they might not fit together.
            is_asking = True
            answer = self.source.answer(stages, name, since=since)
            is_asking = False
            since, is_kept = answer.fetched, is_kept or answer.is_kept
            self.oldest = min(self.oldest or answer.fetched, answer.fetched)
            return answer.envelope

        with ExitStack() as stack:
            told = _told(stack, what, rows, self.progress)
            try:
                yield from read_records(ask, rows=rows, name=what, limit=limit, told=told)
            except ServiceError as error:
                if is_asking or not is_kept:
                    raise
                told_how = "some of these answers were kept: refresh=True asks anew"
                raise ServiceError(f"{error}; {told_how}") from error


def open_catalogue(
    source: str | PathLike[str] | Source | None,
    *,
    refresh: object = False,
    offline: object = None,
    progress: object = None,
) -> Catalogue:
    """Return a source's catalogue; arguments as of `atldld_xr.search`.

    Raises
    ------
    InvalidArgumentError
        If the source has none, or an argument cannot work.
    """
    if progress is not None and not isinstance(progress, bool):
        raise InvalidArgumentError(f"progress must be True, False or None, not {short(progress)}")
    opened = asked_anew(kept_alone(resolve(source), offline), refresh)
    if not isinstance(opened, CatalogueSource):
        raise InvalidArgumentError(
            f"{opened.url} cannot be searched: a service can, at its address (http(s)://.../api/v2)"
        )
    return Catalogue(opened, progress)


def check_limit(limit: object) -> int | None:
    """Return how many are wanted, None for all.

    Raises
    ------
    InvalidArgumentError
        If it is neither None nor a positive whole number.
    """
    if limit is None:
        return None
    try:
        number = limit.__index__()  # type: ignore[attr-defined]  # also NumPy's numbers
    except (AttributeError, TypeError):
        number = 0
    if isinstance(limit, bool) or number < 1:
        raise InvalidArgumentError(f"limit must be a positive whole number, not {short(limit)}")
    return int(number)


def _told(
    stack: ExitStack, what: str, rows: int, progress: bool | None
) -> Callable[[int, int], None]:
    """Return what shows how many records have come; the bar is there once there are more pages."""
    move: Callable[[int], None] | None = None
    before = 0

    def told(records: int, total: int) -> None:
        nonlocal move, before
        if move is None:
            enabled = total > rows and sys.stderr.isatty() if progress is None else progress
            move = stack.enter_context(progress_bar(what, total, enabled=enabled))
        move(records - before)
        before = records

    return told
