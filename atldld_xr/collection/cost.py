"""What a table takes, told of the data sets whose records are known and scaled to all. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from atldld_xr.datasets.fetching import Fetching
from atldld_xr.messages.text import format_bytes, format_count, format_duration

T = TypeVar("T")

PROCESSOR_SECONDS_PER_MEGAPIXEL = 0.04
"""Of pixels that are fetched, images and masks alike: decoded, warped to the resolution that asked
for that tier, and counted by structure. Measured, see docs/costs.md."""

GRID_BYTES = 130_000
"""Of a grid of 200 um as it is sent: a recorded one of energy, compressed."""

PROCESSOR_SECONDS_PER_GRID = 0.1
"""Unpacked, and counted by structure."""


@dataclass(frozen=True)
class Need:
    """What one data set takes.

    Attributes
    ----------
    sections : int
        That are read of it; 0 of one that is counted on its grid.
    requests, estimated_bytes : int
        For images, masks and grids, with nothing in any cache.
    processor_seconds : float
        Of one processor.
    """

    sections: int
    requests: int
    estimated_bytes: int
    processor_seconds: float


@dataclass(frozen=True)
class Cost:
    """What the rows of a table take, with nothing in any cache. Printed, it is two lines.

    Attributes
    ----------
    datasets : int
        Rows that are to be made.
    known : int
        Data sets whose records this comes from. If these are all, sections and requests are exact.
    sections, requests : int
        That are read, and requests for images, masks and grids.
    estimated_bytes : int
        About what is downloaded.
    seconds : float
        About how long fetching takes, at the polite rate.
    assumed : str
        That time in words, with what it assumes.
    processor_seconds : float
        About what counting takes of one processor.
    """

    datasets: int
    known: int
    sections: int
    requests: int
    estimated_bytes: int
    seconds: float
    assumed: str
    processor_seconds: float

    def __str__(self) -> str:
        by = "" if self.is_exact else f", by the records of {self.known:,}"
        about = "" if self.is_exact else "about "
        return (
            f"{format_count(self.datasets, 'data set')}{by}: "
            f"{about}{format_count(self.sections, 'section')}, "
            f"{format_count(self.requests, 'request')} for images, "
            f"about {format_bytes(self.estimated_bytes)}\n"
            f"to fetch: {self.assumed}; to count: about "
            f"{format_duration(self.processor_seconds)} of one processor"
        )

    @property
    def is_exact(self) -> bool:
        """Whether all records were known."""
        return self.known >= self.datasets


def cost_of(
    needs: Sequence[Need],
    datasets: int,
    *,
    connections: int,
    requests_per_second: float | None,
) -> Cost:
    """Return what data sets take, by what some of them do.

    Parameters
    ----------
    needs : sequence of Need
        Of those whose records are known; of what cannot be opened nothing is needed.
    datasets : int
        All of them.
    connections, requests_per_second
        The polite rate: the settings of these names.
    """
    times = datasets / max(len(needs), 1)
    fetching = Fetching(
        round(sum(need.requests for need in needs) * times),
        round(sum(need.estimated_bytes for need in needs) * times),
        connections,
        requests_per_second,
    )
    return Cost(
        datasets=datasets,
        known=len(needs),
        sections=round(sum(need.sections for need in needs) * times),
        requests=fetching.requests,
        estimated_bytes=fetching.estimated_bytes,
        seconds=fetching.seconds,
        assumed=fetching.in_words(),
        processor_seconds=sum(need.processor_seconds for need in needs) * times,
    )


def spread(items: Sequence[T], most: int) -> list[T]:
    """Return at most so many items, from all parts of a sequence alike."""
    count = min(len(items), most)
    return [items[(2 * at + 1) * len(items) // (2 * count)] for at in range(count)]
