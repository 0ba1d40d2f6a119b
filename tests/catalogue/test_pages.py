"""Pages put together: of a table that stays as it is, and of one that changes between them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atldld_xr.catalogue.pages import merged, read_records
from atldld_xr.errors import ServiceError


class Table:
    """Rows of a table, in the order of ids: (id, part), several of an id as a join makes them."""

    def __init__(self, ids, *, parts=1, cap=10_000, changes=()):
        self.rows = [(i, part) for i in ids for part in range(parts)]
        self.cap, self.changes = cap, dict(changes)
        self.asked = []

    def ask(self, start, rows):
        change = self.changes.pop(len(self.asked), None)
        if change:
            change(self)
        self.asked.append((start, rows))
        self.rows.sort()
        page = self.rows[start : start + min(rows, self.cap)]
        parts = {}
        for number, part in page:
            parts.setdefault(number, []).append({"id": number * 1000 + part})
        return {
            "success": True,
            "num_rows": len(page),
            "total_rows": len(self.rows),
            "msg": [{"id": i, "name": str(i), "section_images": p} for i, p in parts.items()],
        }

    def remove(self, ids):
        self.rows = [row for row in self.rows if row[0] not in ids]

    def add(self, ids):
        self.rows += [(i, 0) for i in ids]


def read(table, rows=7, **more):
    return list(read_records(table.ask, rows=rows, name="data sets", **more))


@pytest.mark.parametrize("rows", [1, 2, 3, 50])
@pytest.mark.parametrize("cap", [1, 2, 10_000])
@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_all_comes_once_in_the_order_of_ids(rows, cap, count):
    table = Table(range(1, count + 1), cap=cap)
    assert [r["id"] for r in read(table, rows)] == list(range(1, count + 1))


def test_an_announced_page_is_asked_for_as_told():
    table = Table(range(1, 21))
    told = []
    read(table, told=lambda *numbers: told.append(numbers))
    assert table.asked == [(0, 7), (6, 7), (12, 7), (18, 7)]
    assert told == [(7, 20), (13, 20), (19, 20), (20, 20)]


@pytest.mark.parametrize("rows", [2, 3, 5, 8])
def test_records_that_pages_cut_are_whole(rows):
    table = Table(range(1, 12), parts=3)
    found = read(table, rows)
    assert [r["id"] for r in found] == list(range(1, 12))
    for record in found:
        parts = [part["id"] - record["id"] * 1000 for part in record["section_images"]]
        assert parts == [0, 1, 2]


@settings(deadline=None)
@given(data=st.data())
def test_what_is_there_all_the_time_is_found_whatever_changes(data):
    ids = st.integers(1, 80)
    count = data.draw(st.integers(1, 60))
    rows = data.draw(st.integers(2, 25))
    start = list(range(1, count + 1))
    removed, added = set(), set()

    def change():
        gone = data.draw(st.sets(ids, max_size=20))
        new = data.draw(st.sets(st.integers(81, 120), max_size=6)) - added
        removed.update(gone)
        added.update(new)

        def apply(table):
            table.remove(gone)
            table.add(new)

        return apply

    changes = {k: change() for k in data.draw(st.sets(st.integers(1, 8), max_size=3))}
    found = [r["id"] for r in read(Table(start, changes=changes), rows)]
    assert len(found) == len(set(found))
    assert set(start) - removed <= set(found) <= set(start) | added


def test_rows_that_vanish_before_a_page_hide_none():
    table = Table(range(1, 31), changes={2: lambda table: table.remove(range(1, 11))})
    assert [r["id"] for r in read(table)] == list(range(1, 31))
    assert any(b[0] < a[0] for a, b in zip(table.asked, table.asked[1:], strict=False))


def test_a_table_that_is_emptied_meanwhile_ends():
    table = Table(range(1, 31), changes={1: lambda table: table.remove(range(1, 31))})
    assert [r["id"] for r in read(table)] == list(range(1, 8))


def test_no_more_pages_than_a_limit_needs():
    table = Table(range(1, 101))
    assert len(read(table, limit=10)) > 10
    assert len(table.asked) == 2


def answers(*pages, total):
    pages = iter(pages)

    def ask(start, rows):
        ids = next(pages)
        return {"num_rows": len(ids), "total_rows": total, "msg": [{"id": i} for i in ids]}

    return ask


def test_a_service_that_stops_short_or_repeats_itself_is_told():
    for pages in ([[1, 2], [2], [2]], [[1, 2], [1, 2], [1, 2]], [[1, 2], [], [1, 2], [], []]):
        with pytest.raises(ServiceError, match="announces 6 rows and has no more after"):
            list(read_records(answers(*pages, [], [], [], [], total=6), rows=2, name="x"))


def test_a_service_that_is_never_the_same_is_told():
    class Ask:
        lowest = 10_000

        def __call__(self, start, rows):
            self.lowest += 100
            ids = range(self.lowest, self.lowest + rows)
            return {"num_rows": rows, "total_rows": 10**9, "msg": [{"id": i} for i in ids]}

    with pytest.raises(ServiceError, match="change too fast"):
        list(read_records(Ask(), rows=5, name="x"))


@pytest.mark.parametrize("msg", [None, "text", {}, [1], [{}], [{"id": "5"}], [{"id": True}]])
def test_what_is_no_page_is_told(msg):
    with pytest.raises(ServiceError, match=r"^x: the answer (holds no records|has a record)"):
        list(read_records(lambda *_: {"msg": msg, "total_rows": 1}, rows=5, name="x"))


def test_merging_keeps_what_either_has():
    first = {"id": 1, "a": None, "b": 2, "l": [{"id": 1}, {"id": 2}], "m": [1]}
    second = {"id": 1, "a": 5, "b": None, "l": [{"id": 2}, {"id": 3}], "m": None}
    expected = {"id": 1, "a": 5, "b": 2, "l": [{"id": 1}, {"id": 2}, {"id": 3}], "m": [1]}
    assert merged(first, second, "x") == expected


def test_records_without_an_end_are_told():
    def endless(start, rows):
        parts = [{"id": start * 5000 + k} for k in range(5000)]
        return {"num_rows": 1, "total_rows": 10**9, "msg": [{"id": 1, "section_images": parts}]}

    with pytest.raises(ServiceError, match="1 has more than 100,000 section_images"):
        list(read_records(endless, rows=5, name="x"))

    def restless(start, rows):
        return {"num_rows": 1, "total_rows": 10**9, "msg": [{"id": 1, "name": str(start)}]}

    with pytest.raises(ServiceError, match="10,000 pages hold nothing but the same"):
        list(read_records(restless, rows=5, name="x"))


@pytest.mark.parametrize("number", [0, -5, 2**63, 10**30])
def test_an_id_that_is_none_is_told(number):
    with pytest.raises(ServiceError, match="a record without an id"):
        list(read_records(lambda *_: {"msg": [{"id": number}], "total_rows": 1}, rows=5, name="x"))


@pytest.mark.parametrize("total", [None, 0, 3, "20", -1])
@pytest.mark.parametrize("parts", [1, 3])
def test_all_comes_though_a_service_does_not_count_its_rows(total, parts):
    table = Table(range(1, 21), parts=parts)
    found = read_records(
        lambda *page: table.ask(*page) | {"total_rows": total}, rows=7, name="data sets"
    )
    assert [r["id"] for r in found] == list(range(1, 21))
