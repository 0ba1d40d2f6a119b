"""Whole images that windows are cut from, where a service does not cut them itself."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

from atldld_xr.forks import PerProcess

_MOST_BYTES = 200_000_000


class WholeImages:
    """Pixels of the last whole images that were asked for: one, and more while they are small.

    Parameters
    ----------
    limit : int
        Bytes to keep, if they are of more than one image.
    """

    def __init__(self, limit: int = _MOST_BYTES) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, NDArray[np.uint8]] = OrderedDict()
        # Held while one is made: an image at full resolution has 0.3 GB of pixels, and as many
        # are in memory as are made at once.
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Return an image's pixels, made if they are not there; they must not be changed."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            room = self._limit - max((p.nbytes for p in self._kept.values()), default=0)
            self._drop(room)
            made = make()
            self._drop(self._limit - made.nbytes)
            self._kept[key] = made
            return made

    def _drop(self, limit: int) -> None:
        """Forget the least recently used until the others have no more bytes than a limit."""
        while self._kept and sum(p.nbytes for p in self._kept.values()) > limit:
            self._kept.popitem(last=False)


whole_images = PerProcess(WholeImages)
