"""A service's records, or where it cannot be asked those that the cache has, however old."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from atldld_xr.errors import ServiceError
from atldld_xr.sources.heard import last_heard, note
from atldld_xr.sources.protocol import RemoteSource, Source
from atldld_xr.sources.record_pages import Records, dataset_records

Record = Mapping[str, Any]

_log = logging.getLogger(__name__)


def record_or_kept(service: Source, ask: Callable[[Source], Record]) -> Record:
    """Return a record of a service, or the cache's where the service cannot be asked.

    Parameters
    ----------
    service : Source
        The service. One that did not answer lately is asked only for what the cache has not.
    ask : callable
        ``ask(source)`` returns the record.

    Raises
    ------
    ServiceError
        If the service cannot be asked, and the cache has nothing.
    AtldldError
        As the service does.
    """
    if _is_silent(service) and (kept := _kept(service, ask)) is not None:
        return kept
    try:
        return ask(service)
    except ServiceError as error:
        if (kept := _instead(service, ask, error)) is None:
            raise
        return kept


def records_or_kept(service: Source, dataset_ids: Iterable[int]) -> Records:
    """Yield of each data set what `record_or_kept` gives of it, from few requests, or why not.

    Parameters
    ----------
    service : Source
        The service.
    dataset_ids : iterable of int
        Distinct ones.
    """
    missing = []
    is_silent = _is_silent(service)
    for number in dataset_ids:
        kept = _kept(service, _record_of(number)) if is_silent else None
        if kept is None:
            missing.append(number)
        else:
            yield number, kept
    for number, record in dataset_records(service, missing):
        kept = None
        if isinstance(record, ServiceError):
            kept = _instead(service, _record_of(number), record)
        yield number, record if kept is None else kept


def _record_of(number: int) -> Callable[[Source], Record]:
    return lambda source: source.dataset_record(number)


def _can_be_silent(service: Source) -> bool:
    return isinstance(service, RemoteSource) and not getattr(service, "is_offline", False)


def _is_silent(service: Source) -> bool:
    """Tell whether a service did not answer when it was asked last."""
    return _can_be_silent(service) and bool(last_heard(service))


def _kept(service: Source, ask: Callable[[Source], Record]) -> Record | None:
    assert isinstance(service, RemoteSource)
    try:
        return ask(service.kept_only(True))
    except ServiceError:
        return None


def _instead(
    service: Source, ask: Callable[[Source], Record], error: ServiceError
) -> Record | None:
    """Return the cache's record after a service has failed, None where there is none."""
    if not _can_be_silent(service):
        return None
    note(service, str(error))
    kept = _kept(service, ask)
    if kept is not None:
        _log.warning("%s; what the cache has of it is taken", error)
    return kept
