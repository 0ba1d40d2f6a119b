"""What was heard of services last: whether they answered, so that nobody waits for them in vain."""

from __future__ import annotations

import time

from atldld_xr.forks import PerProcess
from atldld_xr.sources.protocol import Source

_RECENTLY = 60.0
"""Seconds for which a service that answered, or did not, is taken to do the same again."""

_heard: PerProcess[dict[str, tuple[float, str]]] = PerProcess(dict)
"""By address, when it was asked, and why it did not answer; "" if it did."""


def note(source: Source, failure: str) -> None:
    """Note that a source answered, or why it did not."""
    _heard()[source.url] = time.monotonic(), failure


def last_heard(source: Source) -> str | None:
    """Return why a source did not answer lately, "" if it did, None if nobody asked."""
    asked, failure = _heard().get(source.url, (-_RECENTLY, ""))
    return failure if 0 <= time.monotonic() - asked < _RECENTLY else None


def forget() -> None:
    """Know nothing of any."""
    _heard().clear()
