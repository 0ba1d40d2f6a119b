"""Ending before the threads do: what they are about to write, and what is to be taken back.

Threads that wait for a slow service are not waited for. What they write under a name of its own
first is finished, or not begun; and what a thread has taken for as long as it works, such as a
lease or a temporary file, is given back on its behalf.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

End = Callable[[], object]

_LONGEST = 5.0  # seconds; a disk that takes longer for a file may take for ever

_work: ContextVar[str] = ContextVar("work", default="")


class _Writes:
    """How many whole files are being written, and whether more may be begun."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.count = 0
        self.closed = False


_writes = _Writes()
_ends: dict[object, tuple[str, End]] = {}


@contextmanager
def whole_write() -> Iterator[None]:
    """Write a file that has another name until it is whole: `finish` waits for the end of this."""
    writes = _writes
    with writes.changed:
        # Once closed it stays so until the process ends, which it does with its threads waiting.
        writes.changed.wait_for(lambda: not writes.closed)
        writes.count += 1
    try:
        yield
    finally:
        with writes.changed:
            writes.count -= 1
            writes.changed.notify_all()


@contextmanager
def given_back(end: End) -> Iterator[None]:
    """Have something called, should the process or the work end before this does.

    Parameters
    ----------
    end : callable
        Takes no argument; called from another thread, at any time.
    """
    key = object()
    _ends[key] = (_work.get(), end)
    try:
        yield
    finally:
        _ends.pop(key, None)


@contextmanager
def work_named(name: str) -> Iterator[None]:
    """Give what this thread does a name, by which `give_back` finds it."""
    token = _work.set(name)
    try:
        yield
    finally:
        _work.reset(token)


def give_back(name: str | None = None) -> None:
    """Give back what is held by the work of a name, or by all: what still runs of it will fail."""
    for key, (work, end) in list(_ends.items()):
        if name in (None, work) and key in _ends:
            _ends.pop(key, None)
            with suppress(Exception):  # the others are to be given back all the same
                end()


def finish() -> None:
    """Wait for the files that are being written, have none begun any more, and give all back.

    The process is to end right after.
    """
    with _writes.changed:
        _writes.closed = True
        _writes.changed.wait_for(lambda: not _writes.count, _LONGEST)
    give_back()


def _start_anew() -> None:
    global _writes
    _writes = _Writes()
    _ends.clear()


if hasattr(os, "register_at_fork"):
    # What the parent's threads write, and hold, is the parent's.
    os.register_at_fork(after_in_child=_start_anew)
