"""What stores know functions and classes by stays what it was, wherever they move to."""

from __future__ import annotations

import pickle
from dataclasses import fields
from hashlib import sha1

import pytest
from dask.base import normalize_token

from atldld_xr import known_as
from atldld_xr.arrays.variables import (
    BlockVariable,
    SectionVariable,
    _displacement,
    _reason,
    _status,
)
from atldld_xr.testing import CORONAL
from atldld_xr.warp.kernel import coverage, render


def elsewhere():
    """Stand in for a function of another module."""


@pytest.mark.parametrize(
    ("this", "digest"),
    [
        (_displacement, "8a2428c8a77a4da75b3363a1995d6af97c66c9ff"),
        (_reason, "95daa47783f20b67303c2ca572f28360ea14514f"),
        (_status, "d59d7f91ce1c75d6d5359666d169af8304d05b16"),
        (coverage, "15e96c7c21f6d971bdfffe76f0bd53f14844b4b0"),
        (render, "d9b41a32ea0de462cd83fb0fd67bb1b4c50d39ea"),
    ],
)
def test_functions_have_the_tokens_of_the_modules_they_were_in(this, digest):
    assert normalize_token(this)[0] == digest


def test_what_is_known_as_itself_has_dasks_own_token():
    known_as.known_as(__name__)(elsewhere)
    assert "__dask_tokenize__" in vars(elsewhere)
    # Dask takes whichever fast hash is installed; SHA-1 is always there.
    assert normalize_token(elsewhere) == (sha1(pickle.dumps(elsewhere, 5)).hexdigest(), [])


def test_dataclasses_have_the_tokens_that_dask_gives_them(monkeypatch):
    known = normalize_token(CORONAL)
    monkeypatch.delattr(type(CORONAL), "__dask_tokenize__")
    own = normalize_token(CORONAL)
    assert known[1] == own[1][:6]  # as of Python 3.11: newer ones have more
    assert known[2:] == own[2:]
    assert len(known[2]) == len(fields(CORONAL))
    for variable in (BlockVariable, SectionVariable):
        assert "__dask_tokenize__" in vars(variable)
