"""The last pieces of a mirror that tiles were cut from, decoded."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

from atldld_xr.forks import PerProcess

_MOST_BYTES = 26_000_000  # two squares of 2048 px


class RecentPieces:
    """Pixels of the pieces that were asked for last; each is made once, whoever asks meanwhile.

    Parameters
    ----------
    limit : int
        Bytes to keep.
    """

    def __init__(self, limit: int = _MOST_BYTES) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, NDArray[np.uint8]] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(
        self, key: Hashable, make: Callable[[], NDArray[np.uint8] | None]
    ) -> NDArray[np.uint8] | None:
        """Return a piece's pixels, made if they are not there; they must not be changed.

        None, and errors, are not kept.
        """
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        # Others wait for a piece that is on its way, and for that alone.
        with making:
            try:
                with self._lock:
                    if key in self._kept:
                        self._kept.move_to_end(key)
                        return self._kept[key]
                made = make()
                if made is not None:
                    self._keep(key, made)
                return made
            finally:
                with self._lock:
                    self._making.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()

    def _keep(self, key: Hashable, made: NDArray[np.uint8]) -> None:
        with self._lock:
            self._kept[key] = made
            while sum(pixels.nbytes for pixels in self._kept.values()) > self._limit:
                self._kept.popitem(last=False)


recent_pieces = PerProcess(RecentPieces)
