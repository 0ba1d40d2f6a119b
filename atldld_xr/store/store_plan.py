"""What a store says of how it is made: its plan, its state, and all files but the chunks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard

import numpy as np

from atldld_xr.errors import StoreError
from atldld_xr.files.checksum import checksum
from atldld_xr.files.file_store import FileStore
from atldld_xr.foreign_json import parse_json
from atldld_xr.store.chunk_encoding import ArraySpec
from atldld_xr.store.consolidated import CONSOLIDATED, consolidated, encoded, is_metadata, same

STATE = "atldld_xr_export"
"""Attribute of the store: "incomplete" until everything has been written, then "complete"."""

RECORDS = "atldld_xr_export"
"""The group in the store that holds its plan and the ledger."""

PLAN = f"{RECORDS}/plan.json"

OME_KEY = "atldld_xr"
"""Attribute of an OME-Zarr: what is ours to say, as of each section."""

LINK = "neuroglancer"
"""Attribute of a finished OME-Zarr: an address that shows it, by where it is; in no plan."""

MOST = 1 << 24
"""Bytes of JSON that a store's metadata can sensibly have."""

FORMAT = 4
"""Of the records: another version of this package may have another."""

KNOWN_FORMATS = (2, 3, 4)
"""Those that are read and gone on with. Before 3 it was not told whose pixels could not be read,
before 4 not what variables are made of."""

ROOTS = {3: "zarr.json", 2: ".zattrs"}
"""Where Zarr has the attributes of the root, by its format."""

METADATA = {3: "zarr.json", 2: ".zarray"}
"""Where Zarr has what an array is, by its format."""


Tell = Callable[[Any, Mapping[int, Mapping[str, str]]], None]
"""``tell(group, failures)`` keeps in a finished store what could not be read."""


@dataclass
class Layout:
    """What a store has besides chunks.

    Attributes
    ----------
    files : dict of bytes
        By key, as they are until the export is complete. The plan comes first: what has none is no
        export.
    plan : dict
        What is written: equal plans write equal stores.
    arrays : dict of ArraySpec
        Those whose chunks are to be written, by name.
    values : dict of numpy.dtype
        Arrays over sections of values that are known only at the end, by name.
    memory : dict
        What Zarr made the files in.
    """

    files: dict[str, bytes]
    plan: dict[str, Any]
    arrays: dict[str, ArraySpec]
    values: dict[str, np.dtype[Any]]
    memory: dict[str, Any] = field(repr=False)
    _tell: Tell | None = field(repr=False, default=None)

    @property
    def root(self) -> str:
        """The file whose attributes say the state."""
        return ROOTS[self.plan["zarr format"]]

    def tells(self, more: Tell) -> None:
        """Have a finished store keep something more, of which its plan knows nothing."""
        before = self._tell

        def both(group: Any, failures: Mapping[int, Mapping[str, str]]) -> None:
            if before is not None:
                before(group, failures)
            more(group, failures)

        self._tell = both

    def finished(
        self, values: Mapping[str, Sequence[Any]], failures: Mapping[int, Mapping[str, str]]
    ) -> dict[str, bytes | None]:
        """Return the files that are to be as they are in a finished store; the last says it is.

        None stands for those that are not in it.

        Parameters
        ----------
        values : mapping
            Of every name in `values`, as many as there are.
        failures : mapping
            Why sections could not be read, by their place along the axis of sections, and by whose
            pixels these are.
        """
        import zarr

        group: Any = zarr.open_group(zarr.storage.MemoryStore(self.memory), mode="r+")
        changed: dict[str, bytes | None] = {}
        for name, values_of_array in values.items():
            array = group[name]
            array[...] = np.array(values_of_array, dtype=self.values[name]).reshape(array.shape)
            places = np.ndindex(*array.cdata_shape)
            changed |= {f"{name}/{array.metadata.encode_chunk_key(p)}": None for p in places}
        if self._tell is not None:
            self._tell(group, failures)
        group.attrs[STATE] = "complete"
        files = _bytes(self.memory)
        zarr_format = self.plan["zarr format"]
        metadata = {key: json.loads(b) for key, b in files.items() if is_metadata(key, zarr_format)}
        files[CONSOLIDATED[zarr_format]] = encoded(consolidated(metadata, zarr_format), zarr_format)
        changed |= {k: None for k in self.files if k not in files and k != PLAN}
        at_the_end = (self.root, *(f"{name}/" for name in self.values))
        changed |= {
            k: content
            for k, content in files.items()
            if self.files.get(k) != content or k.startswith(at_the_end)
        }
        root = changed.pop(self.root)
        return changed | {self.root: root}


