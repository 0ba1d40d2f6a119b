"""Exports in processes of their own, to be killed; and what is to be known of the store left."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack, suppress

import dask
import google_crc32c
import pytest

import atldld_xr
from atldld_xr.errors import AtldldError
from atldld_xr.testing import Faults, Phantom

SMALL = Phantom(id=900000003, count=7, resolution=40.0)
SLOW = Faults(rate=1, kinds=("slow",), delay=0.05)
RECORDS = "atldld_xr_export"

# What Python tells of the steps that change a disk; the last is on the way to an exchange.
_STEPS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "open", "ctypes.dlsym"}
_LONG = 120

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["atldld_xr.export", "distributed", "fsspec.implementations.local", "requests", "zarr"]
)


def opened(url, *, derived=False, volume=False, **options):
    """Return a small data set of the service at an address."""
    if volume:
        return atldld_xr.open_volume(SMALL.id, source=url, resolution=100, **options)
    options = {"resolution": 50, "chunks": {"y": 96, "x": 96}, "on_error": "fill"} | options
    ds = atldld_xr.open_dataset(SMALL.id, source=url, **options)
    if derived:
        few = ds.image.isel(channel=0).mean(("y", "x"))
        ds = ds.assign(mean=ds.image.mean("coronal"), half=ds.image // 2, few=few)
    return ds


class Child:
    """A process that exports, or is about to.

    Parameters
    ----------
    url : str
        The service.
    store : Path
        Where the export goes.
    scheduler : str, optional
        The address of the cluster to compute on.
    dies : int, optional
        The step on the disk before which it kills itself.
    stops : bool
        Whether it is stopped there, as by SIGSTOP, and not killed.
    exchanges : bool
        Whether the system can exchange two folders at once.
    opening, writing : dict
        Arguments of `opened` and of ``to_zarr``.
    """

    def __init__(
        self,
        url,
        store,
        *,
        scheduler=None,
        dies=None,
        stops=False,
        exchanges=True,
        opening=(),
        **writing,
    ):
        self._end, end = _processes.Pipe()
        job = (url, str(store), scheduler, dies, stops, exchanges, dict(opening), writing)
        self._process = _processes.Process(target=_export, args=(end, job))
        self._process.start()
        end.close()

    def begun(self):
        """Wait until it begins to write."""
        assert self._told() == "begun"
        return self

    def kill(self):
        """Kill it, at the latest when it has done all."""
        os.kill(self._process.pid, signal.SIGKILL)
        self._left()

    def killed(self):
        """Wait until it has killed itself."""
        with pytest.raises(EOFError):
            self._told()
        assert self._left() == -signal.SIGKILL

    def stopped(self):
        """Wait until it is stopped."""
        deadline = time.monotonic() + _LONG
        while _state(self._process.pid) != "T":
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return self

    def revived(self):
        """Let it go on."""
        os.kill(self._process.pid, signal.SIGCONT)
        return self

    def end(self):
        """Wait for its end; return how many chunks it wrote, or what it failed of."""
        told = self._told()
        self._end.close()
        assert self._left() == 0
        return told

    def _left(self):
        self._process.join(_LONG)
        code = self._process.exitcode
        self._process.close()
        self._end.close()
        return code

    def _told(self):
        assert self._end.poll(_LONG)
        return self._end.recv()


def export(url, store, **options):
    """Export in a process of its own; return how many chunks it wrote, or what it failed of."""
    return Child(url, store, **options).begun().end()


def steps(url, store, **options):
    """Return after how many steps on the disk an export is done."""
    child = Child(url, store, dies=sys.maxsize, **options).begun()
    child._told()
    return child.end()


def _export(end, job):
    from atldld_xr.export.run import on_cluster, on_dask, run
    from atldld_xr.store import replace

    url, store, scheduler, dies, stops, exchanges, opening, writing = job
    # The runs are short; and for the same steps each time, nothing may depend on time.
    run._ENTERED = 0.02 if dies is None else -1
    on_dask._BATCH, on_cluster._UNITS = 5, 1
    if not exchanges:
        replace._exchange = lambda one, other: False
    settings = {"cache.enabled": False, "http.connections": 2, "http.backoff": 0.01}
    with ExitStack() as stack:
        stack.enter_context(atldld_xr.config.set(settings))
        if scheduler:
            from distributed import Client

            stack.enter_context(Client(scheduler))
        if dies is not None:
            stack.enter_context(dask.config.set(scheduler="sync"))
        ds = opened(url, **opening)
        end.send("begun")
        last = signal.SIGSTOP if stops else signal.SIGKILL
        count = _dying(os.path.dirname(store), dies, last) if dies is not None else None
        try:
            end.send(ds.atldld.to_zarr(store, **writing).blocks)
        except AtldldError as error:
            end.send(f"{type(error).__name__}: {error}")
        if count and not stops:
            end.send(count())
        with suppress(EOFError, ConnectionError):
            end.recv()  # its end is for others to say


def _dying(folder, dies, last):
    """Have this process killed or stopped before its n-th step in a folder; return what counts."""
    taken = 0

    def step(event, args):
        nonlocal taken
        if event not in _STEPS or (event == "open" and not str(args[0]).endswith(".atldld-part")):
            return
        if folder in str(args[0]) or args[-1] == "renameat2":
            taken += 1
            if taken == dies:
                os.kill(os.getpid(), last)

    sys.addaudithook(step)
    return lambda: taken


def _state(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def tree(folder):
    """Return all that is in a folder, by its path there: of files the content."""
    found = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file() or p.is_dir()}
    return {name: p.read_bytes() if p.is_file() else None for name, p in found.items()}


def entered(store):
    """Return the chunks of a store's ledger and their sizes, read without the package."""
    folder = store / RECORDS
    pages = [folder / "ledger.jsonl", *sorted((folder / "pages").glob("*.jsonl"))]
    done = {}
    for page in (p for p in pages if p.exists()):
        *lines, last = page.read_bytes().splitlines(keepends=True)
        assert json.loads(last)["crc32c of the above"] == google_crc32c.value(b"".join(lines))
        for line in map(json.loads, lines):
            if "array" in line:
                done[(line["array"], *line["chunk"])] = line["size"]
            elif "again" in line:
                for key in [k for k in done if k[0] in line["of"] and k[1] == line["again"]]:
                    del done[key]
            elif "anew" in line:
                done = {key: size for key, size in done.items() if key[0] != line["anew"]}
    return done


def marks(store, done):
    """Return what changes when the files of chunks are written again."""
    files = (
        store / key[0] / "c" / "/".join(map(str, key[1:])) for key, size in done.items() if size
    )
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def requests(server):
    """Return how many times the pixels of each section image were asked for."""
    return Counter(r.image_id for r in server.log if r.image_id is not None and r.status != 302)


def forget_requests(server):
    """Clear a server's log when nobody it still answers is left to enter it."""
    server.clear_log()
    while server.most_at_once:
        time.sleep(0.01)
        server.clear_log()


def at_work(dask_worker):
    """Return how many threads of a worker are at some task, whoever still wants it."""
    return len(dask_worker.active_threads)
