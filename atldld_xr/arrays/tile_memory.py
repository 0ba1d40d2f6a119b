"""Decoded tiles kept in memory, for reading without Dask: each is fetched once at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from typing import Any

from atldld_xr.errors import SectionImageError
from atldld_xr.forks import after_fork
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
        """Return what `fetch` returned for this key, now or before.

        What it raises is not kept, and is raised for all who wait; but who is interrupted is so
        alone, and one of those who wait fetches it then.
        """
        limit = setting("memory.limit", as_bytes)
        while True:
            mine: Future[Any] = Future()
            try:  # an interrupt can come at any point
                with self._lock:
                    future = self._tiles.setdefault(key, mine)
                    self._tiles.move_to_end(key)
                if future is mine:
                    mine.set_result(fetch())
            except BaseException as error:
                self._give_up(key, mine, error)
                raise
            if future is mine:
                break
            try:
                return future.result()
            except CancelledError:
                if not future.cancelled():
                    raise
        tile = mine.result()
        with self._lock:
            self._bytes += _size(tile)
            self._trim(limit)
        return tile

    def forget_failures(self) -> None:
        """Drop the errors kept in place of tiles, so that these are tried again."""
        with self._lock:
            for key in [k for k, f in self._tiles.items() if _failed(f)]:
                self._drop(key)

    def _give_up(self, key: Hashable, mine: Future[Any], error: BaseException) -> None:
        with self._lock:
            if self._tiles.get(key) is mine:
                del self._tiles[key]
        if isinstance(error, Exception):
            mine.set_exception(error)
        else:
            mine.cancel()

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

# What other threads were fetching, nobody fetches in the child.
after_fork(TILES.reset)
