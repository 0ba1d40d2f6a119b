"""At most so many requests a second, of all threads of a process."""

from __future__ import annotations

import threading
import time


class TokenBucket:
    """Tokens that come at a rate, of which a second's are kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full = 0.0  # when all that was taken has come again

    def take(self, rate: float) -> None:
        """Wait for a token, and take it.

        Parameters
        ----------
        rate : float
            How many come a second.
        """
        with self._lock:
            now = time.monotonic()
            kept = max(1.0 - 1.0 / rate, 0.0)  # what can be taken at once, in seconds
            start = max(self._full, now)
            self._full = start + 1.0 / rate
        if (wait := start - kept - now) > 0:
            time.sleep(wait)
