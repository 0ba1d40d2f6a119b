"""What a forked child has of its own: it waits for nothing that a thread of its parent held."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

# In the parent other threads hold every lock and permit that a module keeps.
HELD = """
import importlib, multiprocessing, pkgutil, sys, threading
import atldld_xr
from atldld_xr.settings import config

def kept():
    for found in pkgutil.walk_packages(atldld_xr.__path__, "atldld_xr."):
        if found.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(found.name)).items():
            if type(value).__name__ == "PerProcess":
                value = value()
            if hasattr(value, "acquire") and not isinstance(value, type):
                yield f"{found.name}.{name}", value
    yield "the tiles", atldld_xr.arrays.tile_memory.TILES._lock
    yield "the settings", config.config_lock

def hold(lock):
    while lock.acquire(blocking=False):
        pass

def in_child(done):
    late = [name for name, lock in kept() if not lock.acquire(timeout=2)]
    done.put(late)

locks = dict(kept())
assert {"atldld_xr.sources.jpeg._DECODING", "the tiles", "the settings"} <= set(locks)
assert len(locks) >= 5
for lock in locks.values():
    thread = threading.Thread(target=hold, args=(lock,))
    thread.start()
    thread.join()
context = multiprocessing.get_context("fork")
done = context.SimpleQueue()
child = context.Process(target=in_child, args=(done,))
child.start()
child.join(30)
alive = child.is_alive()
child.kill()
sys.exit("waits for ever" if alive else f"never got {late}" if (late := done.get()) else 0)
"""

# A parent of which all permits are taken by threads that decode, again and again.
DECODING = """
import os, signal, sys, threading
import numpy as np, simplejpeg
from atldld_xr.sources import jpeg; from atldld_xr import utils
from atldld_xr.files.storage_options import share

data = simplejpeg.encode_jpeg(np.zeros((1000, 1000, 3), np.uint8))
def decode(): return jpeg.decode(data, width=1000, height=1000, grey=False)
ended = threading.Event()
def again():
    while not ended.is_set():
        decode()
        share({"key": "value"})
threads = [threading.Thread(target=again) for _ in range(6)]
for thread in threads: thread.start()
try:
    for _ in range(15):
        child = os.fork()
        if not child:
            signal.alarm(20)
            decode()
            share({"key": "other"})
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code: sys.exit(f"the child ended with {code}")
finally:
    ended.set()
    for thread in threads: thread.join()
"""


@pytest.mark.parametrize("script", [HELD, DECODING], ids=["every lock is held", "all decode"])
def test_a_forked_child_waits_for_nothing(script):
    run_script(script)


def run_script(script):
    """Run a program of its own, which is to end well."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr


# A child that is forked while a thread has a folder locked, and outlives that.
LOCKED = """
import os, signal, sys, tempfile, threading
from atldld_xr.files import folders

folders.PATIENCE = 1.0
folder = tempfile.mkdtemp()
taken, forked = threading.Event(), threading.Event()
def hold():
    with folders.locked(folder):
        taken.set()
        forked.wait()
thread = threading.Thread(target=hold)
thread.start()
taken.wait()
child = os.fork()
if not child:
    signal.alarm(60)
    signal.pause()
forked.set()
thread.join()
try:
    with folders.locked(folder):
        pass
finally:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.rmdir(folder)
"""


def test_a_forked_child_keeps_no_folder_locked():
    run_script(LOCKED)
