"""Workers of a cluster that are killed, or stopped, in the middle of a write."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress

import pytest

from atldld_xr.export import verify
from kills import opened, tree

pytest.importorskip("distributed")

FEW = {"resolution": 100}

pytestmark = pytest.mark.usefixtures("no_cache")


def end_in_a_write(folder, count, how):
    """Have this process end itself, or be stopped, as it gives a file its name in a folder."""
    left = [count]

    def step(event, args):
        if event == "os.rename" and folder in str(args[1]) and "/c/" in str(args[1]):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), how)

    sys.addaudithook(step)
    return os.getpid()


def forget_worker(address):
    """Return what has a scheduler take a worker for dead."""

    async def forget(dask_scheduler):
        await dask_scheduler.remove_worker(address, stimulus_id="test", close=False)

    return forget


def state(pid):
    with suppress(FileNotFoundError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]
    return "gone"


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def one_ends(cluster, store, how):
    """Have one of a cluster's workers end in a write; return its address and its process."""
    address = next(iter(cluster.run(os.getpid)))
    return address, cluster.run(end_in_a_write, str(store), 3, how, workers=[address])[address]


def test_a_worker_killed_in_a_write_leaves_nothing(server, cluster, tmp_path, whole):
    expected = whole(**FEW)
    store = tmp_path / "b" / "a.zarr"
    _, pid = one_ends(cluster, store, signal.SIGKILL)
    opened(server.url, **FEW).atldld.to_zarr(store)
    assert state(pid) == "gone"
    assert tree(store.parent) == expected
    assert verify(store).problems == ()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells that a process is stopped")
def test_a_worker_that_was_taken_for_dead_writes_no_more(server, cluster, tmp_path, whole):
    expected = whole(**FEW)
    store = tmp_path / "b" / "a.zarr"
    address, pid = one_ends(cluster, store, signal.SIGSTOP)
    running = threading.Thread(target=opened(server.url, **FEW).atldld.to_zarr, args=(store,))
    running.start()
    try:
        wait_for(lambda: state(pid) == "T")
        cluster.run_on_scheduler(forget_worker(address))
        running.join(60)
        assert not running.is_alive()
        assert tree(store.parent) == expected
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: state(pid) in ("gone", "Z"))  # it learns that nobody knows it
    assert tree(store.parent) == expected
