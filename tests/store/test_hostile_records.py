"""Records of exports that say what cannot be: refused in one line, before they cost anything."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from atldld_xr.cli import cli
from atldld_xr.export import status, verify
from atldld_xr.store.ledger_pages import checked
from damage import DEEP, LARGE, LEDGER, PAGE, PLAN, one_line, refused, with_checksum
from kills import tree

CHUNK = {"array": "image", "chunk": [0, 0, 0, 0], "size": 9, "crc32c": 9}
IMPOSSIBLE = [
    CHUNK | {"array": "nose"},
    CHUNK | {"array": ["image"]},
    CHUNK | {"chunk": [0, 0, 0, -1]},
    CHUNK | {"chunk": [0, 0, 0, 2]},
    CHUNK | {"chunk": [10**30, 0, 0, 0]},
    CHUNK | {"chunk": [0.0, 0, 0, 0]},
    CHUNK | {"chunk": [True, 0, 0, 0]},
    CHUNK | {"chunk": [0, 0]},
    CHUNK | {"chunk": "0000"},
    CHUNK | {"chunk": None},
    CHUNK | {"size": -1},
    CHUNK | {"size": 10**30},
    CHUNK | {"size": 1.5},
    CHUNK | {"crc32c": 2**32},
    CHUNK | {"crc32c": "9"},
    {"values": "status", "at": 0, "are": [300]},
    {"values": "status", "at": 0, "are": ["0"]},
    {"values": "status", "at": 0, "are": [[0]]},
    {"values": "status", "at": 0, "are": [0] * 1000},
    {"values": "status", "at": -1, "are": [0]},
    {"values": "status", "at": 10**9, "are": [0]},
    {"values": "reason", "at": 0, "are": [7]},
    {"values": "image", "at": 0, "are": [7]},
    {"section": -1, "values": {}},
    {"section": 10**9, "values": {}},
    {"section": "0", "values": {}},
    {"section": True, "values": {}},
    {"section": 0, "values": {"nose": 1}},
    {"section": 0, "values": []},
    {"section": 0, "values": {}, "failure": {"a": []}},
    {"section": 0, "values": {}, "failure": "\ud800"},
    {"section": 0, "values": {"reason": "\ud800"}},
    {"values": "reason", "at": 15, "are": [""] * 15},
    {"again": 10**9, "of": ["image"]},
    {"again": [], "of": ["image"]},
    {"again": 0, "of": ["nose"]},
    {"anew": "nose"},
    {"lost": "image", "chunk": [-1]},
    {},
    [],
    7,
    None,
    "array",
    b"{",
    b"\xff\xfe",
    b'{"section": 1' + b"0" * 5000 + b', "values": {}}',
    DEEP,
]


@pytest.mark.parametrize("line", IMPOSSIBLE, ids=lambda line: f"{line!r:.60}")
def test_entries_that_cannot_be(made, tmp_path, line):
    store = made.copy(tmp_path)
    (store / PAGE).write_bytes(with_checksum(line))
    before = tree(store)
    for call in (
        lambda: made.ds.atldld.to_zarr(store),
        lambda: status(store),
        lambda: verify(store),
    ):
        assert f"{store / PAGE} is damaged" in refused(call)
    assert (
        tree(store.parent) == {f"a.zarr/{k}" if v is not None else k: v for k, v in before.items()}
        or tree(store) == before
    )


NOT_PLANS = {
    "another version": {"format": 1},
    "no sections": {"sections": None},
    "sections beyond the last": {"sections": {"axis": 0, "count": 1, "places": [1]}},
    "more sections than there can be": {"sections": {"axis": 0, "count": 1e99, "places": None}},
    "a version that is none": {"format": {"a": ["\n"] * 99}},
    "no arrays": {"arrays": None},
    "a list": {"arrays": []},
    "arrays of nothing": {"arrays": {"image": None}},
    "arrays elsewhere": {"arrays": {"../../image": {}}},
    "files elsewhere": {"crc32c of files": {"../../../../../../dev/zero": 1}},
    "files of no name": {"crc32c of files": {"": 1}},
    "values that are none": {"values": {"status": 3}},
    "more values than there can be": {"values": {"status": ["uint8", 10**15]}},
    "fewer values than none": {"values": {"status": ["uint8", -1]}},
    "no dtype": {"values": {"status": ["nose", 3]}},
    "other attributes": {"dataset": []},
    "another way with failing sections": {"on_error": "ignore"},
}


@pytest.mark.parametrize("name", NOT_PLANS)
def test_plans_that_are_none(made, tmp_path, name):
    store = made.copy(tmp_path)
    plan = json.loads((store / PLAN).read_bytes())
    plan |= NOT_PLANS[name]
    (store / PLAN).write_text(json.dumps(plan))
    before = tree(store)
    said = refused(lambda: made.ds.atldld.to_zarr(store))
    assert "another version" in said if "version" in name else True
    refused(lambda: status(store))
    refused(lambda: verify(store))
    assert tree(store) == before
    for command in ("status", "verify"):
        told = CliRunner().invoke(cli, [command, str(store)])
        assert told.exit_code == 1
        assert told.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [10**6, 10**6, 10**6, 3]},
        {"shape": [10**30, 1, 1, 3]},
        {"shape": "all"},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 0, 0, 0]}}},
        {"chunk_grid": {}},
        {"codecs": []},
        {"codecs": [{"name": "nose"}]},
        {"data_type": "nose"},
        {"data_type": {"name": "nose\n" * 1000}},
        {"zarr_format": 99},
    ],
    ids=str,
)
def test_arrays_that_cannot_be(made, tmp_path, change):
    store = made.copy(tmp_path)
    plan = json.loads((store / PLAN).read_bytes())
    plan["arrays"]["image"] |= change
    (store / PLAN).write_text(json.dumps(plan))
    assert "was made otherwise (arrays.image" in refused(lambda: made.ds.atldld.to_zarr(store))
    tracemalloc.start()
    try:
        refused(lambda: status(store))
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("key", [PLAN, PAGE, LEDGER, "zarr.json"])
def test_what_is_large_is_not_taken_in(made, tmp_path, key):
    store = made.copy(tmp_path)
    content = with_checksum(LARGE) if key.endswith("jsonl") else LARGE
    (store / key).write_bytes(content)
    del content
    tracemalloc.start()
    try:
        for call in (status, verify, made.ds.atldld.to_zarr):
            one_line(lambda call=call: call(store))
        assert tracemalloc.get_traced_memory()[1] < 45_000_000
    finally:
        tracemalloc.stop()


KEYS = tuple(
    [
        "array",
        "chunk",
        "size",
        "crc32c",
        "values",
        "at",
        "are",
        "section",
        "failure",
        "again",
        "of",
        "anew",
        "lost",
    ]
)
NAMES = st.sampled_from(["image", "status", "reason", "coverage"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | NAMES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
LINES = st.lists(st.dictionaries(st.sampled_from(KEYS), JSON) | JSON, max_size=4)


@settings(max_examples=150, deadline=None)
@given(lines=LINES)
def test_whatever_a_ledger_says(made, tmp_path_factory, lines):
    store = made.copy(tmp_path_factory.mktemp("x"))
    (store / PAGE).write_bytes(with_checksum(*lines))
    found = one_line(lambda: status(store))
    if not isinstance(found, str):
        assert all(0 <= n <= found.chunks[name] for name, n in found.written.items())


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_wherever_records_are_changed(made, tmp_path_factory, data):
    store = made.copy(tmp_path_factory.mktemp("x"))
    path = store / data.draw(st.sampled_from([PLAN, PAGE]))
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    if content == path.read_bytes():
        return
    before = path.read_bytes()
    path.write_bytes(content)
    if _is_same(bytes(content), before, whole=path.name == "plan.json"):
        made.ds.atldld.to_zarr(store)
        assert not path.exists() or path.read_bytes() == before
    else:
        refused(lambda: made.ds.atldld.to_zarr(store))


def _is_same(one, other, *, whole):
    """Return whether files say the same: spaces in JSON mean nothing, but under a checksum."""
    (above, last), (above_other, last_other) = (
        ("", text) if whole else text.removesuffix(b"\n").rpartition(b"\n")[::2]
        for text in (one, other)
    )
    try:
        return above == above_other and json.loads(last) == json.loads(last_other)
    except ValueError:
        return False


def test_entries_take_no_memory_beside_their_file():
    lines = [b'{"values": "status", "at": 1, "are": [0]}'] * 300_000
    content = with_checksum(*lines)
    tracemalloc.start()
    try:
        found = checked(content, "a ledger")
        assert sum(line.rstrip() == lines[0] for line in found) == len(lines)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert list(checked(with_checksum(), "an empty ledger")) == []
