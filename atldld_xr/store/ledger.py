"""Ledger: which chunks of a store are written, with their sizes and checksums.

Its entries are lines of JSON in the store itself, in files that are written whole and end with a
checksum of their own: one for what was written since the last, so that an object store serves as
well as a disk. They become one file when they are many, and when all is done, in an order that does
not tell how it was done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from atldld_xr.errors import StoreError
from atldld_xr.files.file_store import FileStore
from atldld_xr.foreign_json import parse_json
from atldld_xr.store.chunk_encoding import ArraySpec
from atldld_xr.store.done import Done
from atldld_xr.store.ledger_entries import ChunkEntry, SectionEntry, ValuesEntry, line_of
from atldld_xr.store.ledger_pages import (
    PAGES,
    checked,
    damaged,
    numbered,
    page_after,
    page_key,
    with_checksum,
)
from atldld_xr.store.store_plan import RECORDS, is_complete

LEDGER = f"{RECORDS}/ledger.jsonl"
_MOST_PAGES = 100


class Ledger(Done):
    """What is done of an export, kept in its store.

    Parameters
    ----------
    store : FileStore
        The store.
    arrays, plan
        As for `Done`.
    """

    def __init__(
        self, store: FileStore, arrays: Mapping[str, ArraySpec], plan: Mapping[str, Any]
    ) -> None:
        super().__init__(f"{store.url}/{RECORDS}", arrays, plan)
        self._store = store
        self._lines: list[dict[str, Any]] = []
        self._pages: list[str] = []
        self._next = page_after(0)
        self.may_overwrite = False
        """Whether an earlier run may have written to the store."""

    def read(self) -> None:
        """Take in what the store's ledger has.

        Raises
        ------
        RecordsError
            If it is damaged, or not of these arrays.
        StoreError
            If it is unfinished, and on a web server: only a listing tells its pages.
        """
        self.may_overwrite = True
        listing = self._store.listing(RECORDS)
        formats = {spec.zarr_format for spec in self.arrays.values()}
        if listing is None and not is_complete(self._store, *formats):
            why = "unfinished and on a web server: from there it cannot be told how far it is"
            raise StoreError(f"{self._store.url} is {why}")
        numbers = numbered(listing or ())
        for key in [LEDGER, *numbers]:
            content = self._store.get(key, self.most_bytes)
            if content is None:
                continue
            address = f"{self._store.url}/{key}"
            for line in checked(content, address):
                try:
                    self.take_in(parse_json(line))
                except (ValueError, TypeError, LookupError, OverflowError):
                    raise damaged(address, f"it has {line[:80].strip()!r:.80}") from None
        self._pages = [*numbers]
        self._next = page_after(max(numbers.values(), default=0))

    def enter(self, event: ChunkEntry | ValuesEntry | SectionEntry) -> None:
        """Take in what has been done; `flush` puts it in the store."""
        if isinstance(event, ChunkEntry):
            self._add(line_of(event))
        elif isinstance(event, ValuesEntry):
            self._add({"values": event.array, "at": event.at, "are": event.values})
        else:
            line: dict[str, Any] = {"section": event.at, "values": dict(event.values)}
            line |= self._reasons_of(event.failures)
            self._add(*map(line_of, event.written), line)

    def mark_section_missing(self, at: int, names: Collection[str]) -> None:
        """Have a section of some arrays made anew, with what is told of it."""
        self._add({"again": at, "of": sorted(names)})

    def mark_chunk_missing(self, name: str, place: tuple[int, ...]) -> None:
        """Have a chunk made anew."""
        self._add({"lost": name, "chunk": list(place)})

    def mark_array_missing(self, name: str) -> None:
        """Have an array made anew."""
        self._add({"anew": name})

    @property
    def has_news(self) -> bool:
        """Whether there is something that `flush` would put in the store."""
        return bool(self._lines)

    def flush(self, check: Callable[[], None] | None = None) -> None:
        """Put what was entered in the store.

        Parameters
        ----------
        check : callable, optional
            Raises an error if the store is another run's by now: nothing is left there then.
        """
        if not self._lines:
            return
        key = page_key(self._next)
        self._store.put(key, with_checksum(self._lines), durable=True)
        try:
            if check is not None:
                check()
        except StoreError:
            self._store.remove([key])
            raise
        self._lines = []
        self._pages.append(key)
        self._next = page_after(self._next)

    def gather_many(self) -> None:
        """Put everything in one file if there are many."""
        if len(self._pages) > _MOST_PAGES:
            self.gather()

    def gather(self) -> None:
        """Put everything in one file, in the order of the store, and remove the pages."""
        self._lines = []
        self._store.update(LEDGER, with_checksum(self.lines()))
        self._store.remove(self._pages)
        self._store.remove_folder(PAGES)
        self._pages = []

    def _add(self, *lines: dict[str, Any]) -> None:
        # All of them before anything else: an interrupt between them would leave half a section.
        self._lines.extend(lines)
        try:
            for line in lines:
                self.take_in(line)
        except Exception:  # what cannot be read back is not kept
            del self._lines[-len(lines) :]
            raise
