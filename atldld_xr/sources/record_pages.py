"""Records of many data sets: many in one request, where a source can be asked so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from atldld_xr.allen import rma
from atldld_xr.allen.completeness import is_complete_dataset
from atldld_xr.errors import AtldldError, ServiceError
from atldld_xr.sources.cache import default_cache
from atldld_xr.sources.kept import read_kept, to_keep
from atldld_xr.sources.protocol import Source

PAGE = 50
"""Data sets of a request: of some 140 sections each, half of the values that are read of an answer
(`atldld_xr.foreign_json`); and an address of 1000 characters at most."""

Records = Iterator[tuple[int, Mapping[str, Any] | AtldldError]]
"""Of each data set its record, or why it cannot be had."""


@runtime_checkable
class PagedSource(Source, Protocol):
    """A source that gives the records of many data sets at once."""

    def dataset_records(self, dataset_ids: Iterable[int]) -> Records:
        """Yield the records of data sets, in any order; see `dataset_records`."""


def dataset_records(source: Source, dataset_ids: Iterable[int]) -> Records:
    """Yield the id of each data set with its record, or with the error that tells why not.

    Parameters
    ----------
    source : Source
        Where they are; one that is no `PagedSource` is asked for one after the other.
    dataset_ids : iterable of int
        Distinct ones.
    """
    if isinstance(source, PagedSource):
        return source.dataset_records(dataset_ids)
    return single_records(source, dataset_ids)


def single_records(source: Source, dataset_ids: Iterable[int]) -> Records:
    """Yield what `dataset_records` does, from a source that is asked for one after the other."""
    return ((number, _alone(source, number)) for number in dataset_ids)


def pages_of_records(
    source: Source,
    dataset_ids: Iterable[int],
    ask: Callable[[Sequence[int]], Mapping[str, Any]],
    key: Callable[[int], str],
    *,
    takes_kept: bool,
) -> Records:
    """Yield records in pages of a service, and have the cache keep each as if it came alone.

    What the cache has is not asked for. What a page should have and has not, or a page that cannot
    be had while single records can, is asked for one by one.

    Parameters
    ----------
    source : Source
        What is asked for single ones.
    dataset_ids : iterable of int
        Distinct ones.
    ask : callable
        Returns the envelope of a query of ids.
    key : callable
        Returns the cache's key of an id.
    takes_kept : bool
        Whether records in the cache are taken.
    """
    cache = default_cache()
    missing: list[int] = []
    down: AtldldError | None = None

    def page() -> Records:
        nonlocal down
        found, failed = ({}, down) if down else _page(missing, ask)
        for number in missing:
            if number in found:
                if cache:
                    cache.put(key(number), _to_keep(found[number]))
                yield number, found[number]
                continue
            record = down or _alone(source, number)
            if failed and isinstance(record, ServiceError):
                down = record  # neither together nor alone: nobody waits for all to fail
            yield number, record
        missing.clear()

    for number in dataset_ids:
        kept = read_kept(cache.get(key(number))) if cache and takes_kept else None
        if kept and kept.is_current:
            yield number, _alone(source, number)
            continue
        missing.append(number)
        if len(missing) == PAGE:
            yield from page()
    if missing:
        yield from page()


def _page(
    ids: Sequence[int], ask: Callable[[Sequence[int]], Mapping[str, Any]]
) -> tuple[dict[int, Mapping[str, Any]], AtldldError | None]:
    """Return the records that an answer has whole, by id, and why there are none."""
    if len(ids) == 1:
        return {}, None  # it is asked for alone, by its own address
    try:
        envelope = ask(ids)
    except ServiceError as error:
        return {}, error
    msg = envelope["msg"]
    records = [r for r in msg if isinstance(r, Mapping)] if isinstance(msg, list) else []
    if rma.count(envelope, "total_rows") > rma.count(envelope, "num_rows"):
        records = records[:-1]  # pages may be cut within a data set's sections
    wanted = set(ids)
    by_id = {r["id"]: r for r in records if isinstance(r.get("id"), int)}
    return {number: r for number, r in by_id.items() if number in wanted}, None


def _alone(source: Source, number: int) -> Mapping[str, Any] | AtldldError:
    try:
        return source.dataset_record(number)
    except AtldldError as error:
        return error


def _to_keep(record: Mapping[str, Any]) -> bytes:
    """Return what the cache keeps of a record that has come, as if it had come alone."""
    counts = {"start_row": 0, "num_rows": 1, "total_rows": 1}
    envelope = {"success": True, "id": 0, **counts, "msg": [record]}
    return to_keep(envelope, is_complete=is_complete_dataset(record))
