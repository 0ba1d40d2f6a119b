"""Pages of records, put together though what they are pages of changes meanwhile. Pure.

The rule: pages are in the order of ids, and each begins with the row that the one before ended
with. One that does not, begins after rows that have moved, so it is asked for from further back.
Records that come twice are one, with the parts of both, since a page is cut by rows of a join.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from atldld_xr.allen import rma
from atldld_xr.errors import ServiceError

Record = Mapping[str, Any]

MOST_RECORDS = 1_000_000
"""Of one query: Allen's largest tables of what can be searched have some 700 000."""

_MOST_STEPS = 64  # back, of one query
_MOST_PARTS = 100_000  # of a record: the largest data set has some thousand images
_MOST_JOINED = 5000  # rows of a join in a page: each may be an image's record, of some 1000 bytes
_MOST_IDLE = 10_000  # pages in a row with more of the same records alone


def read_records(
    ask: Callable[[int, int], Mapping[str, Any]],
    *,
    rows: int,
    name: str,
    limit: int | None = None,
    told: Callable[[int, int], None] | None = None,
) -> Iterator[Record]:
    """Yield the records of a query, each once and whole.

    Parameters
    ----------
    ask : callable
        ``ask(start_row, num_rows)`` returns the envelope of a page, in the order of ids.
    rows : int
        Records of a page; the service may return fewer, and cut pages by rows of a join.
    name : str
        What is asked for, for messages.
    limit : int, optional
        Stop when more than so many records have come.
    told : callable, optional
        ``told(records, total_rows)`` is called after each page.

    Raises
    ------
    ServiceError
        If the service's answers are no pages of records, stop short of the number of rows that
        they announce, or change so fast that nothing can be put together.
    """
    done: set[int] = set()
    pending: dict[int, Record] = {}  # of the last page: the next may have more of them
    start = back = steps = allowed = 0
    wanted = rows
    highest, overlaps, idle = 0, False, 0
    while True:
        envelope = ask(start, rows)
        records = _records(envelope, name)
        total = rma.count(envelope, "total_rows")  # of now
        if overlaps and start and not any(record["id"] <= highest for record in records):
            steps += 1
            if steps > _MOST_STEPS:
                raise ServiceError(f"{name}: its rows change too fast to be read in pages")
            back = max(1, 2 * back)
            start = max(0, start - back)
            allowed = back // max(1, rma.count(envelope, "num_rows") or rows) + 2
            continue
        back = 0
        page: dict[int, Record] = {}
        for record in records:
            number = record["id"]
            if number not in done:
                known = page.get(number) or pending.get(number)
                page[number] = merged(known, record, name) if known else record
        idle = 0 if page.keys() - pending.keys() else idle + 1
        has_more = any(pending.get(number) != record for number, record in page.items())
        for number, record in pending.items():
            if number not in page:
                done.add(number)
                yield record
        pending = page
        highest = max([highest, *page])
        if told:
            told(len(done) + len(page), total)
        size = rma.count(envelope, "num_rows") or len(records)
        end = start + size
        found = len(done) + len(page)
        is_counted = total >= end or not records  # else it announces fewer than it sends, or none
        if (is_counted and end >= total) or (limit is not None and found > limit):
            break
        if not has_more:
            if not is_counted:
                break
            if not allowed:
                raise ServiceError(
                    f"{name}: the service announces {total:,} rows and has no more after {end:,}"
                )
            allowed -= 1
        if found > MOST_RECORDS:
            raise ServiceError(f"{name}: there are more than {MOST_RECORDS:,} records of it")
        if idle > _MOST_IDLE:
            raise ServiceError(f"{name}: {_MOST_IDLE:,} pages hold nothing but the same records")
        if size > len(records) > 0:  # rows of a join: as many more as make about as many records
            rows = max(wanted, min(wanted * size // len(records), _MOST_JOINED))
        overlaps = size > 1
        start = end - 1 if overlaps else end
    yield from pending.values()


def merged(first: Record, second: Record, name: str) -> Record:
    """Return a record with the parts of both: lists joined by the ids in them, else the later.

    Raises
    ------
    ServiceError
        If that are more than can be; `name` is what is asked for.
    """
    out = dict(first)
    for key, value in second.items():
        known = out.get(key)
        if isinstance(known, list) and isinstance(value, list):
            parts = {_key(part): part for part in [*known, *value]}
            out[key] = list(parts.values())
            if len(parts) > _MOST_PARTS:
                raise ServiceError(f"{name}: {first['id']} has more than {_MOST_PARTS:,} {key}")
        elif value is not None or key not in out:
            out[key] = value
    return out


def _key(part: object) -> object:
    found = part.get("id") if isinstance(part, Mapping) else part
    return repr(found) if isinstance(found, dict | list) else found


def _records(envelope: Mapping[str, Any], name: str) -> Sequence[Record]:
    try:
        return rma.records(envelope)
    except ValueError as error:
        raise ServiceError(f"{name}: {error}") from None
