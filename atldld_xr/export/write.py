"""Writing a lazy Dataset to its store, and going on where an earlier try ended: a recipe."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
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
from atldld_xr.export.parts import Parts
from atldld_xr.export.parts import Place as ChunkPlace
from atldld_xr.export.place import Place
from atldld_xr.export.resume import Mode, begun
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
    dataset = _regular(dataset)
    place = Place(url, storage_options)
    layout = lay_out(dataset, compressor, inner_chunks)
    arrays = {name: dataset.variables[name].data for name in layout.contents}
    with begun(place, layout, mode) as (store, ledger, lease):
        done = write_arrays(
            arrays, layout, store, ledger, lease, retry_failed=retry_failed, progress=progress
        )
    blocks = sum(int(flags.size) for flags in ledger.done.values())
    return ExportReport(
        url=place.url,
        blocks=done,
        skipped=blocks - done,
        nbytes=sum(arrays[name].nbytes for name in layout.arrays),
        failures=_failures(dataset, ledger),
    )


def write_arrays(
    arrays: Mapping[str, Any],
    layout: Layout,
    store: Place,
    ledger: Ledger,
    lease: Lease,
    *,
    retry_failed: bool = False,
    progress: bool = False,
) -> int:
    """Write what is missing of a store that has been begun, and finish it.

    Parameters
    ----------
    arrays : mapping of dask.array.Array
        By name, chunked as the store is.
    layout : Layout
        Of the store.
    store, ledger, lease
        As `begun` gives them.
    retry_failed : bool
        Whether to make sections anew that were left at the fill value.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    int
        How many chunks were written.
    """
    parts = Parts(arrays)
    _take_back(ledger, parts, arrays, retry_failed)
    job = Job(store, layout.arrays, lease)
    missing = sum(int((~flags).sum()) for flags in ledger.done.values())
    with (
        progress_bar("exporting", missing, enabled=progress) as advance,
        closing(_make(arrays, parts, job, ledger)) as made,
        closing(_recorded(made, ledger, lease)) as events,
    ):
        for event in events:
            advance(_chunks_of(event))
    finished = layout.finished({name: ledger.all_values(name) for name in layout.values})
    lease.check()
    ledger.gather()
    if missing:
        store.settle()
    for key, content in finished.items():
        store.update(key, content)
    return missing


def _take_back(ledger: Ledger, parts: Parts, arrays: Mapping[str, Any], retry_failed: bool) -> None:
    """Have the ledger forget what is to be made again, before any of it is touched."""
    again = set(ledger.failures) if retry_failed else set()
    for name, place in ledger.lost:
        ledger.forget_chunk(name, place)
        # What is told of a section is about all of it.
        if name in parts.names and (ledger.values or place[0] in ledger.failures):
            again.add(place[0])
    if again & set(ledger.failures):
        for name in arrays.keys() - parts.names:  # any of it may be made of a section's fill
            ledger.forget_array(name)
    for at in sorted(again):
        ledger.forget(at, parts.names)
    ledger.flush()


def _make(
    arrays: Mapping[str, Any], parts: Parts, job: Job, ledger: Ledger
) -> Generator[Event, None, None]:
    """Make everything that the ledger does not have, where Dask computes."""

    def wanted(name: str, place: ChunkPlace) -> bool:
        return not ledger.is_done(name, place)

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
    others = {name: array for name, array in arrays.items() if name not in parts.names}
    yield from make_with_dask(others, job, wanted)


def _recorded(
    events: Iterator[Event], ledger: Ledger, lease: Lease
) -> Generator[Event, None, None]:
    """Enter events in the ledger as they come, and what was entered in the store now and then."""
    entered = time.monotonic()
    try:
        for event in events:
            ledger.enter(event)
            if time.monotonic() - entered > _ENTERED:
                lease.check()
                ledger.flush()
                ledger.gather_many()
                entered = time.monotonic()
            yield event
    finally:
        lease.check()
        ledger.flush()


def _chunks_of(event: Event) -> int:
    if isinstance(event, Finished):
        return len(event.written)
    return int(isinstance(event, Written))


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
        elif variable.ndim < 2 and variable.dtype.kind not in "biufOTU":
            out[name] = variable.load()  # CF encodes times by their values
        elif not all(map(_is_regular, variable.chunks)):
            sizes = {d: max(c) for d, c in zip(variable.dims, variable.chunks, strict=True)}
            out[name] = variable.chunk(sizes)
    return dataset.assign(out).drop_encoding()


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
