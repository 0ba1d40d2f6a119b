"""Metadata asked for ahead: many data sets' in one request, for tasks that open them one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from atldld_xr.allen.ids import parse_dataset_name
from atldld_xr.datasets.open_each import groups_of
from atldld_xr.errors import AtldldError
from atldld_xr.sources.cache import default_cache
from atldld_xr.sources.record_pages import PAGE, PagedSource

WHERE = ("source", "refresh", "offline")
"""Arguments of `open_dataset` that say where records come from."""


def records_ahead(
    datasets: Iterable[int | str],
    *,
    source: Any = None,
    refresh: object = False,
    offline: object = None,
) -> Iterator[int | str]:
    """Yield data sets, a page of them after the cache has been given their records.

    What cannot be had is no matter here: whoever opens the data set is told. Workers that have
    another cache ask by themselves.

    Parameters
    ----------
    datasets : iterable of int or str
        Any names.
    source, refresh, offline
        Arguments of `open_dataset`. What is to be asked for anew is not asked for here.
    """
    rest = iter(datasets)
    while page := list(islice(rest, PAGE)):
        if not refresh and not offline:
            with suppress(AtldldError):
                _keep(page, source)
        yield from page


def _keep(names: Iterable[int | str], source: Any) -> None:
    ids: dict[int, None] = {}
    for name in names:
        with suppress(AtldldError):
            ids[parse_dataset_name(name)] = None
    if default_cache() is None:
        return
    for _, opened, some in groups_of(list(ids), source):
        if isinstance(opened, PagedSource):
            for _ in opened.dataset_records(some):
                pass
