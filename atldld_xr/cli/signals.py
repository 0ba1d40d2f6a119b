"""Signals that ask the command line to end: each is taken as Ctrl-C is."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
ENDING = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
"""Ctrl-C, what batch systems send some time before they kill, and the end of a terminal."""

# Seconds for which a second signal is taken for the first: terminals and `timeout` send to the
# process and to its group, and wrappers pass on what they have got themselves.
_SAME = 0.5


class Interrupted(KeyboardInterrupt):
    """A signal has come that asks the process to end.

    Parameters
    ----------
    number : int
        Which.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def exit_code(error: BaseException) -> int:
    """Return the exit code of an interrupted program, as shells have it."""
    return 128 + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


@contextmanager
def heeded() -> Iterator[None]:
    """Have signals raise `Interrupted` once; a second one ends the process where it is.

    What is ignored stays so (``nohup``), and outside of the main thread nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    first: float | None = None

    def handle(number: int, _: FrameType | None) -> None:
        nonlocal first
        if first is None:
            first = time.monotonic()
            raise Interrupted(number)
        if time.monotonic() - first > _SAME:
            os._exit(128 + number)

    before = {number: signal.getsignal(number) for number in ENDING}
    changed = [n for n, handler in before.items() if handler not in (None, signal.SIG_IGN)]
    try:
        for number in changed:
            signal.signal(number, handle)
        yield
    finally:
        for number in changed:
            signal.signal(number, before[number])


@contextmanager
def held() -> Iterator[None]:
    """Have signals wait until the end of this, and for ever in threads and processes begun in it.

    A terminal sends Ctrl-C to all its processes: those that work for this one end with it.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
