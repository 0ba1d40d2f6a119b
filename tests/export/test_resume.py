"""Exports that are killed, and run again: the store is what an undisturbed run writes."""

from __future__ import annotations

import random
import shutil
import time

import pytest
import xarray as xr

import atldld_xr
from atldld_xr.export import verify
from atldld_xr.testing import Faults
from kills import (
    RECORDS,
    SLOW,
    Child,
    at_work,
    entered,
    export,
    forget_requests,
    marks,
    opened,
    requests,
    steps,
    tree,
)

ARRAYS = {"image", "coverage"}
FEW = {"resolution": 100}


@pytest.fixture
def server(shared):
    shared.faults = SLOW
    shared.clear_log()
    return shared


@pytest.fixture(scope="module")
def undisturbed(shared, tmp_path_factory):
    """Give what an undisturbed run writes, what it asks for, and how long it takes."""
    made = {}

    def run(**opening):
        key = tuple(opening.items())
        if key not in made:
            store = tmp_path_factory.mktemp("undisturbed") / "a.zarr"
            shared.faults = SLOW
            shared.clear_log()
            child = Child(shared.url, store, opening=opening).begun()
            begun = time.monotonic()
            assert child.end() > 0
            took = time.monotonic() - begun
            made[key] = tree(store.parent), requests(shared), entered(store), took
            assert verify(store).problems == ()
            shared.clear_log()
        return made[key]

    return run


def image_ids(store):
    return xr.open_zarr(store, consolidated=False)["section_image_id"].values.tolist()


def resumed(server, store, undisturbed):
    """Run a killed export again, and check all that is to be said of that."""
    whole, asked, ledger, _ = undisturbed
    done = entered(store)
    before = marks(store, done)
    forget_requests(server)
    with atldld_xr.config.set({"cache.enabled": False, "http.connections": 2}):
        report = opened(server.url, **FEW).atldld.to_zarr(store)
    assert report.blocks == len(ledger) - len(done)
    assert tree(store.parent) == whole
    assert marks(store, done) == before
    again = requests(server)
    assert all(again[image] <= asked[image] for image in again)
    read = {key for key in ledger if key[0] in ("image", "coverage")}
    ids = image_ids(store)
    for at, image in enumerate(ids):
        if all(key in done for key in read if key[1] == at):
            assert again[image] == 0
    return len(done)


def test_an_undisturbed_run_leaves_only_its_store(undisturbed):
    whole, asked, ledger, _ = undisturbed()
    tops = {path.split("/")[0] for path in whole}
    assert tops == {"a.zarr"}
    assert not [path for path in whole if "part" in path or "lease" in path or "pages" in path]
    assert set(asked.values()) == {1}
    assert {key[0] for key in ledger} == ARRAYS


def wait(store, n, seconds):
    """Wait for the n-th moment of a kill: a time, or else that something is entered.

    An export on a quick machine may enter all of it between two of the times."""
    if n % 2:
        records, deadline = store / RECORDS, time.monotonic() + 60
        while not (any(records.glob("pages/*.jsonl")) or (records / "ledger.jsonl").exists()):
            assert time.monotonic() < deadline
            time.sleep(0.001)
    else:
        time.sleep(seconds)


def test_twenty_kills_at_random_moments_on_threads(server, tmp_path, undisturbed):
    known = undisturbed(**FEW)
    draw = random.Random()
    found = []
    for n in range(20):
        store = tmp_path / str(n) / "a.zarr"
        child = Child(server.url, store, opening=FEW).begun()
        wait(store, n, known[3] * (n + draw.random()) / 20)
        child.kill()
        found.append(resumed(server, store, known))
    assert any(0 < n < len(known[2]) for n in found)


def test_twenty_kills_at_random_moments_on_processes(server, cluster, tmp_path, undisturbed):
    known = undisturbed(**FEW)
    address = cluster.scheduler.address
    draw = random.Random()
    found = []
    for name in ("cold", "warm"):  # workers import what they need
        store = tmp_path / name / "a.zarr"
        child = Child(server.url, store, scheduler=address, opening=FEW).begun()
        begun = time.monotonic()
        assert child.end() == len(known[2])
        took = time.monotonic() - begun
    for n in range(20):
        store = tmp_path / str(n) / "a.zarr"
        child = Child(server.url, store, scheduler=address, opening=FEW).begun()
        wait(store, n, took * (n + draw.random()) / 20)
        child.kill()
        while any(cluster.run(at_work).values()):  # nobody told them
            time.sleep(0.01)
        found.append(resumed(server, store, known))
    assert any(0 < n < len(known[2]) for n in found)


def at_steps(count, first, last, between):
    """Return steps at which to be killed: the first and last ones, and some in between."""
    spread = range(first, count - last, (count - last - first) // between)
    return sorted({*range(1, first), *spread, *range(count - last, count + 1)})


def files(folder, below="a.zarr/"):
    """Return the files of a folder, by path."""
    found = ((path, content) for path, content in tree(folder).items() if path.startswith(below))
    return {path: content for path, content in found if content is not None}


def test_killed_at_steps_of_creation_and_finishing(server, tmp_path, undisturbed):
    known = undisturbed(**FEW)
    server.faults = Faults()
    count = steps(server.url, tmp_path / "a" / "a.zarr", opening=FEW)
    assert count > 2 * len(known[2])
    for step in at_steps(count, 5, 7, 5):
        store = tmp_path / str(step) / "a.zarr"
        Child(server.url, store, dies=step, opening=FEW).begun().killed()
        resumed(server, store, known)


@pytest.mark.parametrize("exchanges", [True, False])
def test_killed_while_it_replaces(server, tmp_path, undisturbed, exchanges):
    whole, _, ledger, _ = undisturbed(**FEW)
    server.faults = Faults()
    old = tmp_path / "old" / "a.zarr"
    assert export(server.url, old, opening={"resolution": 200}) > 0
    before, after = files(old.parent), {p: c for p, c in whole.items() if c is not None}

    def started(name, **options):
        folder = tmp_path / name
        shutil.copytree(old.parent, folder)
        return folder / "a.zarr", {"mode": "w", "exchanges": exchanges, "opening": FEW} | options

    store, options = started("count")
    count = steps(server.url, store, **options)
    removed = len(tree(old.parent))  # the old store, at the end
    for step in [1, count // 2, *range(count - removed - 5, count - removed + 2), count]:
        store, options = started(str(step), dies=step)
        Child(server.url, store, **options).begun().killed()
        # One or the other, whole; or, for a moment where nothing can be exchanged, both beside it.
        there = files(store.parent)
        there.pop("a.zarr/atldld_xr_export/replaces", None)
        assert there in (before, after) or (not exchanges and not store.exists())
        begun = list(store.parent.glob(".a.zarr.*.atldld-new/atldld_xr_export/replaces"))
        done = entered(begun[0].parent.parent) if begun else {}
        options.pop("dies")
        assert export(server.url, store, **options) in (len(ledger) - len(done), len(ledger))
        assert tree(store.parent) == whole
