"""Two exports into one store at the same time: one wins, and the other says so."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import time

import pytest

import atldld_xr
from atldld_xr.errors import StoreError
from atldld_xr.export import status
from atldld_xr.files.file_store import FileStore
from atldld_xr.store.lease import STALE, Lease, lease
from atldld_xr.testing import Faults
from kills import SLOW, Child, export, opened, tree

FEW = {"resolution": 100}


pytestmark = pytest.mark.usefixtures("no_cache")


def lease_of(store):
    return store.with_name(f".{store.name}.atldld-lease")


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("modes", [("w-", "w-"), ("w", "w"), ("w-", "w"), ("w", "w-")])
def test_one_wins(server, tmp_path, modes):
    store = tmp_path / "a" / "a.zarr"
    if modes[0] == "w":  # there is a store to be replaced
        export(server.url, store, opening={"resolution": 200})
    server.faults = Faults(rate=1, kinds=("slow",), delay=0.7)
    first = Child(server.url, store, mode=modes[0], opening=FEW).begun()
    wait_for(lease_of(store).exists)
    wait_for((store / "atldld_xr_export" / "zarr.json").exists)
    pid = json.loads(lease_of(store).read_text())["process"]
    assert status(store).state == "running"
    opening = FEW if modes[0] == "w-" else {"resolution": 200}
    os.kill(pid, signal.SIGSTOP)  # it is not to be done before the other has begun
    try:
        said = export(server.url, store, mode=modes[1], opening=opening)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert re.fullmatch(
        rf"StoreError: another export is writing to {store} \(process {pid} on [\w.-]+\); "
        rf"if it no longer runs, try again in {STALE} s",
        said,
    )
    server.faults = Faults()
    assert first.end() > 0
    assert export(server.url, tmp_path / "b" / "a.zarr", opening=FEW) > 0
    assert tree(store.parent) == tree(tmp_path / "b")


def test_of_many_that_start_at_once_one_wins(server, tmp_path):
    store = tmp_path / "a" / "a.zarr"
    killed = Child(server.url, store, opening=FEW, dies=20).begun()
    killed.killed()  # whose lease all of them may take over
    server.faults = SLOW
    children = [Child(server.url, store, opening=FEW) for _ in range(5)]
    told = [child.begun() and child for child in children]
    told = [child.end() for child in told]
    winners = [number for number in told if isinstance(number, int)]
    assert len([number for number in winners if number > 0]) == 1
    assert all("another export is writing" in said for said in told if isinstance(said, str))


@pytest.mark.parametrize("age", [0, STALE + 5])
def test_a_holder_on_another_machine_is_believed_for_a_while(server, tmp_path, age):
    store = tmp_path / "a" / "a.zarr"
    Child(server.url, store, opening=FEW, dies=60).begun().killed()
    holder = json.loads(lease_of(store).read_text())
    holder |= {"machine": "another", "host": "far\x1b[31m\naway", "renewed": time.time() - age}
    lease_of(store).write_text(json.dumps(holder))
    said = export(server.url, store, opening=FEW)
    if age:
        assert said > 0
        assert not lease_of(store).exists()
    else:
        assert f"(process {holder['process']} on far??31m?away)" in said
        assert json.loads(lease_of(store).read_text()) == holder
        assert status(store).state == "running"


def test_a_holder_that_is_another_process_by_now(server, tmp_path):
    store = tmp_path / "a" / "a.zarr"
    Child(server.url, store, opening=FEW, dies=60).begun().killed()
    holder = json.loads(lease_of(store).read_text())
    lease_of(store).write_text(json.dumps(holder | {"process": os.getpid()}))
    assert status(store).state == "interrupted"
    assert export(server.url, store, opening=FEW) > 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"[" * 100_000,
        json.dumps({"renewed": 10**400}).encode(),
        b'{"renewed": NaN, "process": -1}',
        json.dumps({"machine": 1, "process": {}, "host": []}).encode(),
        b"x" * 1_000_000,
    ],
)
def test_a_lease_that_says_nothing(tmp_path, content):
    (tmp_path / ".a.zarr.atldld-lease").write_bytes(content)
    with lease(FileStore(str(tmp_path / "a.zarr"))) as held:
        held.check()
    assert not list(tmp_path.iterdir())


def test_who_has_lost_the_lease_writes_no_more(server, tmp_path):
    store = tmp_path / "a" / "a.zarr"
    server.faults = Faults(rate=1, kinds=("slow",), delay=0.6)
    said = []

    def run():
        try:
            opened(server.url, **FEW).atldld.to_zarr(store)
        except StoreError as error:
            said.append(str(error))

    with atldld_xr.config.set({"http.connections": 1}):
        thread = threading.Thread(target=run)
        thread.start()
        wait_for(lambda: (store / "zarr.json").exists())
        lease_of(store).write_text(json.dumps({"id": "x", "process": 1, "host": "there"}))
        thread.join(60)
    (message,) = said
    assert message.startswith(f"another export is writing to {store} (process 1 on there)")
    assert json.loads(lease_of(store).read_text())["id"] == "x"
    before = tree(store)
    time.sleep(0.7)
    assert tree(store) == before


def test_a_lease_goes_along_with_what_is_done_for_it(tmp_path):
    import pickle

    place = FileStore(str(tmp_path / "a.zarr"))
    with lease(place) as held:
        elsewhere = pickle.loads(pickle.dumps(held))
        elsewhere.check(every=1.0)
        assert socket.gethostname() in (tmp_path / ".a.zarr.atldld-lease").read_text()
        with pytest.raises(StoreError, match="another export"):
            Lease(place).take()
    with pytest.raises(StoreError, match="another export"):
        held.check(every=1.0)
    with pytest.raises(StoreError, match="another export"):
        pickle.loads(pickle.dumps(held)).check(every=1.0)


def test_a_link_and_what_it_leads_to_are_one_store(server, tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "near").mkdir()
    real, link = tmp_path / "far" / "a.zarr", tmp_path / "near" / "b.zarr"
    export(server.url, real, opening={"resolution": 200})
    link.symlink_to(real)
    with lease(FileStore(str(real))):
        assert "another export is writing" in export(server.url, link, mode="w", opening=FEW)
    assert export(server.url, link, mode="w", opening=FEW) > 0
    assert link.is_symlink()
    assert list(tree(tmp_path / "near")) == ["b.zarr"]
    assert export(server.url, tmp_path / "c" / "a.zarr", opening=FEW) > 0
    assert tree(tmp_path / "far") == tree(tmp_path / "c")
