"""How fast a service is asked: by all threads of the process together."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """How many requests to a service are under way at once.

    As many as the settings allow, until answers starve: then half as many at once, and slowly more
    again, as TCP does it.
    """

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._under_way = 0
        self._allowed = math.inf
        self._halved = -math.inf

    @property
    def allowed(self) -> float:
        """How many requests may be under way at once, besides what the settings say."""
        return self._allowed

    @contextmanager
    def place(self) -> Iterator[float]:
        """Wait for one's turn, and hold it; gives the time at which it began."""
        with self._turn:
            while self._under_way >= max(1, int(min(self._allowed, 1e9))):
                self._turn.wait()
            self._under_way += 1
        try:
            yield time.monotonic()
        finally:
            with self._turn:
                self._under_way -= 1
                self._turn.notify()

    def starved(self, began: float) -> None:
        """Halve how many are under way, for an answer that began then and did not come.

        Answers starve together: those that began before the last time are no reason to halve again.
        """
        with self._turn:
            if began > self._halved:
                self._allowed = max(1.0, min(self._allowed, self._under_way) / 2)
                self._halved = time.monotonic()

    def came(self) -> None:
        """Allow a little more, for an answer that came."""
        with self._turn:
            self._allowed += 1 / self._allowed
            self._turn.notify()
