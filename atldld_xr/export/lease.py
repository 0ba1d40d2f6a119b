"""Lease: of two exports into one store at the same time, one wins and the other says so."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from atldld_xr.errors import AtldldError, StoreError
from atldld_xr.export.place import Place
from atldld_xr.export.records import RECORDS

LEASE = f"{RECORDS}/lease.json"
RENEWED, STALE = 10, 60
"""Seconds between two signs of life, and without one until others may take over."""


class Lease:
    """The right to write to a store, for as long as this process gives signs of life."""

    def __init__(self, store: Place) -> None:
        self._store = store
        self._id = uuid.uuid4().hex
        self._ended = threading.Event()
        self._lost = ""

    def check(self) -> None:
        """Raise a StoreError if another export has taken over."""
        if self._lost:
            raise StoreError(self._lost)

    def take(self) -> None:
        """Get the lease.

        Raises
        ------
        StoreError
            If another export has it.
        """
        holder = read_holder(self._store)
        if holder is not None:
            alive = is_alive(holder)
            if alive:
                raise StoreError(_taken(self._store.url, holder))
            self._store.remove([LEASE])
        if not self._store.create(LEASE, self._content()):
            holder = read_holder(self._store) or {}
            raise StoreError(_taken(self._store.url, holder))
        holder = read_holder(self._store)
        if holder is None or holder.get("id") != self._id:
            raise StoreError(_taken(self._store.url, holder or {}))

    def renew(self) -> None:
        """Give signs of life until the end."""
        while not self._ended.wait(RENEWED):
            try:
                holder = read_holder(self._store)
                if holder is not None and holder.get("id") != self._id:
                    self._lost = _taken(self._store.url, holder)
                    return
                self._store.put(LEASE, self._content())
            except AtldldError:
                continue  # out of reach for now; who writes chunks will say so

    def stop(self) -> None:
        """End the signs of life."""
        self._ended.set()

    def end(self) -> None:
        """Give the lease back."""
        if not self._lost:
            self._store.remove([LEASE])

    def _content(self) -> bytes:
        about = {
            "id": self._id,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "started": _started(os.getpid()),
            "renewed": time.time(),
        }
        return json.dumps(about).encode()


@contextmanager
def lease(store: Place) -> Iterator[Lease]:
    """Hold the lease of a store.

    Raises
    ------
    StoreError
        If another export has it.
    """
    mine = Lease(store)
    mine.take()
    thread = threading.Thread(target=mine.renew, name="atldld-lease", daemon=True)
    thread.start()
    try:
        yield mine
    finally:
        mine.stop()
        thread.join()
        with contextlib.suppress(AtldldError):  # out of reach: the lease grows stale
            mine.end()


def read_holder(store: Place) -> dict[str, Any] | None:
    """Return who has the lease, None if nobody."""
    content = store.get(LEASE)
    if content is None:
        return None
    try:
        holder = json.loads(content)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def is_alive(holder: dict[str, Any]) -> bool:
    """Return whether the holder may still be writing: on this machine its process tells."""
    if holder.get("host") == socket.gethostname() and _started(os.getpid()):
        process = holder.get("process")
        started = _started(process) if isinstance(process, int) else None
        return started is not None and started == holder.get("started")
    renewed = holder.get("renewed")
    return isinstance(renewed, int | float) and abs(time.time() - renewed) < STALE


def _taken(url: str, holder: dict[str, Any]) -> str:
    process, host = holder.get("process", "?"), holder.get("host", "?")
    return (
        f"another export is writing to {url} (process {process} on {host}); if it no longer runs, "
        f"try again in {STALE} s"
    )


def _started(process: int) -> str | None:
    """Return when a process that runs was started, where Linux tells; its number is used again."""
    try:
        state, *fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else fields[18]
