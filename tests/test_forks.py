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

# A parent whose threads are all in the midst of what they have a permit or a lock for.
WORKING = """
import os, signal, sys, threading
import numpy as np, simplejpeg
from atldld_xr.compute.processors import processors
from atldld_xr.files.storage_options import register
from atldld_xr.sources import jpeg

data = simplejpeg.encode_jpeg(np.zeros((8, 8, 3), np.uint8))
decode_jpeg = simplejpeg.decode_jpeg
within, forked = threading.Semaphore(0), threading.Event()

def slowly(*args, **kwargs):
    within.release()
    forked.wait()
    return decode_jpeg(*args, **kwargs)

class Slow:  # options are compared under the lock
    def __eq__(self, other):
        within.release()
        forked.wait()
        return True

def decode():
    return jpeg.decode(data, width=8, height=8, grey=False)

simplejpeg.decode_jpeg = slowly
register({"key": Slow()})
threads = [threading.Thread(target=decode) for _ in range(processors())]
threads.append(threading.Thread(target=register, args=({"key": Slow()},)))
for thread in threads: thread.start()
for _ in threads: assert within.acquire(timeout=30)
child = os.fork()
if not child:
    signal.alarm(20)
    simplejpeg.decode_jpeg = decode_jpeg
    Slow.__eq__ = lambda self, other: False
    decode()
    register({"key": "other"})
    os._exit(0)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
forked.set()
for thread in threads: thread.join()
if code: sys.exit(f"the child ended with {code}")
"""


@pytest.mark.parametrize("script", [HELD, WORKING], ids=["every lock is held", "all decode"])
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
