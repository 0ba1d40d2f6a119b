"""Ledger: which chunks of a store are written, with their sizes and checksums.

Its entries are lines of JSON in the store itself, in files that are written whole and end with a
checksum of their own: one for what was written since the last, so that an object store serves as
well as a disk. They become one file when they are many, and when all is done, in an order that does
not tell how it was done.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from atldld_xr.errors import StoreError
from atldld_xr.export.encoding import ArraySpec, checksum
from atldld_xr.export.place import Place
from atldld_xr.export.records import PLAN, RECORDS
from atldld_xr.export.work import Finished, Known, Written

LEDGER = f"{RECORDS}/ledger.jsonl"
_PAGES = f"{RECORDS}/pages"
_MOST_PAGES = 100


class Ledger:
    """What is done of an export.

    Parameters
    ----------
    store : Place
        The store.
    plan : mapping
        What it is made of, as its records have it.

    Raises
    ------
    StoreError
        If the plan makes no sense.

    Attributes
    ----------
    arrays : dict of ArraySpec
        Its arrays, by name.
    needed, done, sizes, checksums : dict of ndarray
        Of each array's chunks: whether there is a section, whether they are written, in how many
        bytes, with which CRC-32C.
    values : dict of dict
        By name of the array, and place along its axis.
    is_old : bool
        Whether an earlier run has written to the store.
    failures : dict of str
        Why sections could not be read, by their place along the axis of sections.
    """

    def __init__(self, store: Place, plan: Mapping[str, Any]) -> None:
        self._store = store
        try:
            self._axis = int(plan["axis of sections"])
            self.arrays = {
                name: ArraySpec(name, json.dumps(metadata), plan["zarr format"])
                for name, metadata in plan["arrays"].items()
            }
            shapes = {name: spec.numblocks for name, spec in self.arrays.items()}
            self.needed = {name: self._where(n, plan["sections"]) for name, n in shapes.items()}
            self.values: dict[str, dict[int, Any]] = {str(name): {} for name in plan["values"]}
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise StoreError(f"{store.url}/{PLAN} is damaged: {error!r}") from error
        # Where there is no section, there is nothing to be written.
        self.done = {name: ~needed for name, needed in self.needed.items()}
        self.sizes = {name: np.zeros(shape, np.int64) for name, shape in shapes.items()}
        self.checksums = {name: np.zeros(shape, np.uint32) for name, shape in shapes.items()}
        self.failures: dict[int, str] = {}
        self.is_old = False
        self._lines: list[dict[str, Any]] = []
        self._pages: list[str] = []
        self._next = 1

    def _where(self, shape: tuple[int, ...], sections: Sequence[int] | None) -> Any:
        needed = np.zeros(shape, bool)
        needed[self._section(slice(None) if sections is None else list(sections))] = True
        return needed

    def _section(self, at: Any) -> tuple[Any, ...]:
        return (*(slice(None),) * self._axis, at)

    @property
    def written(self) -> dict[str, int]:
        """How many chunks are written, by array."""
        return {n: int((done & self.needed[n]).sum()) for n, done in self.done.items()}

    @property
    def chunks(self) -> dict[str, int]:
        """How many chunks there are to be, by array."""
        return {name: int(needed.sum()) for name, needed in self.needed.items()}

    def read(self) -> None:
        """Take in what the store's ledger has.

        Raises
        ------
        StoreError
            If it is damaged, or not of these arrays.
        """
        self.is_old = True
        pages = sorted(self._store.sizes(_PAGES))
        for key in [LEDGER, *pages]:
            content = self._store.get(key)
            if content is None:
                continue
            for line in _checked(content, f"{self._store.url}/{key}"):
                try:
                    self._enter(line)
                except (KeyError, TypeError, ValueError, IndexError, AttributeError):
                    raise _damaged(f"{self._store.url}/{key}", f"it has {line!r:.80}") from None
        self._pages = pages
        self._next = 1 + max(
            (int(key[-12:-6]) for key in pages if key[-12:-6].isdigit()), default=0
        )

    def enter(self, event: Written | Known | Finished) -> None:
        """Take in what has been done; `flush` puts it in the store."""
        if isinstance(event, Written):
            line = {
                "array": event.array,
                "chunk": list(event.place),
                "size": event.size,
                "crc32c": event.checksum,
            }
        elif isinstance(event, Known):
            line = {"values": event.array, "at": event.at, "are": event.values}
        else:
            line = {"section": event.at, "values": dict(event.values)}
            if event.failure:
                line["failure"] = event.failure
        self._enter(line)
        self._lines.append(line)

    def forget(self, at: int) -> None:
        """Have a section made anew: what is there of it no longer counts."""
        line = {"again": at}
        self._enter(line)
        self._lines.append(line)

    def forget_failures(self) -> None:
        """Have all sections that could not be read made anew."""
        for at in list(self.failures):
            self.forget(at)
        self.flush()

    def flush(self) -> None:
        """Put what was entered in the store."""
        if not self._lines:
            return
        key = f"{_PAGES}/{self._next:06d}.jsonl"
        self._store.put(key, _with_checksum(self._lines), durable=True)
        self._lines = []
        self._pages.append(key)
        self._next += 1
        if len(self._pages) > _MOST_PAGES:
            self.gather()

    def gather(self) -> None:
        """Put everything in one file, in the order of the store, and remove the pages."""
        self._lines = []
        self._store.put(LEDGER, _with_checksum(self._all()), durable=True)
        self._store.remove(self._pages)
        self._pages = []

    def is_done(self, name: str, place: tuple[int, ...]) -> bool:
        """Return whether a chunk is written, or a value known."""
        if name in self.values:
            return (place[0] if place else 0) in self.values[name]
        return bool(self.done[name][place])

    def missing_files(self, sizes: Mapping[str, int]) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield chunks that are entered, and not in the store in the size they were written in."""
        for name, spec in self.arrays.items():
            for place in map(tuple, np.argwhere(self.done[name] & (self.sizes[name] > 0)).tolist()):
                if sizes.get(spec.key(place)) != self.sizes[name][place]:
                    yield name, place

    def take_back(self, name: str, place: tuple[int, ...]) -> None:
        """Have a chunk written again, with all of its section if something is told of that."""
        if self.values or place[self._axis] in self.failures:
            self.forget(place[self._axis])
        self.done[name][place] = False

    def all_values(self, name: str) -> list[Any]:
        """Return an array's values, in order."""
        known = self.values[name]
        lists = (v if isinstance(v, list) else [v] for v in (known[at] for at in sorted(known)))
        return [value for values in lists for value in values]

    def _enter(self, line: dict[str, Any]) -> None:
        if "array" in line:
            name, place = line["array"], tuple(line["chunk"])
            size, check = line["size"], line["crc32c"]
            shape = self.done[name].shape
            if len(place) != len(shape) or not all(
                0 <= p < n for p, n in zip(place, shape, strict=True)
            ):
                raise IndexError(place)
            if not (isinstance(size, int) and isinstance(check, int) and size >= 0):
                raise TypeError(line)
            self.sizes[name][place], self.checksums[name][place] = size, np.uint32(check)
            self.done[name][place] = True
        elif "again" in line:
            at = line["again"]
            for name, done in self.done.items():
                if 0 <= at < done.shape[self._axis]:
                    here = self._section(at)
                    done[here] = ~self.needed[name][here]
            for known in self.values.values():
                known.pop(at, None)
            self.failures.pop(at, None)
        elif "are" in line:
            self.values[line["values"]][int(line["at"])] = line["are"]
        else:
            at = line["section"]
            if not isinstance(at, int) or at < 0:
                raise TypeError(line)
            for name, value in line["values"].items():
                self.values[name][at] = value
            self.failures.pop(at, None)
            if "failure" in line:
                self.failures[at] = str(line["failure"])

    def _all(self) -> Iterator[dict[str, Any]]:
        for name in sorted(self.done):
            written = self.done[name] & self.needed[name]
            for place in map(tuple, np.argwhere(written).tolist()):
                yield {
                    "array": name,
                    "chunk": list(place),
                    "size": int(self.sizes[name][place]),
                    "crc32c": int(self.checksums[name][place]),
                }
        for name, known in sorted(self.values.items()):
            for at in sorted(known):
                yield {"values": name, "at": at, "are": known[at]}
        for at in sorted(self.failures):
            yield {"section": at, "values": {}, "failure": self.failures[at]}


def _with_checksum(lines: Any) -> bytes:
    body = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    return body + json.dumps({"crc32c of the above": checksum(body)}).encode() + b"\n"


def _checked(content: bytes, address: str) -> list[dict[str, Any]]:
    """Return a file's entries, if it is as it was written."""
    body, _, last = content.removesuffix(b"\n").rpartition(b"\n")
    body += b"\n" if body else b""
    try:
        told = json.loads(last)["crc32c of the above"]
    except (ValueError, KeyError, TypeError):
        raise _damaged(address, "it is cut short") from None
    if told != checksum(body):
        raise _damaged(address, "its checksum does not fit what it says")
    return [json.loads(line) for line in body.splitlines()]


def _damaged(address: str, why: str) -> StoreError:
    return StoreError(
        f"the export's ledger {address} is damaged: {why}; nothing was written. "
        'mode="w" (--mode w) starts anew'
    )
