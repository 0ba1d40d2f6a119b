"""Lease: of two exports into one store at the same time, one wins and the other says so."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from atldld_xr.errors import AtldldError, StoreError
from atldld_xr.files.ending import given_back
from atldld_xr.files.file_store import FileStore
from atldld_xr.files.folders import locked, make_folders
from atldld_xr.files.paths import name_beside
from atldld_xr.foreign_json import parse_json
from atldld_xr.store.store_plan import RECORDS

LEASE = f"{RECORDS}/lease.json"
RENEWED, STALE = 10, 60
"""Seconds between two signs of life, and without one until others may take over."""

_MOST = 1 << 16

_HELD: set[str] = set()
"""Of this process; one that it could not give back is not among them."""


class Lease:
    """The right to write to a store, for as long as its process gives signs of life.

    It goes along with what is written elsewhere on its behalf: whoever has lost it stops, so that
    nothing left over from an export that was ended writes into the next one's store.

    Parameters
    ----------
    store : FileStore
        The store.
    id : str, optional
        Of a lease that was taken.
    """

    def __init__(self, store: FileStore, id: str | None = None) -> None:
        self._store = store
        self._folder, self._key = _home(store)
        self.id = id or uuid.uuid4().hex
        self._ended = threading.Event()
        self._telling = threading.Lock()
        self._seen = -float("inf")

    def __reduce__(self) -> Any:
        return Lease, (self._store, self.id)

    def check(self, *, every: float = 0.0) -> None:
        """Raise a StoreError if the lease is another's by now.

        Parameters
        ----------
        every : float
            For how many seconds the last look is good enough.
        """
        if time.monotonic() - self._seen < every:
            return
        looked = time.monotonic()
        holder = self._holder()
        if holder is None or holder.get("id") != self.id:
            raise StoreError(_taken(self._store.url, holder or {}))
        self._seen = looked

    def make_room(self) -> None:
        """Make the folder that the lease is in."""
        if self._folder.is_local:
            with self._store.storing():
                make_folders(os.path.dirname(os.path.join(self._folder.url, self._key)))

    def take(self) -> None:
        """Get the lease.

        Raises
        ------
        StoreError
            If another export has it.
        """
        with self._alone():
            holder = self._holder()
            if holder is not None:
                if is_alive(holder):
                    raise StoreError(_taken(self._store.url, holder))
                self._folder.remove([self._key])
            if not self._folder.create(self._key, self._content()):
                raise StoreError(_taken(self._store.url, self._holder() or {}))
            self._folder.tidy(self._key)
        self.check()

    def renew(self) -> None:
        """Give signs of life until the end."""
        while not self._ended.wait(RENEWED):
            # Out of reach for now: who writes chunks will say so. Lost: so will who looks.
            with contextlib.suppress(AtldldError), self._telling:
                self._tell(self.id)

    def leave_behind(self) -> None:
        """Go on with another id: what works on behalf of the one so far is to stop.

        Raises
        ------
        StoreError
            If that cannot be told: the lease is lost. One that another has by now is left alone;
            the next `check` says so.
        """
        with self._telling:  # no sign of life comes later that has the former one
            former, self.id = self.id, uuid.uuid4().hex
            if former in _HELD:
                _HELD.add(
                    self.id
                )  # before it is told: a holder of this process that is not is gone
            try:
                self._tell(former)
            finally:
                _HELD.discard(former)

    def stop(self) -> None:
        """End the signs of life."""
        self._ended.set()

    def end(self) -> None:
        """Give the lease back."""
        with self._alone():
            self.check()
            self._seen = -float("inf")
            self._folder.remove([self._key])

    def _tell(self, former: str) -> None:
        """Say that this one has the lease, if the one that is known by an id still has it."""
        if not self._folder.is_local:
            if (self._holder() or {}).get("id") == former:
                self._folder.put(self._key, self._content())
            return
        # Into the file itself: who takes over makes another one, which this does not touch, however
        # long the process is stopped here. What is written is as long as what was there.
        with (
            self._folder.storing(),
            open(os.path.join(self._folder.url, self._key), "r+b", buffering=0) as file,
        ):
            if former.encode() in file.read(_MOST):
                file.seek(0)
                file.write(self._content())
                file.truncate()

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """Keep other processes of this machine from doing the same, where the system can."""
        return locked(self._folder.url) if self._folder.is_local else contextlib.nullcontext()

    def _holder(self) -> dict[str, Any] | None:
        return _read(self._folder, self._key)

    def _content(self) -> bytes:
        about = {
            "id": self.id,
            "store": self._store.url,
            "host": socket.gethostname(),
            "machine": _machine(),
            "process": os.getpid(),
            "started": _started(os.getpid()),
            "renewed": round(time.time()),
        }
        return json.dumps(about).encode()


@contextmanager
def lease(store: FileStore) -> Iterator[Lease]:
    """Hold the lease of a store.

    Raises
    ------
    StoreError
        If another export has it.
    """
    mine = Lease(store)
    thread = threading.Thread(target=mine.renew, name="atldld-lease", daemon=True)
    _HELD.add(mine.id)
    try:
        with given_back(mine.end):
            try:
                mine.make_room()
                mine.take()
            except KeyboardInterrupt:
                with contextlib.suppress(AtldldError):  # if it was taken
                    mine.end()
                raise
            thread.start()
            try:
                yield mine
            finally:
                mine.stop()
                thread.join()
                with contextlib.suppress(AtldldError):  # lost; or out of reach: it grows stale
                    mine.end()
    finally:
        _HELD.discard(mine.id)


def read_holder(store: FileStore) -> dict[str, Any] | None:
    """Return who has the lease, None if nobody."""
    return _read(*_home(store))


def is_alive(holder: dict[str, Any]) -> bool:
    """Return whether the holder may still be writing; on this machine its process tells too."""
    if _is_gone(holder):
        return False
    renewed = holder.get("renewed")
    try:
        return isinstance(renewed, int | float) and abs(time.time() - renewed) < STALE
    except OverflowError:
        return False


def _is_gone(holder: dict[str, Any]) -> bool:
    machine, process = _machine(), holder.get("process")
    if not machine or holder.get("machine") != machine:
        return False
    if not isinstance(process, int) or process < 1:
        return True
    started = _started(process)
    if started is None:
        return not _is_hidden(process)
    if started != holder.get("started"):
        return True
    return process == os.getpid() and holder.get("id") not in _HELD


def _home(store: FileStore) -> tuple[FileStore, str]:
    """Return where the lease of a store is: beside it, as it outlasts the store being replaced.

    Only where there is nothing beside it, as in a bucket, it is in the store.
    """
    store = store.real()
    if not store.is_movable:
        return store, LEASE
    folder, name = os.path.split(store.url)
    return FileStore(folder), name_beside(name, ".", ".atldld-lease")


def _read(folder: FileStore, key: str) -> dict[str, Any] | None:
    content = folder.get(key, _MOST)
    if content is None:
        return None
    try:
        holder = parse_json(content)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _taken(url: str, holder: dict[str, Any]) -> str:
    process, host = (
        re.sub(r"[^\w.-]", "?", str(holder.get(name, "?"))[:60]) for name in ("process", "host")
    )
    return (
        f"another export is writing to {url} (process {process} on {host}); if it no longer runs, "
        f"try again in {STALE} s"
    )


@lru_cache(maxsize=1)
def _machine() -> str:
    """Return what tells apart machines, and containers, that count processes for themselves.

    Empty where the system does not tell.
    """
    try:
        started = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{started} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _is_hidden(process: int) -> bool:
    """Return whether a process runs, of which the system tells this user nothing else."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _started(process: int) -> str | None:
    """Return when a process that runs was started, where Linux tells; its number is used again."""
    try:
        state, *fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else fields[18]
