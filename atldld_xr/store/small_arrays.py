"""Small arrays of a store, read within bounds, whatever their metadata say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.errors import StoreError
from atldld_xr.files.file_store import FileStore
from atldld_xr.foreign_json import parse_json
from atldld_xr.store.chunk_encoding import ArraySpec
from atldld_xr.store.store_plan import MOST, changed_files

_MOST_FILES = 1 << 12  # of an array, which has one
_MOST_VALUES = 1 << 20
_MOST_BYTES = 1 << 26  # of all files of an array, and of its values


def read_small(store: FileStore, name: str) -> Any:
    """Return a small array of a store, None if it cannot be read."""
    import zarr
    from zarr.buffer import default_buffer_prototype

    metadata = None
    # From memory: what Zarr fetches itself has no bound, and all failures are the same to it.
    with forbidden_is_missing(store):
        metadata = store.get(f"{name}/zarr.json", MOST)
    if metadata is None:
        return None
    try:
        size = math.prod(parse_json(metadata)["shape"])  # first of all: it bounds what it parses
        spec = ArraySpec(name, metadata.decode(), 3)
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


def read_unchanged(store: FileStore, plan: Mapping[str, Any], name: str) -> NDArray[Any]:
    """Return a small array that was written beforehand; an empty one if it is not as it was."""
    changed = any(changed_files(store, plan, f"{name}/"))
    read = None if changed else read_small(store, name)
    return np.atleast_1d([] if read is None else read)


@contextmanager
def forbidden_is_missing(store: FileStore) -> Iterator[None]:
    """Let be that a file cannot be read that need not be there: some web servers forbid those."""
    with suppress(*((StoreError,) if store.is_web else ())):
        yield
