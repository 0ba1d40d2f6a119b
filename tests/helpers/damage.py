"""Stores that are whole, half finished, and damaged; and what is said of those."""

from __future__ import annotations

import json
import os
import shutil

import google_crc32c
import pytest

from atldld_xr.errors import StoreError
from kills import Child, entered, opened, steps

FEW = {"resolution": 100}
RECORDS = "atldld_xr_export"
PLAN, PAGE = f"{RECORDS}/plan.json", f"{RECORDS}/pages/000001.jsonl"
LEDGER = f"{RECORDS}/ledger.jsonl"
LARGE = b'{"failure": "' + b"x" * 50_000_000 + b'"}'
DEEP = b"[" * 100_000


class Made:
    """A Dataset, a whole store of it and one that is half finished."""

    def __init__(self, url, folder):
        self.ds = opened(url, **FEW)
        self.whole, self.half = folder / "whole" / "a.zarr", folder / "half" / "a.zarr"
        count = steps(url, self.whole, opening=FEW)
        while not 0 < len(entered(self.half)) < 20:
            count -= 10
            shutil.rmtree(self.half.parent, ignore_errors=True)
            Child(url, self.half, opening=FEW, dies=count).begun().killed()
        pages = sorted((self.half / RECORDS / "pages").iterdir())
        pages[0].rename(self.half / PAGE)  # the rest of a page's number is drawn
        self.chunk = max(entered(self.half).items(), key=lambda item: item[1])[0]
        for path in self.half.parent.glob(".*"):
            path.unlink()
        for path in self.half.glob(f"{RECORDS}/*.atldld-part"):  # what it had under way
            shutil.rmtree(path)

    def copy(self, folder, store="half"):
        shutil.copytree(getattr(self, store), folder / "b" / "a.zarr")
        return folder / "b" / "a.zarr"


def refused(call):
    """Return the one line that something is refused with."""
    with pytest.raises(StoreError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


def one_line(call):
    """Return what a call gives; where it is refused, the one line that says so."""
    try:
        return call()
    except StoreError as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) < 600
    return message


def with_checksum(*lines):
    """Return a page of a ledger, with a checksum that fits."""
    body = b"".join(
        (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines
    )
    return body + json.dumps({"crc32c of the above": google_crc32c.value(body)}).encode() + b"\n"


def truncated(path):
    os.truncate(path, path.stat().st_size // 2)


def emptied(path):
    os.truncate(path, 0)


def garbled(path):
    path.write_bytes(b"\x00\xff garbage \n" * 9)


def made_a_folder(path):
    path.unlink()
    path.mkdir()


def made_a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def nested(path):
    path.write_bytes(DEEP)
