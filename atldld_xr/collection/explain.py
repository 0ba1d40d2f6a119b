"""What a table takes, told before it is begun: by records that its run needs anyway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from atldld_xr.catalogue.selection import dataset_name
from atldld_xr.collection.cost import (
    GRID_BYTES,
    PROCESSOR_SECONDS_PER_GRID,
    PROCESSOR_SECONDS_PER_MEGAPIXEL,
    Cost,
    Need,
    cost_of,
    spread,
)
from atldld_xr.collection.row import Wanted
from atldld_xr.datasets.answered import Answered
from atldld_xr.datasets.costs import explain_plan
from atldld_xr.datasets.explain import Explanation
from atldld_xr.datasets.open_each import groups_of
from atldld_xr.datasets.plan_dataset import plan_dataset
from atldld_xr.datasets.records_ahead import WHERE
from atldld_xr.errors import AtldldError, ServiceError, StoreError
from atldld_xr.settings import as_int, as_rate, setting
from atldld_xr.sources.record_pages import PAGE, dataset_records

_NOTHING = Need(0, 0, 0, 0.0)
_GRID = Need(0, 1, GRID_BYTES, PROCESSOR_SECONDS_PER_GRID)


def explain_rows(ids: Sequence[int], wanted: Wanted) -> Cost:
    """Return what the rows of data sets take.

    Of many, the records of 50 are looked at, from all parts of the list: one request, and what it
    brings is in the cache for the run.

    Parameters
    ----------
    ids : sequence of int
        The data sets.
    wanted : Wanted
        What is counted of them.

    Raises
    ------
    ServiceError, StoreError
        If no record can be had, as the service or mirror is not there.
    """
    if wanted.method == "grid":
        needs = [_GRID] * len(ids)
    else:
        needs = list(_needs(spread(ids, PAGE), wanted.opening))
    return cost_of(
        needs,
        len(ids),
        connections=setting("http.connections", as_int),
        requests_per_second=setting("http.requests_per_second", as_rate),
    )


def _needs(ids: Sequence[int], opening: Mapping[str, Any]) -> Iterator[Need]:
    rest = {key: v for key, v in opening.items() if key not in WHERE}
    failed: list[AtldldError] = []
    for source, _, some in groups_of(
        list(ids), opening.get("source"), False, opening.get("offline")
    ):
        for number, record in dataset_records(source, some):
            need = _NOTHING
            if isinstance(record, AtldldError):
                failed.append(record)
            else:
                with suppress(AtldldError):  # its row will say why
                    planned = plan_dataset(
                        dataset_name(number), source=Answered(source, record), **rest
                    )
                    need = _of_sections(explain_plan(planned))
            yield need
    if failed and len(failed) == len(ids) and isinstance(failed[0], ServiceError | StoreError):
        raise failed[0]


def _of_sections(explained: Explanation) -> Need:
    return Need(
        explained.images,
        explained.requests,
        explained.estimated_bytes,
        explained.pixels / 1e6 * PROCESSOR_SECONDS_PER_MEGAPIXEL,
    )
