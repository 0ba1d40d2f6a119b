"""A source that waits in each read until it may go on, and what is asked of a store of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from atldld_xr.errors import SectionImageError
from noise import NoiseSource


@dataclass(frozen=True)
class Gated(NoiseSource):
    """Tells of each read, and waits in it until it may go on; fails first, if it is to."""

    reads: list = field(default_factory=list, hash=False, compare=False)
    may_go_on: threading.Event = field(default_factory=threading.Event, hash=False, compare=False)
    failing: list = field(default_factory=list, hash=False, compare=False)

    def read(self, image: Any, tile: Any, view: str) -> Any:
        self.reads.append((image.id, tile))
        assert self.may_go_on.wait(10)
        if self.failing:
            raise SectionImageError(image.id, "here", self.failing.pop())
        return super().read(image, tile, view)


def first_key(store: Any, level: int = 0) -> str:
    """Return the key of a chunk that has something."""
    return f"{level}/c/0/{store.pyramid.planes.places[0]}/1/1"
