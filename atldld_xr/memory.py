"""Decoded tiles kept in memory, for reading without Dask: each is fetched once at a time."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

from atldld_xr.errors import SectionImageError
from atldld_xr.settings import as_bytes, setting


class TileMemory:
    """The tiles used last, up to ``config["memory.limit"]`` bytes, shared by all threads.

    Who asks for a tile that another thread is fetching waits for that one. A file that is replaced
    under a source, for instance in a mirror, is not noticed while its tile is here.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start empty, with a lock that nobody holds."""
        self._lock = threading.Lock()
        self._tiles: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable, fetch: Callable[[], Any]) -> Any:
        """Return what `fetch` returned for this key, now or before; what it raises is not kept."""
        limit = setting("memory.limit", as_bytes)
        with self._lock:
            future = self._tiles.get(key)
            if future is not None:
                self._tiles.move_to_end(key)
            else:
                mine = self._tiles[key] = Future()
        if future is not None:
            return future.result()
        try:
            tile = fetch()
        except BaseException as error:
            with self._lock:
                self._tiles.pop(key, None)
            mine.set_exception(error)
            raise
        mine.set_result(tile)
        with self._lock:
            self._bytes += _size(tile)
            self._trim(limit)
        return tile

    def forget_failures(self) -> None:
        """Drop the errors kept in place of tiles, so that these are tried again."""
        with self._lock:
            for key in [k for k, f in self._tiles.items() if _failed(f)]:
                self._drop(key)

    def _trim(self, limit: int) -> None:
        for key in [k for k, f in self._tiles.items() if f.done()]:
            if self._bytes <= limit:
                break
            self._drop(key)

    def _drop(self, key: Hashable) -> None:
        self._bytes -= _size(self._tiles.pop(key).result())


def _failed(future: Future[Any]) -> bool:
    return future.done() and isinstance(future.result(), SectionImageError)


def _size(tile: Any) -> int:
    return getattr(tile, "nbytes", 0)


TILES = TileMemory()
"""Of this process."""

if hasattr(os, "register_at_fork"):
    # The threads that held the lock, or were fetching, do not live on in a forked child.
    os.register_at_fork(after_in_child=TILES.reset)
