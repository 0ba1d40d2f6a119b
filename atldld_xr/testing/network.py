"""How bytes travel from the test server: late, and as fast as a line of some width lets them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

# Pieces are sent this far apart: often enough that a client sees a stream, seldom enough that a
# server of many connections leaves the processors to whoever is measured.
_INTERVAL = 0.02


@dataclass(frozen=True)
class Network:
    """A line between server and client; each connection has one of its own.

    Parameters
    ----------
    latency : float
        Seconds that pass before each answer begins, also a redirect's.
    bandwidth : float, optional
        Bytes a second of a body. Default: as fast as they go.
    chunked : bool
        Whether answers say only at their end how long they are.
    host : str
        The address to listen on.

    Raises
    ------
    ValueError
        If the latency is negative, or the bandwidth not positive.
    """

    latency: float = 0.0
    bandwidth: float | None = None
    chunked: bool = False
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        if not self.latency >= 0:
            raise ValueError(f"latency is a number of seconds, not {self.latency}")
        if self.bandwidth is not None and not self.bandwidth > 0:
            raise ValueError(f"bandwidth is a number of bytes a second, not {self.bandwidth}")

    def wait(self, ended: threading.Event) -> None:
        """Wait as long as an answer takes to begin, unless the server ends."""
        if self.latency:
            ended.wait(self.latency)

    def pieces(self, body: bytes, ended: threading.Event) -> Iterator[memoryview]:
        """Yield a body in pieces, each when the line would have carried it."""
        view = memoryview(body)
        if self.bandwidth is None:
            yield view
            return
        size = max(int(self.bandwidth * _INTERVAL), 1)
        begun = time.monotonic()
        yield view[:0]  # the headers do not wait
        for start in range(0, len(view), size):
            piece = view[start : start + size]
            # By the clock, not by sleeps added up: what one takes too long, the next makes up for.
            due = begun + (start + len(piece)) / self.bandwidth
            ended.wait(max(due - time.monotonic(), 0))
            yield piece
