"""Segments of slides, decoded: windows and sections that lie side by side share those between."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from atldld_xr.forks import PerProcess

Pixels = NDArray[np.uint8]
K = TypeVar("K", bound=Hashable)


class RecentSegments:
    """The last segments; what one thread is making, others wait for.

    Parameters
    ----------
    limit : int
        Bytes to keep.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._kept: OrderedDict[Hashable, Pixels] = OrderedDict()
        self._making: dict[Hashable, Future[Pixels]] = {}
        self._lock = threading.Lock()

    def get(
        self, keys: Sequence[K], make: Callable[[Sequence[K]], Sequence[Pixels]]
    ) -> list[Pixels]:
        """Return segments by key, in the order of the keys; they must not be changed.

        Parameters
        ----------
        keys : sequence
            Which; none twice.
        make : callable
            Returns those of some keys, in their order; called once, for those that nobody has.
        """
        found: dict[K, Pixels] = {}
        waited: dict[K, Future[Pixels]] = {}
        own: dict[K, Future[Pixels]] = {}
        with self._lock:
            for key in keys:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found[key] = self._kept[key]
                elif key in self._making:
                    waited[key] = self._making[key]
                else:
                    own[key] = self._making[key] = Future()
        # First one's own, and then what others make: so nobody waits in a circle.
        if own:
            found |= self._make(own, make)
        failed = []
        for key, future in waited.items():
            try:
                found[key] = future.result()
            except Exception:  # which is the other's to tell
                failed.append(key)
        if failed:
            found |= zip(failed, make(failed), strict=True)
        return [found[key] for key in keys]

    def _make(
        self, own: dict[K, Future[Pixels]], make: Callable[[Sequence[K]], Sequence[Pixels]]
    ) -> dict[K, Pixels]:
        keys = list(own)
        try:
            made = dict(zip(keys, make(keys), strict=True))
        except BaseException as error:
            self._end(keys)
            for future in own.values():
                # Made anew, as the error's traceback would keep what is in memory there.
                future.set_exception(RuntimeError(type(error).__name__))
            raise
        self._end(keys, made)
        for key, future in own.items():
            future.set_result(made[key])
        return made

    def _end(self, keys: Sequence[Hashable], made: dict[K, Pixels] | None = None) -> None:
        with self._lock:
            for key in keys:
                del self._making[key]
            for key, pixels in (made or {}).items():
                self._kept[key] = pixels
                self._size += pixels.nbytes
            while self._kept and self._size > self._limit:
                self._size -= self._kept.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        """Forget all that is kept."""
        with self._lock:
            self._kept.clear()
            self._size = 0


recent_segments = PerProcess(lambda: RecentSegments(128_000_000))
"""Of all slides: two rows of squares of 2048 px of one in strips."""
