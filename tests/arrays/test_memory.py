"""Tiles in memory: fetched once, bounded, safe across forks, whatever the source is like."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

import atldld_xr
from atldld_xr.arrays.tile_memory import TILES, TileMemory
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.settings import config
from noise import DATASET_ID, NoiseSource


@dataclass
class Unhashable:
    """A source as people write one: equal by its fields, so that it has no hash."""

    source: NoiseSource
    asked: list = field(default_factory=list, compare=False)
    url: str = "memory"

    def dataset_record(self, dataset_id):
        return self.source.dataset_record(dataset_id)

    def image_record(self, image_id):
        return self.source.image_record(image_id)

    def tiers(self, image, view):
        return self.source.tiers(image, view)

    def tile_side(self, image, tier, view):
        return self.source.tile_side(image, tier, view)

    def read(self, image, tile, view):
        self.asked.append((image.id, tile, view))
        return self.source.read(image, tile, view)


def tile(_=None):
    return np.zeros(1000, np.uint8)


def test_who_asks_meanwhile_waits_for_the_first():
    memory, inside, go, calls = TileMemory(), threading.Event(), threading.Event(), []

    def fetch():
        calls.append(1)
        inside.set()
        assert go.wait(10)
        return "tile"

    found = []
    threads = [
        threading.Thread(target=lambda: found.append(memory.get("a", fetch))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    assert inside.wait(10)
    go.set()
    for thread in threads:
        thread.join()
    assert (found, calls) == (["tile"] * 3, [1])


def test_the_oldest_go_beyond_the_limit():
    memory, calls = TileMemory(), []
    with config.set({"memory.limit": "3kB"}):
        for key in (0, 1, 2, 0, 3, 0, 1):
            memory.get(key, lambda key=key: calls.append(key) or tile())
    assert calls == [0, 1, 2, 3, 1]


def test_a_limit_that_cannot_be_is_told_before_anything_is_fetched():
    memory = TileMemory()
    with config.set({"memory.limit": "much"}), pytest.raises(InvalidArgumentError):
        memory.get("a", lambda: pytest.fail("fetched"))
    assert memory.get("a", lambda: "tile") == "tile"


def test_a_source_that_cannot_be_hashed_is_read_without_dask():
    TILES.reset()
    opened = [Unhashable(NoiseSource(sections=n)) for n in (2, 2)]
    expected = atldld_xr.open_dataset(
        DATASET_ID, source=NoiseSource(sections=2), resolution=40, chunks=None
    ).load()
    for source in opened:
        ds = atldld_xr.open_dataset(DATASET_ID, source=source, resolution=40, chunks=None)
        for _ in range(2):
            np.testing.assert_array_equal(ds.image.compute().values, expected.image.values)
        assert source.asked
        assert len(source.asked) == len(set(source.asked))  # equal sources share nothing


FORK = """
import os, signal, threading
from atldld_xr.arrays.tile_memory import TILES

signal.alarm(30)
TILES.get("kept", lambda: "kept")
inside, go = threading.Event(), threading.Event()
def slow():
    inside.set()
    go.wait()
    return "parent's"
thread = threading.Thread(target=TILES.get, args=("a", slow))
thread.start()
inside.wait()
with TILES._lock:  # as another thread may, at any time
    child = os.fork()
    if not child:
        signal.alarm(10)
        found = [TILES.get(key, lambda: "child's") for key in ("a", "kept")]
        os._exit(0 if found == ["child's"] * 2 else 1)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
go.set()
thread.join()
assert TILES.get("a", lambda: "again") == "parent's"
raise SystemExit(code)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_waits_for_no_thread_of_its_parent():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_is_the_affair_of_who_is_interrupted(interrupt):
    memory, inside, go = TileMemory(), threading.Event(), threading.Event()
    calls, got = [], []

    def interrupted():
        inside.set()
        assert go.wait(10)
        raise interrupt

    def first():
        with pytest.raises(interrupt):
            memory.get("a", interrupted)

    def other():
        try:
            got.append(memory.get("a", lambda: calls.append(1) or "tile"))
        except BaseException as error:  # whatever it is, the test is to see it
            got.append(error)

    threads = [threading.Thread(target=first)]
    threads[0].start()
    assert inside.wait(10)
    threads += [threading.Thread(target=other) for _ in range(4)]
    for thread in threads[1:]:
        thread.start()
    waiting = memory._tiles["a"]._condition  # Futures do not tell who waits for them
    while len(waiting._waiters) < 4:
        pass
    go.set()
    for thread in threads:
        thread.join()
    assert (got, calls) == (["tile"] * 4, [1])
    assert memory.get("a", lambda: pytest.fail("fetched")) == "tile"


def test_a_failure_is_told_to_all_who_wait_and_not_kept():
    memory, inside, go, got = TileMemory(), threading.Event(), threading.Event(), []

    def fetch():
        inside.set()
        assert go.wait(10)
        raise OSError("gone")

    def get():
        try:
            memory.get("a", fetch)
        except OSError as error:
            got.append(str(error))

    threads = [threading.Thread(target=get) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert inside.wait(10)
    go.set()
    for thread in threads:
        thread.join()
    assert got == ["gone"] * 3
    assert memory.get("a", lambda: "tile") == "tile"
