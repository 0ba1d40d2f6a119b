"""Looking at a store: whether it is finished, and whether all in it is as it was written."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.excluded import count_excluded
from atldld_xr.arrays.failures import failure_entries
from atldld_xr.arrays.variables import NO_MASK
from atldld_xr.compute.progress import progress_bar
from atldld_xr.compute.threads import ending_threads
from atldld_xr.errors import StoreError
from atldld_xr.files.file_store import Place
from atldld_xr.store.chunk_encoding import ArraySpec
from atldld_xr.store.inventory import root_problems, strays
from atldld_xr.store.lease import is_alive, read_holder
from atldld_xr.store.ledger import REASON, Failures, Ledger
from atldld_xr.store.store_plan import (
    MOST,
    OME_KEY,
    PLAN,
    RecordsError,
    changed_files,
    is_complete,
    read_plan,
)

_AT_A_TIME = 64
_MOST_FILES = 1 << 12  # of an array of values, which has one
_MOST_VALUES = 1 << 20  # of such an array
_MOST_BYTES = 1 << 26  # of its files together


@dataclass(frozen=True)
class StoreStatus:
    """How far an export is.

    Attributes
    ----------
    url : str
        The store.
    state : {"complete", "running", "interrupted"}
        "running" if some process gives signs of life.
    written, chunks : mapping of int
        Chunks that are written, and all, by array. Those whose files are gone since, or have
        another size, are not written.
    failures : tuple of dict
        The sections left at the fill value: ``variable``, ``section_image_id`` and ``reason``. The
        variable is None in stores of earlier versions, which did not tell image from mask.
    absent : tuple of dict
        Those that the service has nothing of, in the same words: masks that there are none of.
    excluded : mapping of int
        How many sections of the data set cannot be registered, and so are left out, by reason.
    """

    url: str
    state: Literal["complete", "running", "interrupted"]
    written: Mapping[str, int]
    chunks: Mapping[str, int]
    failures: tuple[Mapping[str, Any], ...]
    absent: tuple[Mapping[str, Any], ...] = ()
    excluded: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Verification:
    """What was found in a store.

    Attributes
    ----------
    url : str
        The store.
    chunks : int
        How many were read and are as they were written.
    nbytes : int
        Their size in the store, in bytes.
    problems : tuple of str
        What is missing or damaged, in words; a file each.
    excluded : mapping of int
        As `StoreStatus` has it.
    """

    url: str
    chunks: int
    nbytes: int
    problems: tuple[str, ...]
    excluded: Mapping[str, int] = field(default_factory=dict)


def status(
    url: str | PathLike[str], *, storage_options: Mapping[str, Any] | None = None
) -> StoreStatus:
    """Tell how far the export to a store is.

    On a web server only a finished store can be looked at.

    Parameters
    ----------
    url : str or path
        A path or any fsspec URL.
    storage_options : mapping, optional
        For the file system.

    Returns
    -------
    StoreStatus
        Its state, the chunks that are written, and the sections that could not be read.

    Raises
    ------
    StoreError
        If no export of this package is there, it cannot be read, or its records are damaged.
    """
    store, plan, ledger = _opened(url, storage_options)
    running = _is_running(store)
    found = store.listing()
    if found is not None:
        ledger.compare(found)
    lost = Counter(name for name, _ in ledger.lost)
    written = {name: count - lost[name] for name, count in ledger.written.items()}
    complete = is_complete(store, plan["zarr format"]) and written == ledger.chunks
    return StoreStatus(
        url=store.url,
        state="running" if running else "complete" if complete else "interrupted",
        written=written,
        chunks=ledger.chunks,
        failures=_failures(store, plan, ledger),
        absent=_absences(store, plan),
        excluded=_excluded(plan),
    )


def verify(
    url: str | PathLike[str],
    *,
    storage_options: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> Verification:
    """Read every file of a store, and compare it with the checksum recorded when it was written.

    The service is not asked. Files that nobody wrote are found where there are listings, which web
    servers have none of.

    Parameters
    ----------
    url : str or path
        A path or any fsspec URL.
    storage_options : mapping, optional
        For the file system.
    progress : bool
        Whether to show a progress bar on standard error.

    Returns
    -------
    Verification
        What was read, and what is missing or damaged.

    Raises
    ------
    StoreError
        If no export of this package is there, it cannot be read, or its records are damaged.
    """
    store, plan, ledger = _opened(url, storage_options)
    found = store.listing()
    changed = [*changed_files(store, plan)]
    problems = [f"{key} is not as it was written" for key in changed]
    failures = ledger.failures
    unread = json.dumps(_entries(store, plan, failures)) if failures else None
    problems += root_problems(store, plan, changed, unread=unread)
    if is_complete(store, plan["zarr format"]):
        problems += _value_problems(store, ledger, changed)
    checks = list(_checks(ledger))
    chunk_keys = {key for key, _, _ in checks}
    problems += [
        f"{key} was not written by an export" for key in strays(found or (), plan, chunk_keys)
    ]
    chunks = nbytes = 0
    with (
        ending_threads(8, "atldld-verify") as pool,
        progress_bar("verifying", len(checks), enabled=progress) as advance,
    ):
        rest = iter(checks)
        while batch := list(islice(rest, _AT_A_TIME)):
            for (_, size, _), problem in zip(
                batch, pool.map(lambda check: _problem(store, found, *check), batch), strict=True
            ):
                advance(1)
                if problem:
                    problems.append(problem)
                else:
                    chunks += 1
                    nbytes += size or 0
    return Verification(store.url, chunks, nbytes, tuple(problems), _excluded(plan))


def _opened(
    url: str | PathLike[str], storage_options: Mapping[str, Any] | None
) -> tuple[Place, dict[str, Any], Ledger]:
    store = Place(url, storage_options)
    plan = read_plan(store)
    if plan is None:
        raise StoreError(f"{store.url} holds no export of this package")
    try:
        specs = {
            name: ArraySpec(name, json.dumps(metadata), plan["zarr format"])
            for name, metadata in plan["arrays"].items()
        }
        ledger = Ledger(store, specs, plan["values"], plan["sections"], plan["format"])
    except Exception as error:  # Zarr raises all kinds where its metadata is none
        why = " ".join(str(error).split())
        raise RecordsError(f"{store.url}/{PLAN} is damaged: {why:.200}") from error
    ledger.read()
    return store, plan, ledger


def _checks(ledger: Ledger) -> Iterator[tuple[str, int | None, int]]:
    """Yield each chunk's key, size and checksum; no size for one that is not written."""
    for name, spec in ledger.arrays.items():
        for place in map(tuple, np.argwhere(ledger.needed[name]).tolist()):
            size = int(ledger.sizes[name][place]) if ledger.done[name][place] else None
            yield spec.key(place), size, int(ledger.checksums[name][place])