def make_layout(
    memory: dict[str, Any],
    arrays: Sequence[str],
    contents: Mapping[str, str],
    values: Mapping[str, np.dtype[Any]],
    sections: int,
    *,
    zarr_format: Literal[2, 3] = 3,
    axis: int = 0,
    places: Sequence[int] | None = None,
    on_error: str | None = None,
    tell: Tell | None = None,
) -> Layout:
    """Return the layout of a store that Zarr has made in memory.

    Parameters
    ----------
    memory : dict
        What a ``zarr.storage.MemoryStore`` holds.
    arrays : sequence of str
        Paths of the arrays whose chunks are to be written.
    contents : mapping of str
        What each array, and each of `values`, is made of, as a name that no other content has.
    values : mapping of numpy.dtype
        As `Layout` has them.
    sections : int
        How many places there are for them.
    zarr_format : {2, 3}
        Of the store.
    axis : int
        Of the arrays: the one along which sections are.
    places : sequence of int, optional
        In which of the places there is a section. Default: in all.
    on_error : {"raise", "fill"}, optional
        What is done about sections that cannot be read, where Dask is not to make all.
    tell : callable, optional
        Keeps in the finished store what could not be read.
    """
    import zarr

    group: Any = zarr.open_group(zarr.storage.MemoryStore(memory), mode="r+")
    attributes = {k: v for k, v in dict(group.attrs).items() if k != STATE}
    group.attrs[STATE] = "incomplete"
    group.create_group(RECORDS)
    files = _bytes(memory)
    names = {name: f"{name}/{METADATA[zarr_format]}" for name in arrays}
    at_the_end = (ROOTS[zarr_format], *(f"{name}/c" for name in values), *names.values())
    fixed = {key: checksum(b) for key, b in sorted(files.items()) if not key.startswith(at_the_end)}
    plan = {
        "format": FORMAT,
        "zarr format": zarr_format,
        "dataset": attributes,
        "arrays": {name: json.loads(files[key]) for name, key in names.items()},
        "made of": dict(contents),
        "values": {
            name: [dtype.name if dtype.kind in "biuf" else "str", int(np.prod(group[name].shape))]
            for name, dtype in sorted(values.items())
        },
        "sections": {
            "axis": axis,
            "count": sections,
            "places": None if places is None else sorted(places),
        },
        "on_error": on_error,
        "crc32c of files": fixed,
    }
    written = json.dumps(plan, indent=1).encode()
    specs = {name: ArraySpec(name, files[key].decode(), zarr_format) for name, key in names.items()}
    plan = json.loads(written)  # as it will be read
    return Layout({PLAN: written} | files, plan, specs, dict(values), memory, tell)


class RecordsError(StoreError):
    """A store's records are damaged, or of something else: it cannot be gone on with."""


def read_plan(store: FileStore) -> dict[str, Any] | None:
    """Return what a store says that it is made of; None if it says nothing.

    Raises
    ------
    RecordsError
        If that cannot be understood.
    """
    try:
        plan: dict[str, Any] = read_json(store, PLAN)
        version = plan["format"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise _damaged(store) from None
    if version not in KNOWN_FORMATS:
        raise RecordsError(
            f"{store.url} was written by another version of this package: its records have format "
            f"{version!r:.40}, this version reads {' and '.join(map(str, KNOWN_FORMATS))}"
        )
    if not _is_plan(plan):
        raise _damaged(store)
    return plan


def read_json(store: FileStore, key: str) -> Any:
    """Return what a file of metadata says.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is no JSON, or too large.
    """
    content = store.get(key, MOST)
    if content is None:
        raise FileNotFoundError(key)
    if len(content) >= MOST:
        raise ValueError(f"{key} is too large")
    return parse_json(content)


def read_document(store: FileStore, key: str) -> dict[str, Any]:
    """Return what a file of metadata says; empty if it says nothing."""
    try:
        document = read_json(store, key)
    except (FileNotFoundError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def read_attributes(store: FileStore, zarr_format: int | None = None) -> dict[str, Any]:
    """Return the attributes of a store's root; none if they cannot be read.

    Parameters
    ----------
    store : FileStore
        The store.
    zarr_format : {2, 3}, optional
        Its format. Default: what is found, which asks for files that are not there.
    """
    for at in ROOTS if zarr_format is None else (zarr_format,):
        if document := read_document(store, ROOTS[at]):
            attributes = document.get("attributes") if at == 3 else document
            return attributes if isinstance(attributes, dict) else {}
    return {}


def is_complete(store: FileStore, zarr_format: int | None = None) -> bool:
    """Return whether a store says that all of it has been written."""
    return read_attributes(store, zarr_format).get(STATE) == "complete"


def changed_files(store: FileStore, plan: Mapping[str, Any], below: str = "") -> Iterator[str]:
    """Yield the files of metadata and coordinates, all or in a folder, that are not as planned."""
    for name, metadata in plan["arrays"].items():
        key = f"{name}/{METADATA[plan['zarr format']]}"
        if key.startswith(below) and not same(read_document(store, key), metadata):
            yield key
    for key, recorded in plan["crc32c of files"].items():
        if key.startswith(below) and store.checksum(key) != recorded:
            yield key


def _is_plan(plan: dict[str, Any]) -> bool:
    """Return whether a plan has what it must, and names nothing outside its store."""
    try:
        arrays, values, files = plan["arrays"], plan["values"], plan["crc32c of files"]
        sections = plan["sections"]
        count, at = sections["count"], sections["places"] or []
        return (
            isinstance(plan["dataset"], dict)
            and plan["zarr format"] in ROOTS
            and sections["axis"] in range(4)
            and type(count) is int
            and 0 <= count <= MOST
            and plan["on_error"] in ("raise", "fill", None)
            and all(type(place) is int and 0 <= place < count for place in at)
            and all(isinstance(metadata, dict) for metadata in arrays.values())
            and all(
                isinstance(dtype, str) and type(count) is int and 0 <= count <= MOST
                for dtype, count in values.values()
            )
            and all(type(recorded) is int for recorded in files.values())
            and all(map(is_key, [*arrays, *values, *files]))
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def is_key(key: object) -> TypeGuard[str]:
    """Return whether something names a file or folder in a store."""
    return isinstance(key, str) and "\0" not in key and not {"", ".", ".."} & {*key.split("/")}


def _damaged(store: FileStore) -> RecordsError:
    return RecordsError(
        f"{store.url}/{PLAN} is damaged: it is no plan of an export. "
        'mode="w" (--mode w) starts anew'
    )


def _bytes(memory: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of a store in memory."""
    return {key: bytes(memory[key].to_bytes()) for key in sorted(memory)}
