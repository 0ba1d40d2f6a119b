"""How long fetching takes, at the polite rate. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from atldld_xr.messages.text import format_bytes, format_count, format_duration

JPEG_BYTES_PER_PIXEL = 0.25
"""A rough figure to estimate downloads by. Sections have much plain background: recorded ones of
in situ hybridization take about 0.16 bytes per pixel at tier 2, and more where they are coarser."""

SECONDS_PER_REQUEST = 0.2
"""Two ways across an ocean and back, as the service answers by a redirect."""

BYTES_PER_SECOND = 4e6
"""Of a connection."""


@dataclass(frozen=True)
class Fetching:
    """What is fetched, and how it is asked for.

    Attributes
    ----------
    requests, estimated_bytes : int
        In all.
    connections : int
        Requests at a time: the setting ``http.connections``.
    requests_per_second : float or None
        The setting of that name.
    seconds_per_request, bytes_per_second : float
        What is assumed of each request, and of each connection.
    """

    requests: int
    estimated_bytes: int
    connections: int
    requests_per_second: float | None
    seconds_per_request: float = SECONDS_PER_REQUEST
    bytes_per_second: float = BYTES_PER_SECOND

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        at_once = max(min(self.connections, self.requests), 1)
        rounds = math.ceil(self.requests / at_once)
        fetching = rounds * self.seconds_per_request
        fetching += self.estimated_bytes / (at_once * self.bytes_per_second)
        return max(fetching, self.requests / (self.requests_per_second or math.inf))

    def in_words(self) -> str:
        """Return the time, and what it assumes."""
        if not self.requests:
            return "none"
        rate = self.requests_per_second
        limit = f", at most {rate:g} requests a second" if rate else ""
        return (
            f"about {format_duration(self.seconds)}: {self.seconds_per_request:g} s a request over "
            f"{format_count(self.connections, 'connection')} of "
            f"{format_bytes(round(self.bytes_per_second))}/s{limit}"
        )
