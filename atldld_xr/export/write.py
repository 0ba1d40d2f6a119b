"""Writing a lazy Dataset to its store, and going on where an earlier try ended: a recipe."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dask
import numpy as np
import xarray as xr
from dask.system import CPU_COUNT

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export.cluster import connected_client, make_on_cluster
from atldld_xr.export.dasked import make_with_dask
from atldld_xr.export.layout import Layout, lay_out
from atldld_xr.export.lease import Lease
from atldld_xr.export.ledger import Ledger
from atldld_xr.export.parts import Place as ChunkPlace
from atldld_xr.export.place import Place
from atldld_xr.export.resume import Mode, begun
from atldld_xr.export.trace import Parts
from atldld_xr.export.work import Finished, Job, Known, Written, make_parts
from atldld_xr.progress import progress_bar
from atldld_xr.settings import as_int, setting

Event = Written | Known | Finished

# Seconds between entries in the ledger: what a kill costs at most, besides sections in work.
_ENTERED = 2.0


@dataclass(frozen=True)
class ExportReport:
    """What an export did.

    Attributes
    ----------
    url : str
        The store.
    blocks : int
        How many blocks were computed and written.
    skipped : int
        How many had been, by an earlier try.
    nbytes : int
        The size of all arrays in memory, in bytes.
    failures : tuple of dict
        The sections left at the fill value: ``section_image_id`` and ``reason``.
    """

    url: str
    blocks: int
    skipped: int
    nbytes: int
    failures: tuple[Mapping[str, Any], ...] = ()


def export(
    dataset: xr.Dataset,
    url: str,
    *,
    mode: Mode = "w-",
    storage_options: Mapping[str, Any] | None = None,
    compressor: Any = "auto",
    inner_chunks: Mapping[str, int] | None = None,
    retry_failed: bool = False,
    progress: bool = False,
) -> ExportReport:
    """Write a Dataset to a Zarr v3 store; see ``Dataset.atldld.to_zarr``."""
    lazy = _lazy(dataset)
    regular = _regular(lazy)
    place = Place(url, storage_options)
    layout = lay_out(regular, compressor, inner_chunks)
    arrays = {
        name: Arrays(*(ds.variables[name].data for ds in (lazy, regular)))
        for name in layout.contents
    }
    with begun(place, layout, mode) as (store, ledger, lease):
        if retry_failed:
            for at in list(ledger.failures):
                ledger.forget(at)
        done = write_arrays(arrays, layout, store, ledger, lease, progress=progress)
    blocks = sum(int(flags.size) for flags in ledger.done.values())
    return ExportReport(
        url=place.url,
        blocks=done,
        skipped=blocks - done,
        nbytes=sum(arrays[name].regular.nbytes for name in layout.arrays),
        failures=_failures(dataset, ledger),
    )


@dataclass(frozen=True)
class Arrays:
    """A Dask array to be written, as it is and in the chunks of the store."""

    lazy: Any
    regular: Any


def write_arrays(
    arrays: Mapping[str, Arrays],
    layout: Layout,
    store: Place,
    ledger: Ledger,
    lease: Lease,
    *,
    progress: bool = False,
) -> int:
    """Write what is missing of a store that has been begun, and finish it.

    Parameters
    ----------
    arrays : mapping of Arrays
        By name.
    layout : Layout
        Of the store.
    store, ledger, lease
        As `begun` gives them.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    int
        How many chunks were written.
    """
    job = Job(store, layout.arrays)
    missing = sum(int((~flags).sum()) for flags in ledger.done.values())
    with progress_bar("exporting", missing, enabled=progress) as advance:
        for event in _recorded(_make(arrays, job, ledger), ledger, lease):
            advance(isinstance(event, Written))
    finished = layout.finished({name: ledger.all_values(name) for name in layout.values})
    ledger.gather()
    for key, content in finished.items():
        if content is None:
            store.remove([key])
        else:
            store.put(key, content, durable=True)
    return missing


def _make(arrays: Mapping[str, Arrays], job: Job, ledger: Ledger) -> Iterator[Event]:
    """Make everything that the ledger does not have, where Dask computes."""

    def wanted(name: str, place: ChunkPlace) -> bool:
        return not ledger.is_done(name, place)

    parts = Parts(
        {name: array.lazy for name, array in arrays.items()},
        {name: tuple(c[0] for c in array.regular.chunks) for name, array in arrays.items()},
    )
    each = (parts.part(at, wanted) for at in range(parts.count))
    todo = (part for part in each if part.units or part.values)
    client = connected_client()
    if client is not None:
        yield from make_on_cluster(client, todo, job, again=True)
    else:
        makers = dask.config.get("num_workers", None) or CPU_COUNT
        connections = setting("http.connections", as_int)
        if dask.config.get("scheduler", None) in ("sync", "synchronous", "single-threaded"):
            makers = connections = 1
        yield from make_parts(todo, job, makers=makers, connections=connections, again=True)
    others = {n: array.regular for n, array in arrays.items() if n not in parts.names}
    yield from make_with_dask(others, job, wanted)


def _recorded(events: Iterator[Event], ledger: Ledger, lease: Lease) -> Iterator[Event]:
    """Enter events in the ledger as they come, and what was entered in the store now and then."""
    entered = time.monotonic()
    try:
        for event in events:
            ledger.enter(event)
            if time.monotonic() - entered > _ENTERED:
                lease.check()
                ledger.flush()
                entered = time.monotonic()
            yield event
    finally:
        lease.check()
        ledger.flush()


def _lazy(dataset: xr.Dataset) -> xr.Dataset:
    """Return the Dataset with every large array in Dask chunks."""
    if not isinstance(dataset, xr.Dataset):
        raise InvalidArgumentError(f"expected an xarray.Dataset, not {type(dataset).__name__}")
    out = {}
    for name, variable in dataset.variables.items():
        if variable.chunks is None:
            if name in dataset.data_vars and variable.ndim:
                preferred = variable.encoding.get("preferred_chunks", {})
                out[name] = variable.chunk({d: preferred.get(d, -1) for d in variable.dims})
        elif variable.ndim < 2 and variable.dtype.kind not in "biufOTU":
            out[name] = variable.load()  # CF encodes times by their values
    return dataset.assign(out).drop_encoding()


def _regular(dataset: xr.Dataset) -> xr.Dataset:
    """Return the Dataset with chunks of one size in each array, as Zarr has them."""
    out = {}
    for name, variable in dataset.variables.items():
        if variable.chunks is not None and not all(map(_is_regular, variable.chunks)):
            sizes = {d: max(c) for d, c in zip(variable.dims, variable.chunks, strict=True)}
            out[name] = variable.chunk(sizes)
    return dataset.assign(out)


def _is_regular(sizes: tuple[int, ...]) -> bool:
    return all(s == sizes[0] for s in sizes[:-1]) and sizes[-1] <= sizes[0]


def _failures(dataset: xr.Dataset, ledger: Ledger) -> tuple[Mapping[str, Any], ...]:
    reasons = dict(ledger.failures)
    if not reasons and "reason" in ledger.values:
        reasons = {at: r for at, r in enumerate(ledger.all_values("reason")) if r}
    if not reasons or "section_image_id" not in dataset.coords:
        return ()
    ids = np.atleast_1d(dataset["section_image_id"].values)
    return tuple(
        {"section_image_id": int(ids[at]), "reason": reason}
        for at, reason in sorted(reasons.items())
    )
