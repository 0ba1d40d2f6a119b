"""Processes that are stopped as they write, and wake up when the store is another's."""

from __future__ import annotations

import json
import re
import sys
import time

import pytest

from atldld_xr.errors import StoreError
from atldld_xr.export import verify
from atldld_xr.files import folders
from kills import Child, opened, steps, tree

FEW, FEWER = {"resolution": 100}, {"resolution": 200}

pytestmark = [
    pytest.mark.usefixtures("no_cache"),
    pytest.mark.skipif(sys.platform != "linux", reason="/proc tells that a process is stopped"),
]


def grow_stale(store):
    """Have a lease be as old as if its process had been stopped for long."""
    path = store.with_name(f".{store.name}.atldld-lease")
    if path.exists():
        holder = json.loads(path.read_text())
        path.write_text(json.dumps(holder | {"renewed": time.time() - 100}))


def stopped_at(server, store, step, **options):
    child = Child(server.url, store, dies=step, stops=True, opening=FEW, **options)
    child.begun().stopped()
    grow_stale(store)
    return child


def files(folder):
    """Return all files in a folder; one that is stopped as it makes a folder makes it, empty."""
    return {path: content for path, content in tree(folder).items() if content is not None}


@pytest.fixture
def counted(server, tmp_path):
    """Return the steps of an export, and what the two that are tried write."""
    count = steps(server.url, tmp_path / "whole" / "a.zarr", opening=FEW)
    opened(server.url, **FEWER).atldld.to_zarr(tmp_path / "other" / "a.zarr")
    return count, files(tmp_path / "whole"), files(tmp_path / "other")


@pytest.mark.parametrize("same", [True, False])
def test_stopped_while_another_takes_over(server, tmp_path, counted, monkeypatch, same):
    monkeypatch.setattr(folders, "PATIENCE", 0.1)
    count, whole, other = counted
    refused = []
    for step in sorted({2, *range(7, count, count // 4), *range(count - 7, count, 2)}):
        store = tmp_path / str(step) / "a.zarr"
        child = stopped_at(server, store, step)
        expected = whole if same else other
        try:
            if same:
                opened(server.url, **FEW).atldld.to_zarr(store)
            else:
                opened(server.url, **FEWER).atldld.to_zarr(store, mode="w")
        except StoreError as error:
            refused.append(str(error))
            expected = whole
        child.revived().end()
        assert files(store.parent) == expected, step
        assert verify(store).problems == ()
    # Where it was stopped as it took the lease.
    assert len(refused) == 1
    why = "another program has had the folder .* locked for 0 s; nothing was written. It may be"
    assert all(re.match(why, said) for said in refused)
