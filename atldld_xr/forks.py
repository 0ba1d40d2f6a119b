"""What each process has of its own: a forked child gets it anew.

The threads that held a lock, a permit or a connection when a process was forked do not live on in
the child, where nobody would ever give it back.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def after_fork(renew: Callable[[], object]) -> None:
    """Have something called in each child that is forked from this process, before all else."""
    if hasattr(os, "register_at_fork"):  # where it is not, no process is forked
        os.register_at_fork(after_in_child=renew)


class PerProcess(Generic[T]):
    """A lock, a table of connections or such, of which a process has one.

    Parameters
    ----------
    make : callable
        ``make() -> value``; it is called in each process that asks.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._forget()
        after_fork(self._forget)

    def __call__(self) -> T:
        """Return this process's own."""
        try:
            return self._own[""]
        except KeyError:  # of two threads that come here first, both get the same
            return self._own.setdefault("", self._make())

    def _forget(self) -> None:
        self._own: dict[str, T] = {}
