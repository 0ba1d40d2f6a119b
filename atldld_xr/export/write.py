"""Writing a lazy Dataset to its store: blocks in batches, on whatever scheduler is in use."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import dask
import numpy as np
import xarray as xr
from dask.system import CPU_COUNT

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export.store import STATE, Mode, Place, consolidate, create, encode, storing
from atldld_xr.progress import counting, progress_bar
from atldld_xr.settings import as_int, setting

# Blocks handed to the scheduler at a time: enough to keep it busy, and few enough that the tiles
# waiting for their blocks are a section's or two. Dask orders a larger batch by breadth: at 1 um,
# six sections in one batch had 580 tiles alive at once, one has 150 (0.8 MB each).
_BATCH_BLOCKS = 512


@dataclass(frozen=True)
class ExportReport:
    """What an export did.

    Attributes
    ----------
    url : str
        The store.
    blocks : int
        How many blocks were computed and written.
    nbytes : int
        Their size in memory, in bytes.
    failures : tuple of dict
        The sections left at the fill value: ``section_image_id`` and ``reason``.
    """

    url: str
    blocks: int
    nbytes: int
    failures: tuple[Mapping[str, Any], ...] = ()


def export(
    dataset: xr.Dataset,
    url: str,
    *,
    mode: Mode = "w-",
    storage_options: Mapping[str, Any] | None = None,
    compressor: Any | Literal["auto"] | None = "auto",
    progress: bool = False,
) -> ExportReport:
    """Write a Dataset to a Zarr v3 store; see ``Dataset.atldld.to_zarr``."""
    dataset = _regular(dataset)
    place = Place(url, storage_options)
    template, encoding = encode(dataset, compressor)
    replaces = place.check_free(mode)
    with place.replaced() if replaces else nullcontext(place.url) as target:
        with storing(place.url):
            create(template, target, place.storage_options, encoding)
        return _fill(dataset, place, target, progress)


def _fill(dataset: xr.Dataset, place: Place, target: str, progress: bool) -> ExportReport:
    """Compute and write everything of a Dataset whose store has been created."""
    import zarr

    group: Any = zarr.open_group(target, mode="r+", storage_options=place.storage_options)
    small: dict[str, Any] = {}
    large: dict[str, Any] = {}
    for name, variable in dataset.variables.items():
        if variable.chunks is not None:
            (small if variable.ndim < 2 else large)[str(name)] = variable.data
    writes = {name: _write_array(data, group[name]) for name, data in large.items()}
    blocks = sum(array.npartitions for array in writes.values())
    values: dict[str, list[Any]] = {name: [] for name in small}
    with (
        storing(place.url),
        _own_threads(),
        progress_bar("exporting", blocks, enabled=progress) as advance,
    ):
        for start, stop in _batches([*writes.values(), *small.values()]):
            for name, value in _run(writes, small, start, stop, advance).items():
                values[name].extend(value)
        for name, value in values.items():
            group[name][...] = np.array(value, dtype=small[name].dtype).reshape(small[name].shape)
        group.attrs[STATE] = "complete"
        consolidate(group)
    nbytes = sum(array.nbytes for array in large.values())
    return ExportReport(place.url, blocks, nbytes, _failures(dataset, values.get("reason", [])))


def _regular(dataset: xr.Dataset) -> xr.Dataset:
    """Return the Dataset with every large array in Dask chunks of one size, as Zarr has them."""
    if not isinstance(dataset, xr.Dataset):
        raise InvalidArgumentError(f"expected an xarray.Dataset, not {type(dataset).__name__}")
    out = {}
    for name, variable in dataset.variables.items():
        if variable.chunks is None:
            if name in dataset.data_vars and variable.ndim:
                preferred = variable.encoding.get("preferred_chunks", {})
                out[name] = variable.chunk({d: preferred.get(d, -1) for d in variable.dims})
        elif variable.ndim < 2 and variable.dtype.kind in "mM":
            out[name] = variable.load()  # CF encodes times by their values
        elif not all(map(_is_regular, variable.chunks)):
            sizes = {d: max(c) for d, c in zip(variable.dims, variable.chunks, strict=True)}
            out[name] = variable.chunk(sizes)
    return dataset.assign(out).drop_encoding()


def _is_regular(sizes: tuple[int, ...]) -> bool:
    return all(s == sizes[0] for s in sizes[:-1]) and sizes[-1] <= sizes[0]


def _write_array(data: Any, target: Any) -> Any:
    """Return a Dask array whose blocks, when computed, write those of `data`."""
    import dask.array as da

    steps = tuple(sizes[0] for sizes in data.chunks)
    return da.map_blocks(
        _write_block,
        data,
        target=target,
        steps=steps,
        dtype=np.int64,
        chunks=tuple((1,) * len(sizes) for sizes in data.chunks),
        meta=np.empty((0,) * data.ndim, dtype=np.int64),
        name=f"atldld-write-{dask.base.tokenize(data.name, str(target.store_path))}",
    )


def _write_block(
    block: np.ndarray[Any, Any], target: Any, steps: tuple[int, ...], block_id: tuple[int, ...]
) -> np.ndarray[Any, Any]:
    region = tuple(
        slice(at * step, at * step + size)
        for at, step, size in zip(block_id, steps, block.shape, strict=True)
    )
    target[region] = block
    return np.ones((1,) * block.ndim, dtype=np.int64)


@contextmanager
def _own_threads() -> Iterator[None]:
    """Have Dask's threads be ours, where it would use its own.

    They end with this: after an error Dask leaves the tasks under way to themselves, and they would
    go on writing. And there is one for each connection: most of their time is waiting for a tile.
    """
    if dask.config.get("pool", None) is not None:
        yield
        return
    pool = ThreadPoolExecutor(max(CPU_COUNT, setting("http.connections", as_int)))
    wait = True
    try:
        with dask.config.set(pool=pool):
            yield
    except KeyboardInterrupt:
        wait = False  # for a try at a dead service it could be a minute
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)


def _batches(arrays: Sequence[Any]) -> Iterator[tuple[int, int]]:
    """Yield ranges of sections whose blocks together are a batch for the scheduler."""
    sections = max((array.numblocks[0] for array in arrays if array.ndim), default=1)
    per_section = sum(math.prod(array.numblocks[1:]) for array in arrays)
    step = max(_BATCH_BLOCKS // max(per_section, 1), 1)
    for start in range(0, sections, step):
        yield start, min(start + step, sections)


def _run(
    writes: Mapping[str, Any],
    small: Mapping[str, Any],
    start: int,
    stop: int,
    advance: Callable[[int], None],
) -> dict[str, Any]:
    """Compute and write one batch, and return its part of the small arrays."""
    batch = [a.blocks[start:stop] for a in writes.values() if start < a.numblocks[0]]
    values = {
        name: array.blocks[start:stop] if array.ndim else array
        for name, array in small.items()
        if start < (array.numblocks[0] if array.ndim else 1)
    }
    with counting(batch, advance) as counted:
        results = dask.compute(*batch, *values.values())
    advance(sum(array.npartitions for array in batch) - counted())
    return dict(zip(values, map(np.atleast_1d, results[len(batch) :]), strict=True))


def _failures(dataset: xr.Dataset, reasons: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    if not reasons or "section_image_id" not in dataset.coords:
        return ()
    ids = dataset["section_image_id"].values.reshape(-1)
    return tuple(
        {"section_image_id": int(i), "reason": str(r)}
        for i, r in zip(ids, reasons, strict=True)
        if r
    )
