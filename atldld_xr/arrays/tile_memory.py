"""Decoded tiles kept in memory, for reading without Dask: each is fetched once at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
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
        self._bytes = self._computation = 0

    def get(self, key: Hashable, fetch: Callable[[], Any]) -> Any:
        """Return what `fetch` returned for this key, now or before; see `get_all`."""
        return self.get_all([key], lambda: [fetch()])[0]

    def get_all(self, keys: Sequence[Hashable], fetch: Callable[[], Sequence[Any]]) -> list[Any]:
        """Return what `fetch` returned for each of these keys, now or before.

        It is called for all of them if one is neither here nor on its way. What it raises is not
        kept, and is raised for all who wait; but who is interrupted is so alone, and one of those
        who wait fetches it then.
        """
        limit = setting("memory.limit", as_bytes)
        while True:
            mine: dict[Hashable, Future[Any]] = {}
            try:  # an interrupt can come at any point
                with self._lock:
                    futures = [self._claim(key, mine) for key in keys]
                if mine:
                    for key, tile in zip(keys, fetch(), strict=True):
                        if key in mine:
                            mine[key].set_result(tile)
            except BaseException as error:
                self._give_up(mine, error)
                raise
            try:
                tiles = [future.result() for future in futures]
            except CancelledError:
                if not any(future.cancelled() for future in futures):
                    raise
            else:
                break
            finally:
                if mine:
                    with self._lock:
                        self._bytes += sum(_size(future.result()) for future in mine.values())
                        self._trim(limit)
        return tiles

    def has(self, key: Hashable) -> bool:
        """Whether a tile is here, or on its way."""
        with self._lock:
            return key in self._tiles

    def _claim(self, key: Hashable, mine: dict[Hashable, Future[Any]]) -> Future[Any]:
        """Return who will have a tile: another, or if there is none one that is entered."""
        future = self._tiles.get(key)
        if future is None:
            future = mine[key] = Future()
            self._tiles[key] = future
        self._tiles.move_to_end(key)
        return future

    def forget_failures(self) -> None:
        """Drop the errors kept in place of tiles, so that these are tried again."""
        with self._lock:
            self._forget_failures()

    def begin(self, last: int) -> int:
        """Return the number of the computation under way, of a part that was last made in another.

        Where that is the same one, it is made again: a new one has begun, which tries anew what
        failed.
        """
        with self._lock:
            if last == self._computation:
                self._computation += 1
                self._forget_failures()
            return self._computation

    def _forget_failures(self) -> None:
        for key in [k for k, f in self._tiles.items() if _failed(f)]:
            self._drop(key)

    def _give_up(self, mine: Mapping[Hashable, Future[Any]], error: BaseException) -> None:
        with self._lock:
            for key, future in mine.items():
                if self._tiles.get(key) is future:
                    del self._tiles[key]
        for future in mine.values():
            if future.done():
                continue
            if isinstance(error, Exception):
                future.set_exception(error)
            else:
                future.cancel()

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
