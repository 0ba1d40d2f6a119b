"""What this process has noticed of services that differ from what is known of Allen's.

Each thing is logged once, as a warning, and counted; `atldld-xr doctor` looks for them.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter

from atldld_xr.allen.tiers import Tile
from atldld_xr.forks import PerProcess
from atldld_xr.sources import answers, jpeg

_log = logging.getLogger(__name__)

_TELL = {
    "near": "a section image came as {size} where the metadata announces {asked}: such are cut "
    "or padded by their last pixels",
    "whole": "a window was asked for and the whole image came, {size} for {asked}: windows are cut "
    "here, from whole images",
    "colours": "an expression mask came in colour where grey was asked for: its intensity is the "
    "brightness of those colours",
}


class Noticed:
    """What is known of services, by address. Threads may use it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {}

    def enter(self, url: str, answer: answers.Answer, tile: Tile) -> None:
        """Count an answer, and warn of the first of a kind that should not be."""
        kind: str = answer.kind
        if kind == "exact" and not tile.whole:
            kind = "window"
        size, asked = f"{answer.width} x {answer.height}", f"{tile.width} x {tile.height}"
        self._count(url, kind, size=size, asked=asked)

    def look_for_colours(self, url: str, data: bytes) -> None:
        """Count a mask that was asked for in grey as one or as in colour; a black one as none."""
        counts = self.counts(url)
        if counts["colours"] or counts["grey"]:
            return
        if jpeg.is_grey(data):
            self._count(url, "grey")
            return
        width, height = jpeg.size(data)
        pixels = jpeg.decode(data, width=width, height=height, grey=False)
        if pixels.max() > 127:
            self._count(url, "colours" if answers.has_colours(pixels) else "grey")

    def cuts_windows(self, url: str) -> bool | None:
        """Tell whether a service cuts windows; None is not known."""
        counts = self.counts(url)
        return False if counts["whole"] else True if counts["window"] else None

    def counts(self, url: str) -> Counter[str]:
        """Return how many answers of each kind there were; a copy."""
        with self._lock:
            return Counter(self._counts.get(url, {}))

    def forget(self) -> None:
        """Start anew, as where other services come to be at the same addresses."""
        with self._lock:
            self._counts.clear()

    def _count(self, url: str, kind: str, **sizes: str) -> None:
        with self._lock:
            counts = self._counts.setdefault(url, Counter())
            counts[kind] += 1
            is_first = counts[kind] == 1
        if is_first and kind in _TELL:
            _log.warning("%s: %s", url, _TELL[kind].format(**sizes))


noticed = PerProcess(Noticed)
