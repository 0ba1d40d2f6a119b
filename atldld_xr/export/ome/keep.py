"""Keeping what others make: chunks of an OME-Zarr in a store that an export then goes on with."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import xarray as xr

from atldld_xr.errors import StoreError
from atldld_xr.export.ome.to_ome_zarr import BegunOme, begun_ome
from atldld_xr.files.file_store import FileStore
from atldld_xr.planes.planes import Planes
from atldld_xr.store.chunk_encoding import ChunkPlace

_log = logging.getLogger(__name__)

_ENTERED = 2.0
"""Seconds between entries in the ledger, as of an export."""


class Keeper:
    """What keeps chunks of the finest level; many threads may give it some.

    Where it cannot, as on a full disk, it says so once, and keeps no more.
    """

    def __init__(self, begun: BegunOme) -> None:
        self._begun = begun
        self._lock = Lock()
        self._entered = time.monotonic()
        self._works = True

    def keep(self, place: ChunkPlace, content: bytes | None) -> None:
        """Keep a chunk, as it is encoded; None is one that is all fill."""
        path = self._begun.pyramid.path(0)
        with self._lock:
            if not self._works or not self._begun.is_missing(path, place):
                return
            try:
                self._begun.ledger.enter(self._begun.job.put(path, place, content))
                if time.monotonic() - self._entered > _ENTERED:
                    self._enter()
            except StoreError as error:
                self._works = False
                _log.warning("nothing more is kept: %s", error)

    def end(self) -> None:
        """Enter what is left; of what is made after that nothing is kept, as others may write."""
        with self._lock:
            if self._works:
                self._enter()
            self._works = False

    def _enter(self) -> None:
        lease = self._begun.job.lease
        lease.check()
        self._begun.ledger.flush(lease.check)
        self._begun.ledger.gather_many()
        self._entered = time.monotonic()


@contextmanager
def kept_ome(
    dataset: xr.Dataset, store: FileStore, planes: Planes, **options: Any
) -> Iterator[Keeper]:
    """Give what keeps chunks of a Dataset, for as long as this lasts.

    Parameters
    ----------
    dataset : xarray.Dataset
        Whose chunks they are.
    store : FileStore
        Where they are kept. ``to_ome_zarr`` of the same Dataset goes on there.
    planes : Planes
        Which of them the chunks are of.
    **options
        ``variable``, ``step``, ``levels`` and ``compressor``, as for ``to_ome_zarr``.

    Raises
    ------
    StoreError
        If something else or other planes are there, or something is being written there.
    """
    with begun_ome(dataset, store, **options) as begun:
        there = begun.pyramid.planes
        if there != planes:
            raise StoreError(
                f"{store.url} has planes {there.step:g} um apart, and those to be kept are "
                f"{planes.step:g} um apart. Nothing was written; step={there.step:g} goes on there"
            )
        keeper = Keeper(begun)
        try:
            yield keeper
        finally:
            keeper.end()
