"""Opening many data sets by the same arguments: their metadata in pages, and what fails by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import xarray as xr

from atldld_xr.allen.ids import is_phantom
from atldld_xr.catalogue.selection import dataset_ids, dataset_name
from atldld_xr.datasets.answered import Answered, NotAskedYet
from atldld_xr.datasets.plan_dataset import DatasetPlan
from atldld_xr.datasets.plan_volume import PlannedVolume
from atldld_xr.errors import AtldldError, InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_one_of
from atldld_xr.sources.protocol import (
    ChoosingSource,
    Source,
    ask_source,
    asked_anew,
    kept_alone,
)
from atldld_xr.sources.record_pages import dataset_records
from atldld_xr.sources.resolve import resolve

OnMissing = Literal["raise", "skip"]


class Opened(NamedTuple):
    """What was opened.

    Attributes
    ----------
    datasets : dict of int to xarray.Dataset
        By id, in the order that they were asked for.
    missing : tuple of str
        Of each that could not be opened its id and why, as "77: there is no ...".
    """

    datasets: dict[int, xr.Dataset]
    missing: tuple[str, ...]


def open_each(
    selection: object,
    open_one: Callable[..., xr.Dataset],
    plan: Callable[..., DatasetPlan | PlannedVolume],
    *,
    on_missing: OnMissing,
    arguments: Mapping[str, Any],
) -> Opened:
    """Open data sets.

    Parameters
    ----------
    selection : int, str, iterable of these, or pandas.DataFrame
        Which, see `dataset_ids`.
    open_one, plan : callable
        A function with the arguments of a plan (`with_arguments_of`), and what makes the plan.
    on_missing : {"raise", "skip"}
        Whether one that cannot be opened raises.
    arguments : mapping
        Of `open_one`, but for the data set.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work; nothing is asked for.
    AtldldError
        Under "raise" of the first that cannot be opened; else if none can.
    """
    if not is_one_of(on_missing, ("raise", "skip")):
        raise InvalidArgumentError(f'on_missing must be "raise" or "skip", not {short(on_missing)}')
    ids = dataset_ids(selection)
    make = inspect.unwrap(open_one)
    asked = {key: arguments[key] for key in ("source", "refresh", "offline") if key in arguments}
    rest = {key: value for key, value in arguments.items() if key not in asked}
    groups = list(groups_of(ids, **asked))
    for source, _, some in groups:
        with suppress(NotAskedYet):
            plan(some[0], source=Answered(source), **rest)
    found: dict[int, xr.Dataset] = {}
    failed: dict[int, AtldldError] = {}
    for source, anew, some in groups:
        for number, taken, record in _answers(source, anew, some, arguments.get("refresh", False)):
            try:
                if isinstance(record, AtldldError):
                    raise record
                planned = plan(number, source=Answered(taken, record), **rest)
                found[number] = make(_from(planned, taken))
            except AtldldError as error:
                if on_missing == "raise":
                    raise
                failed[number] = error
    if not found:
        raise failed[ids[0]]
    missing = (f"{number}: {failed[number]}" for number in ids if number in failed)
    return Opened({n: found[n] for n in ids if n in found}, tuple(missing))


def groups_of(
    ids: list[int], source: Any = None, refresh: object = False, offline: object = None
) -> Iterator[tuple[Source, Source, list[int]]]:
    """Yield where data sets are, what is asked for their records, and their ids.

    The built-in data sets are not where others are, if no source is named.
    """
    own = [n for n in ids if source is None and is_phantom(dataset_name(n))]
    for some in (own, [n for n in ids if n not in own]):
        if some:
            opened = kept_alone(resolve(source, dataset_name(some[0])), offline)
            yield opened, asked_anew(opened, refresh), some


def _answers(
    source: Source, anew: Source, ids: list[int], refresh: object
) -> Iterator[tuple[int, Source, Mapping[str, Any] | AtldldError]]:
    """Yield data sets, where each comes from, and its record, or why there is none."""
    if not isinstance(source, ChoosingSource):
        yield from ((number, source, record) for number, record in dataset_records(anew, ids))
        return
    for number in ids:
        try:
            yield number, *ask_source(source, _record_of(number), refresh)
        except AtldldError as error:
            yield number, source, error


def _record_of(number: int) -> Callable[[Source], Mapping[str, Any]]:
    return lambda source: source.dataset_record(number)


def _from(planned: Any, source: Source) -> Any:
    """Return a plan whose pixels come from a source itself."""
    if isinstance(planned, PlannedVolume):
        return replace(planned, dataset=_from(planned.dataset, source))
    return replace(planned, source=source)