def _problem(
    store: Place, found: Mapping[str, int] | None, key: str, size: int | None, told: int
) -> str | None:
    if size is None:
        return f"{key} is not written yet"
    if size == 0:
        is_there = found is not None and key in found
        return f"{key} is there, where there was nothing to be written" if is_there else None
    if found is not None and key not in found:
        return f"{key} is missing"
    if found is not None and found[key] != size:
        return f"{key} has {found[key]} bytes of {size}"
    found_checksum = store.checksum(key, size)
    if found_checksum is None:
        return f"{key} is missing"
    return None if found_checksum == told else f"{key} is damaged: its checksum is another"


def _value_problems(store: Place, ledger: Ledger, changed: Collection[str]) -> Iterator[str]:
    for name in ledger.values:
        if f"{name}/zarr.json" in changed:
            continue
        found = _read(store, name)
        known = ledger.all_values(name)
        if found is None:
            yield f"{name} is damaged"
            continue
        expected = np.array(known, dtype=found.dtype).reshape(-1)
        if not np.array_equal(found.reshape(-1), expected, equal_nan=found.dtype.kind == "f"):
            yield f"{name} has other values than were written"


def _read(store: Place, name: str) -> Any:
    """Return a small array of a store, None if it cannot be read."""
    import zarr
    from zarr.core.buffer import default_buffer_prototype

    metadata = None
    # From memory: what Zarr fetches itself has no bound, and all failures are the same to it.
    with _forbidden_is_missing(store):
        metadata = store.get(f"{name}/zarr.json", MOST)
    if metadata is None:
        return None
    try:
        spec = ArraySpec(name, metadata.decode(), 3)
        described: Any = json.loads(metadata)
        size = math.prod(described["shape"])
        if not 0 <= size <= _MOST_VALUES or math.prod(spec.numblocks) > _MOST_FILES:
            return None
        keys = [spec.key(at) for at in np.ndindex(spec.numblocks)]
    except Exception:  # Zarr raises all kinds where its metadata is none
        return None
    files, left = {f"{name}/zarr.json": metadata}, _MOST_BYTES
    for key in keys:
        content = store.get(key, left + 1)
        if content is None:
            continue
        left -= len(content)
        if left < 0:
            return None
        files[key] = content
    buffer = default_buffer_prototype().buffer
    memory = {key: buffer.from_bytes(content) for key, content in files.items()}
    try:
        array: Any = zarr.open_array(zarr.storage.MemoryStore(memory), path=name, mode="r")
        largest = max(size, math.prod(array.shards or array.chunks))  # a chunk may be larger
        if largest * array.dtype.itemsize > _MOST_BYTES:
            return None
        return np.asarray(array[...])
    except Exception:  # codecs have errors of their own for what they cannot decode
        return None


