"""JSON of others: parsed as Python does, but bounded before it is."""

from __future__ import annotations

import contextlib
import inspect
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atldld_xr.errors import AtldldError
from atldld_xr.foreign_json import InvalidJsonError, parse_json
from bombs import ODD

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=30,
)
BRACKETS = st.text(alphabet='[]{}"\\,é', max_size=12)


def levels(value):
    """Return how deep a value is nested, one level at a time."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, list | dict) + max(map(levels, inner), default=0)


@given(value=VALUES, indent=st.sampled_from([None, 1]), ascii=st.booleans())
def test_what_is_json_is_as_python_reads_it(value, indent, ascii):
    written = json.dumps(value, indent=indent, ensure_ascii=ascii)
    assert parse_json(written.encode()) == value
    if "\ufeff" not in written:
        assert parse_json(written.encode("utf-16")) == value


@given(text=BRACKETS, depth=st.integers(0, 70), key=st.booleans())
def test_levels_are_counted_whatever_is_in_strings(text, depth, key):
    value = text
    for _ in range(depth):
        value = {text: value} if key else [text, value, [text] * 40]
    written = json.dumps(value, ensure_ascii=False).encode()
    if levels(value) <= 64:
        assert parse_json(written) == value
    else:
        with pytest.raises(InvalidJsonError, match="nested more than 64 levels"):
            parse_json(written)


@given(content=st.binary(max_size=20) | st.text(alphabet='[]{}":,0n\\ ').map(str.encode))
def test_whatever_comes_is_read_or_refused(content):
    with contextlib.suppress(InvalidJsonError):
        parse_json(content)


@pytest.mark.parametrize("name", [n for n in ODD if n not in ("no number", "endless", "null")])
def test_odd_texts(name):
    if name in ("4300 digits", "half a character", "a key twice"):
        assert parse_json(ODD[name])["success"] is True
        return
    with pytest.raises(InvalidJsonError) as caught:
        parse_json(ODD[name])
    assert isinstance(caught.value, AtldldError)
    assert len(str(caught.value)) < 200


def test_a_caller_near_the_end_of_the_stack_is_told_so_too():
    def deeper(levels):
        return deeper(levels - 1) if levels else parse_json(b"[" * 60 + b"]" * 60)

    left = sys.getrecursionlimit() - len(inspect.stack())
    assert levels(deeper(0)) == 60
    with pytest.raises(InvalidJsonError, match="nested too deep"):
        deeper(left - 30)


def test_no_more_bytes_than_there_can_be():
    with pytest.raises(InvalidJsonError, match="it has 9 bytes where at most 8 can be"):
        parse_json(b"[1, 2, 3]", most=8)


def test_no_more_values_than_there_can_be():
    assert len(parse_json(b"[" + b"0," * 690_000 + b"0]")) == 690_001
    for content in (b"[" + b"0," * 700_000 + b"0]", b"[]" + b"]}" * 11_000_000):
        with pytest.raises(InvalidJsonError, match="more than 700,000 values"):
            parse_json(content)
