"""How fast a service is asked: by all threads of the process together."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_TELL_EVERY = 10.0  # seconds; many threads wait for the same reason


class Pace:
    """How many requests to a service are under way at once, and when the next may be made.

    As many as the settings allow, until answers starve: then half as many at once, and slowly more
    again, as TCP does it. None while the service is left in peace.

    Attributes
    ----------
    is_gone : bool
        Whether it could not be reached the last time, after a second try.
    """

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._under_way = self._in_a_row = 0
        self._allowed = math.inf
        self._halved = self._paused_until = self._told = -math.inf
        self.is_gone = False

    @property
    def allowed(self) -> float:
        """How many requests may be under way at once, besides what the settings say."""
        return self._allowed

    @contextmanager
    def place(self) -> Iterator[float]:
        """Wait for one's turn, and hold it; gives the time at which it began."""
        with self._turn:
            while True:
                pause = self._paused_until - time.monotonic()
                if pause > 0:
                    self._turn.wait(pause)
                elif self._under_way + 1 > self._allowed:
                    self._turn.wait()
                else:
                    break
            self._under_way += 1
        try:
            yield time.monotonic()
        finally:
            with self._turn:
                self._under_way -= 1
                # All, as one may have woken to find that there is a pause.
                self._turn.notify_all()

    def starved(self, began: float) -> None:
        """Halve how many are under way, for an answer that began then and did not come.

        Answers starve together: those that began before the last time are no reason to halve again.
        """
        with self._turn:
            if began > self._halved:
                self._allowed = max(1.0, min(self._allowed, self._under_way) // 2)
                self._halved = time.monotonic()

    def pause(self, seconds: float) -> None:
        """Have no request made for a while; one that is under way goes on."""
        with self._turn:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    def came(self) -> None:
        """Take note of an answer that came, and allow a little more."""
        with self._turn:
            self._in_a_row, self.is_gone = 0, False
            self._allowed += 1 / self._allowed
            self._turn.notify_all()

    def failed(self) -> int:
        """Take note of one that did not; returns how many that makes in a row."""
        with self._turn:
            self._in_a_row += 1
            return self._in_a_row

    def may_tell(self) -> bool:
        """Tell whether it is time to say again that there is a wait."""
        with self._turn:
            now = time.monotonic()
            if now < self._told + _TELL_EVERY:
                return False
            self._told = now
            return True