def _is_running(store: Place) -> bool:
    holder = None
    with _forbidden_is_missing(store):
        holder = read_holder(store)
    return holder is not None and is_alive(holder)


@contextmanager
def _forbidden_is_missing(store: Place) -> Iterator[None]:
    """Let be that a file cannot be read that need not be there: some web servers forbid those."""
    with suppress(*((StoreError,) if store.is_web else ())):
        yield


def _excluded(plan: Mapping[str, Any]) -> dict[str, int]:
    attributes = plan["dataset"]
    own = attributes.get(OME_KEY)  # an OME-Zarr has those of its Dataset below
    return count_excluded(own.get("attributes") if isinstance(own, Mapping) else attributes)


def _failures(
    store: Place, plan: Mapping[str, Any], ledger: Ledger
) -> tuple[Mapping[str, Any], ...]:
    failures = {**ledger.failures}
    if f"{REASON}/zarr.json" in plan["crc32c of files"] and REASON not in ledger.values:
        told = _unchanged(store, plan, REASON)  # it was known before the export
        failures |= {at: {"": str(reason)} for at, reason in enumerate(told) if reason}
    return _entries(store, plan, failures)


def _entries(
    store: Place, plan: Mapping[str, Any], failures: Failures
) -> tuple[Mapping[str, Any], ...]:
    return failure_entries(failures, _section_ids(store, plan) if failures else {})


def _absences(store: Place, plan: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the masks that there are none of, as the store's coordinate tells."""
    has: Mapping[int, Any] = {}
    if "expression" in plan["arrays"] and "has_expression/zarr.json" in plan["crc32c of files"]:
        has = dict(enumerate(_unchanged(store, plan, "has_expression").tolist()))
    own = plan["dataset"].get(OME_KEY)
    if isinstance(own, Mapping) and own.get("variable") == "expression":
        has = {s["plane"]: s.get("has_expression", True) for s in _planes(own)}
    absent = {at: {"expression": NO_MASK} for at, there in has.items() if not there}
    return _entries(store, plan, absent)


def _section_ids(store: Place, plan: Mapping[str, Any]) -> dict[int, int]:
    """Return the sections' ids by their place along the axis of sections."""
    own = plan["dataset"].get(OME_KEY)  # an OME-Zarr has them by plane
    if isinstance(own, Mapping):
        return {s["plane"]: s["section_image_id"] for s in _planes(own)}
    try:
        return dict(enumerate(map(int, _unchanged(store, plan, "section_image_id").reshape(-1))))
    except (TypeError, ValueError, OverflowError):  # of an array of something else
        return {}


def _planes(own: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what an OME-Zarr says of its sections, as far as it can be that."""
    sections = own.get("sections")
    for section in sections if isinstance(sections, list) else ():
        if isinstance(section, Mapping) and all(
            type(section.get(key)) is int for key in ("plane", "section_image_id")
        ):
            yield section


def _unchanged(store: Place, plan: Mapping[str, Any], name: str) -> NDArray[Any]:
    """Return a small array that was written beforehand; an empty one if it is not as it was."""
    changed = any(changed_files(store, plan, f"{name}/"))
    read = None if changed else _read(store, name)
    return np.atleast_1d([] if read is None else read)
