"""What is done of a store, by the entries of its ledger: chunks, values and failures. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from atldld_xr.arrays.variables import STATUSES, UNREADABLE
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.store.chunk_encoding import ArraySpec
from atldld_xr.store.ledger_entries import ChunkEntry, line_of
from atldld_xr.store.ledger_pages import are, damaged

_MOST_CHUNKS = 1_000_000
_MOST_TOLD = 500_000
"""Chunks, and values of sections: of each something is kept, also where a store only says so."""

_MOST_BYTES = 200_000_000

REASON = "reason"
"""In stores of format 2: the array of values that says why sections could not be read."""

Failures = Mapping[int, Mapping[str, str]]
"""Why sections could not be read: by their place, then by whose pixels these are.

In stores of format 2 it is not told whose: the name is empty."""


class Done:
    """What is done of an export.

    Parameters
    ----------
    address : str
        Where its ledger is, for messages.
    arrays : mapping of ArraySpec
        The store's arrays, by name.
    plan : mapping
        The store's: its format; of each array of values the dtype, and how many there are; along
        which axis sections are, how many places there are for them, and in which there is one.

    Raises
    ------
    InvalidArgumentError
        If there are more chunks than anybody can want.
    """

    def __init__(
        self, address: str, arrays: Mapping[str, ArraySpec], plan: Mapping[str, Any]
    ) -> None:
        values, sections = plan["values"], plan["sections"]
        self._names = plan["format"] > 2
        self._address, self._axis = address, sections["axis"]
        self._sections, self._places = sections["count"], sections["places"]
        self.arrays = arrays
        chunks = sum(math.prod(spec.numblocks) for spec in arrays.values())
        value_count = sum(count for _, count in values.values())
        for count, most, what in (
            (chunks, _MOST_CHUNKS, "chunks"),
            (value_count, _MOST_TOLD, "values"),
        ):
            if count > most:
                raise InvalidArgumentError(f"{count:,} {what} are too many: there can be {most:,}")
        # A file of entries has a line for each chunk; a reason is as long as the service makes it.
        self.most_bytes = min((1 << 20) + 256 * chunks + (1 << 14) * value_count, _MOST_BYTES)
        self.needed = {n: self._where(spec.numblocks) for n, spec in arrays.items()}
        # Where there is no section, there is nothing to be written.
        self.done = {name: ~needed for name, needed in self.needed.items()}
        self.sizes = {name: np.zeros(spec.numblocks, np.int64) for name, spec in arrays.items()}
        self.checksums = {
            name: np.zeros(spec.numblocks, np.uint32) for name, spec in arrays.items()
        }
        self.values: dict[str, dict[int, list[Any]]] = {name: {} for name in values}
        self._dtypes = {name: dtype for name, (dtype, _) in values.items()}
        self._counts = {name: count for name, (_, count) in values.items()}
        self._failures: dict[int, dict[str, str]] = {}
        self.missing: list[tuple[str, tuple[int, ...]]] = []
        """Chunks that are entered, by name of the array, and not in the store as written."""

    def _where(self, shape: tuple[int, ...]) -> Any:
        if self._places is None:
            return np.ones(shape, bool)
        needed = np.zeros(shape, bool)
        needed[self._at(list(self._places))] = True
        return needed

    def _at(self, section: Any) -> tuple[Any, ...]:
        return (*(slice(None),) * self._axis, section)

    @property
    def written(self) -> dict[str, int]:
        """How many chunks are written, by array."""
        return {n: int((done & self.needed[n]).sum()) for n, done in self.done.items()}

    @property
    def chunks(self) -> dict[str, int]:
        """How many chunks there are to be, by array."""
        return {name: int(needed.sum()) for name, needed in self.needed.items()}

    @property
    def failures(self) -> Failures:
        """Why sections could not be read, by their place and whose pixels these are."""
        reasons_by_place: dict[int, dict[str, str]] = {}
        if not self._names and self._is_reason(REASON):
            for at, some in self.values[REASON].items():
                reasons_by_place |= {n: {"": reason} for n, reason in enumerate(some, at) if reason}
        return self._failures | reasons_by_place

    def _is_reason(self, name: str) -> bool:
        return self._dtypes.get(name) == "str" and self._counts[name] == self._sections

    def compare(self, sizes: Mapping[str, int]) -> None:
        """Find what is entered and not in the store as it was written, as far as sizes tell.

        Parameters
        ----------
        sizes : mapping of int
            The size of every file in the store, by key.
        """
        self.missing = [
            (name, place)
            for name, spec in self.arrays.items()
            for place in self._written(name)
            if sizes.get(spec.key(place), 0) != self.sizes[name][place]
        ]

    def is_done(self, name: str, place: tuple[int, ...]) -> bool:
        """Return whether a chunk is written, or a value known."""
        if name in self.values:
            return (place[0] if place else 0) in self.values[name]
        return bool(self.done[name][place])

    def all_values(self, name: str) -> list[Any]:
        """Return an array's values, in order.

        Raises
        ------
        RecordsError
            If there are not as many as there should be.
        """
        entries = self.values[name]
        values = [value for at in sorted(entries) for value in entries[at]]
        if len(values) != self._counts[name]:
            raise damaged(self._address, f"of {name} it has {len(values)} of {self._counts[name]}")
        if len(values) == self._sections:
            for at, reasons in self.failures.items():  # also those that Dask met with its arrays
                if name in STATUSES and reasons.keys() & {STATUSES[name], ""}:
                    values[at] = UNREADABLE
                elif name == REASON and not self._names:
                    values[at] = reasons[""]
        return values

    def take_in(self, line: Any) -> None:
        """Take in an entry; what cannot be one raises ValueError, TypeError or LookupError."""
        match line:
            case {"array": name, "chunk": place, "size": int(size), "crc32c": int(check)}:
                if not (0 <= size < 1 << 63 and 0 <= check < 1 << 32):
                    raise ValueError(line)
                at = self._place(name, place)
                self.sizes[name][at], self.checksums[name][at] = size, check
                self.done[name][at] = True
            case {"lost": name, "chunk": place}:
                self.done[name][self._place(name, place)] = False
            case {"again": at, "of": names}:
                for name in names:
                    if name in self.values:
                        self.values[name].pop(self._section(at), None)
                    elif self._section(at) < self.done[name].shape[self._axis]:
                        index = self._at(at)
                        self.done[name][index] = ~self.needed[name][index]
                self._failures.pop(at, None)
            case {"anew": name} if name in self.values:
                self.values[name].clear()
            case {"anew": name}:
                self.done[name][...] = ~self.needed[name]
            case {"values": name, "at": at, "are": list(values)}:
                self.values[name][at] = self._fitting(name, values, at)
            case {"section": at, "values": dict(values)}:
                for name, value in values.items():
                    self.values[name][self._section(at)] = self._fitting(name, [value], at)
                earlier = self._failures.pop(self._section(at), {})
                reasons = dict(line.get("failures", {}))
                if "failure" in line:
                    reasons[""] = line["failure"]
                if reasons:
                    if not are([*reasons, *reasons.values()], "str") or at not in (
                        self._places or [at]
                    ):
                        raise ValueError(line)
                    # Of several, the same one whatever came first.
                    first = {
                        name: min(earlier.get(name, why), why) for name, why in reasons.items()
                    }
                    self._failures[at] = earlier | first
            case _:
                raise ValueError(line)

    def _place(self, name: str, place: Any) -> tuple[int, ...]:
        shape = self.done[name].shape
        if len(place) != len(shape) or not all(
            type(p) is int and 0 <= p < n for p, n in zip(place, shape, strict=True)
        ):
            raise LookupError(place)
        return tuple(place)

    def _section(self, at: Any) -> int:
        if type(at) is not int or not 0 <= at < self._sections:
            raise LookupError(at)
        return at

    def _fitting(self, name: str, values: list[Any], at: int) -> list[Any]:
        """Return some of an array's values, from an index on, if they can be that."""
        if type(at) is not int or not 0 <= at <= at + len(values) <= self._counts[name]:
            raise LookupError(at)
        if not are(values, self._dtypes[name]):
            raise ValueError(values)
        return values

    def _written(self, name: str) -> Iterator[tuple[int, ...]]:
        return map(tuple, np.argwhere(self.done[name] & self.needed[name]).tolist())

    def lines(self) -> Iterator[dict[str, Any]]:
        for name in sorted(self.done):
            for place in self._written(name):
                size, check = int(self.sizes[name][place]), int(self.checksums[name][place])
                yield line_of(ChunkEntry(name, place, size, check))
        for name, entries in sorted(self.values.items()):
            for at in sorted(entries):
                yield {"values": name, "at": at, "are": entries[at]}
        for at, reasons in sorted(self._failures.items()):
            yield {"section": at, "values": {}, **self._reasons_of(reasons)}

    def _reasons_of(self, failures: Mapping[str, str]) -> dict[str, Any]:
        """Return reasons as a line has them."""
        if not failures:
            return {}
        if self._names:
            return {"failures": dict(sorted(failures.items()))}
        return {"failure": min(failures.values())}
