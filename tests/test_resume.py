"""Exports that are killed, and run again: the store is what an undisturbed run writes."""

from __future__ import annotations

import random
import time

import pytest
import xarray as xr

from atldld_xr.export import verify
from atldld_xr.testing import AllenServer
from kills import (
    SLOW,
    SMALL,
    Child,
    at_work,
    entered,
    export,
    forget_requests,
    marks,
    requests,
    tree,
)

COPIES = ("image", "coverage", "displacement")


@pytest.fixture(scope="module")
def shared():
    with AllenServer(phantoms=[SMALL]) as server:
        yield server


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


def resumed(server, store, undisturbed, **options):
    """Run a killed export again, and check all that is to be said of that."""
    whole, asked, ledger, _ = undisturbed
    done = entered(store)
    before = marks(store, done)
    forget_requests(server)
    assert export(server.url, store, **options) == len(ledger) - len(done)
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
    assert not [path for path in whole if "part" in path or "lease" in path or "pages/" in path]
    assert set(asked.values()) == {1}
    assert {key[0] for key in ledger} == set(COPIES)


def test_twenty_kills_at_random_moments_on_threads(server, tmp_path, undisturbed):
    known = undisturbed()
    draw = random.Random()
    found = []
    for n in range(20):
        store = tmp_path / str(n) / "a.zarr"
        child = Child(server.url, store).begun()
        time.sleep(known[3] * (n + draw.random()) / 20)
        child.kill()
        found.append(resumed(server, store, known))
    assert any(0 < n < len(known[2]) for n in found)


def test_twenty_kills_at_random_moments_on_processes(server, cluster, tmp_path, undisturbed):
    known = undisturbed()
    address = cluster.scheduler.address
    draw = random.Random()
    found = []
    begun = time.monotonic()
    assert export(server.url, tmp_path / "a" / "a.zarr", scheduler=address) == len(known[2])
    took = time.monotonic() - begun
    for n in range(20):
        store = tmp_path / str(n) / "a.zarr"
        child = Child(server.url, store, scheduler=address).begun()
        time.sleep(took * (n + draw.random()) / 20)
        child.kill()
        while any(cluster.run(at_work).values()):  # nobody told them
            time.sleep(0.01)
        found.append(resumed(server, store, known, scheduler=address))
    assert any(0 < n < len(known[2]) for n in found)
