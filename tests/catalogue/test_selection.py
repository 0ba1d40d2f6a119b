"""Which data sets are meant, by lists, tables and files."""

from __future__ import annotations

import contextlib
import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from atldld_xr.catalogue.listed import listed_ids
from atldld_xr.catalogue.selection import dataset_ids, dataset_name
from atldld_xr.errors import InvalidArgumentError

IDS = [71717640, 69289763]


@pytest.mark.parametrize(
    "selection",
    [
        [71717640, "allen:69289763", "71717640"],
        (str(number) for number in [*IDS, *IDS]),
        np.array([*IDS, *IDS]),
        pd.DataFrame({"id": [float(n) for n in IDS]}),  # as after a merge or of a CSV
        xr.DataArray(IDS),
        pd.Series(IDS),
        pd.DataFrame({"id": IDS, "genes": ["Pvalb", None]}),
        pd.DataFrame({"id": [1, 2, 3], "dataset": [*IDS, IDS[0]]}),
        dict.fromkeys(IDS).keys(),
    ],
    ids=lambda selection: type(selection).__name__,
)
def test_ids_each_once_in_order(selection):
    found = dataset_ids(selection)
    assert found == IDS
    assert {type(number) for number in found} == {int}


@pytest.mark.parametrize("one", [71717640, "71717640", "allen:71717640", np.int64(71717640)])
def test_one_is_a_selection(one):
    assert dataset_ids(one) == IDS[:1]
    assert dataset_ids(xr.DataArray(one)) == IDS[:1]


def test_the_phantom_is_opened_by_its_name():
    assert dataset_ids(["phantom", 900000001]) == [900000001]
    assert [dataset_name(n) for n in (900000001, 900000002, 7)] == [
        "phantom",
        "phantom-sagittal",
        7,
    ]


@pytest.mark.parametrize(
    "selection",
    [
        [],
        None,
        True,
        b"71717640",
        "Pvalb",
        "71717640,69289763",
        [71717640, None],
        [0],
        [1.5],
        [float("nan")],
        [float(2**60)],  # which stands for many ids
        {"id": IDS},
        pd.DataFrame({"acronym": ["Pvalb"]}),
        pd.DataFrame({"id": pd.array([1, None], dtype="Int64")}),
        pd.DataFrame({"id": []}),
        itertools.repeat(71717640),
    ],
    ids=repr,
)
def test_what_names_none(selection):
    with pytest.raises(InvalidArgumentError):
        dataset_ids(selection)


LISTS = {
    "lines": "# two\n71717640\n\n allen:69289763 # sagittal\r\n71717640",
    "marked": "\ufeff71717640\n69289763",
    "csv": 'id,genes,gene_names\n71717640,Pvalb,"a, ""b""\nc"\n69289763,,\n',
    "csv of pandas": "id,energy\n71717640.0,1.5\n69289763.0,\n",
    "json of floats": json.dumps([{"id": float(n)} for n in IDS]),
    "images": "id,dataset\n5,71717640\n6,71717640\n7,69289763\n",
    "column": '"id"\r\n"71717640"\r\n"69289763"\r\n',
    "json": json.dumps([{"id": 71717640, "genes": []}, {"id": 69289763}]),
    "json of images": json.dumps([{"id": 5, "dataset": n} for n in IDS]),
    "json of ids": ' [71717640, "69289763"]',
    "report": json.dumps({"datasets": [{"dataset": str(n)} for n in IDS]}),
}


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
def test_files_of_ids(text):
    assert listed_ids(text.encode(), "a.txt") == IDS


BAD = {
    "word": ("7\n\nPvalb\n", "a, line 3: 'Pvalb' names"),
    "two": ("7\n8 9\n", "a, line 2: '8 9' names"),
    "table": ("id  genes\n7  Pvalb\n", "a, line 1: 'id genes' names"),
    "cells": ("id,genes\n7,a\n8\n", "a, line 3: it has not as many columns"),
    "more cells": ("id,genes\n7,a,b\n", "a, line 2: it has not as many columns"),
    "quote": ('id,genes\n7,"a\n', "a, line 2: it is no CSV"),
    "no id": ("id,genes\n7,b\n,a\n", "a, line 3: '' names"),
    "cut": ('[{"id": 7},\n{"id"', "a: it is no JSON .*line 2"),
    "entry": ('[{"id": 7}, {"genes": []}]', "a, entry 2: None names"),
    "no list": ('{"id": 7}', "a: the JSON is no list"),
    "genes": ("acronym,name\nPvalb,parvalbumin\n", "a, line 1"),
    "empty": ("", "a names no data set"),
    "comments": ("# none\n", "a names no data set"),
    "no rows": ("id,genes\n", "a names no data set"),
    "no entries": ("[]", "a names no data set"),
    "deep": ("[" * 100_000, "a: it is no|a: it is nested"),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_damaged_files_say_where(text, said):
    with pytest.raises(InvalidArgumentError) as caught:
        listed_ids(text.encode(), "a")
    assert re.match(said, str(caught.value)), str(caught.value)


def test_bytes_that_are_no_text():
    with pytest.raises(InvalidArgumentError, match="a, line 2: it is no text"):
        listed_ids(b"7\n\xff\xfe\n", "a")


def test_files_that_are_too_long():
    with pytest.raises(InvalidArgumentError, match="more than the 24,000,000 bytes"):
        listed_ids(b"\n" * 24_000_001, "a")


@given(st.text() | st.binary())
def test_any_file_is_ids_or_our_error(content):
    content = content.encode("utf-8", "replace") if isinstance(content, str) else content
    with contextlib.suppress(InvalidArgumentError):
        assert listed_ids(content, "a")
