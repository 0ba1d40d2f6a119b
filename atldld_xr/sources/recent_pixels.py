"""Decoded images that tiles are cut from: the last are kept, as the next tile is of them too."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from atldld_xr.forks import PerProcess


class Sized(Protocol):
    """What says how many bytes it takes."""

    @property
    def nbytes(self) -> int:
        """How many."""


S = TypeVar("S", bound=Sized)


class Recent(Generic[S]):
    """What was asked for last, such as pixels; each is made once, whoever asks meanwhile.

    Parameters
    ----------
    limit : int
        Bytes to keep.
    one_at_a_time : bool
        Whether no two are made at once, and the last is kept however large it is: of images at full
        resolution, each of 0.3 GB, as many are in memory as are made at once.
    """

    def __init__(self, limit: int, *, one_at_a_time: bool = False) -> None:
        self._limit, self._is_alone = limit, one_at_a_time
        self._kept: OrderedDict[Hashable, S] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], S | None]) -> S | None:
        """Return what `make` returned for this key, now or before; it must not be changed.

        None, and errors, are not kept.
        """
        turn = None if self._is_alone else key
        with self._lock:
            making = self._making.setdefault(turn, threading.Lock())
        with making:
            try:
                with self._lock:
                    if key in self._kept:
                        self._kept.move_to_end(key)
                        return self._kept[key]
                    if self._is_alone:  # room for one as large as the largest
                        self._drop(max((p.nbytes for p in self._kept.values()), default=0))
                made = make()
                if made is not None:
                    self._keep(key, made)
                return made
            finally:
                if not self._is_alone:
                    with self._lock, suppress(KeyError):
                        del self._making[turn]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()

    def _keep(self, key: Hashable, made: S) -> None:
        with self._lock:
            self._drop(made.nbytes)
            if self._is_alone or made.nbytes <= self._limit:
                self._kept[key] = made

    def _drop(self, room: int) -> None:
        """Forget the first of them, until there is so much room."""
        while self._kept and sum(p.nbytes for p in self._kept.values()) + room > self._limit:
            self._kept.popitem(last=False)


RecentPixels = Recent[NDArray[np.uint8]]

recent_pieces = PerProcess(lambda: RecentPixels(26_000_000))
"""The last pieces of mirrors, two squares of 2048 px."""

whole_images = PerProcess(lambda: RecentPixels(200_000_000, one_at_a_time=True))
"""Whole images of services that cut no windows: one, and more while they are small."""
