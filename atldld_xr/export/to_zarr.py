"""Writing a lazy Dataset to its store, and going on where an earlier try ended: a recipe."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
import xarray as xr

from atldld_xr.allen.excluded import count_excluded
from atldld_xr.arrays.failures import UNREAD, absences, failure_entries, told
from atldld_xr.arrays.made_of import say_made_of
from atldld_xr.arrays.readers import content_name
from atldld_xr.arrays.variables import STATUSES
from atldld_xr.compute.progress import Callback, check_callback
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export.choose import choose
from atldld_xr.export.run.on_dask import compute_and_write
from atldld_xr.export.run.on_threads import Job
from atldld_xr.export.run.run import Event, make, write_missing
from atldld_xr.export.run.trace_graph import SectionTasks
from atldld_xr.files.file_store import FileStore
from atldld_xr.messages.html import AsHtml
from atldld_xr.store.attributes import check_attributes
from atldld_xr.store.chunk_encoding import ChunkPlace
from atldld_xr.store.coordinates import rounded_as_there
from atldld_xr.store.earlier import adopted, as_earlier, is_earlier, plan_there, without_later
from atldld_xr.store.layout import check_names, layout_of_dataset
from atldld_xr.store.ledger_entries import SectionEntry, ValuesEntry
from atldld_xr.store.resume import Mode, invalidate, open_for_writing


@dataclass(frozen=True)
class ExportReport(AsHtml):
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
        The sections left at the fill value: ``variable``, ``section_image_id`` and ``reason``.
    absent : tuple of dict
        Those that the service has nothing of, in the same words: masks that there are none of.
    excluded : mapping of int
        How many sections of the data set cannot be registered, and so are left out, by reason.
    link : str or None
        Of an OME-Zarr: an address that shows its middle section in neuroglancer.
    """

    url: str
    blocks: int
    skipped: int
    nbytes: int
    failures: tuple[Mapping[str, Any], ...] = ()
    absent: tuple[Mapping[str, Any], ...] = ()
    excluded: Mapping[str, int] = field(default_factory=dict)
    link: str | None = None


def export(
    dataset: xr.Dataset,
    url: str | PathLike[str],
    *,
    mode: Mode = "w-",
    storage_options: Mapping[str, Any] | None = None,
    compressor: Any = "auto",
    inner_chunks: Mapping[str, int] | None = None,
    retry_failed: bool = False,
    variables: str | Sequence[str] | None = None,
    progress: bool = False,
    callback: Callback | None = None,
) -> ExportReport:
    """Write a Dataset to a Zarr v3 store; see ``Dataset.atldld.to_zarr``."""
    check_callback(callback)
    chosen, place = choose(dataset, variables), FileStore(url, storage_options)
    stored_plan = plan_there(place, mode)
    if is_earlier(stored_plan):
        dataset = as_earlier(dataset, chosen, stored_plan)
    else:
        dataset = without_later(chosen, stored_plan)
    lazy = lazy_dataset(dataset)
    check_names(lazy)
    lazy = say_made_of(lazy)
    check_attributes(lazy)
    regular = regular_dataset(lazy)
    arrays = {str(name): v.data for name, v in regular.variables.items() if v.chunks is not None}
    section_tasks = SectionTasks(
        {name: lazy.variables[name].data for name in arrays},
        {name: tuple(map(max, array.chunks)) for name, array in arrays.items()},
    )
    ids = section_ids(dataset)
    count = max(section_tasks.count, len(ids))
    tell = partial(_tell_failures, ids)
    layout = layout_of_dataset(
        regular,
        compressor,
        inner_chunks,
        section_tasks.contents,
        count,
        section_tasks.on_error,
        tell,
    )
    layout = rounded_as_there(place, stored_plan, layout)
    if is_earlier(stored_plan):
        layout = adopted(place, stored_plan, layout, tell)
    # What comes of a plan alone is read from no store.
    may_read = not section_tasks.names >= set(arrays)
    steps = open_for_writing(
        place, layout, mode, may_read=may_read, unproven=section_tasks.unproven
    )
    with steps as (store, ledger, lease):
        others = {name: array for name, array in arrays.items() if name not in section_tasks.names}
        places = list(enumerate(ids))
        retry = retry_failed or section_tasks.on_error == "raise"
        fills = section_tasks.on_error == "fill"
        invalidate(
            store, layout, ledger, section_tasks.names, others, as_one=fills, retry_failed=retry
        )
        job = Job(store, layout.arrays, may_overwrite=ledger.may_overwrite, lease=lease)

        def is_missing(name: str, place: ChunkPlace) -> bool:
            # The status of a loaded section is no array of its own: why it is so is told each time.
            is_kept = name in ledger.arrays or name in ledger.values
            return not is_kept or not ledger.is_done(name, place)

        def events() -> Generator[Event, None, None]:
            yield from make(
                (section_tasks.section_task(at, is_missing) for at in range(section_tasks.count)),
                job,
            )
            why = reasons(dataset, section_tasks.names)
            yield from _computed_by_dask(others, why, job, is_missing, places)

        done = write_missing(
            events(), layout, store, ledger, lease, progress=progress, callback=callback
        )
    return ExportReport(
        url=place.url,
        blocks=done,
        skipped=sum(ledger.chunks.values()) - done,
        nbytes=sum(arrays[name].nbytes for name in layout.arrays),
        failures=failure_entries(ledger.failures, dict(places)),
        absent=absences(dataset, layout.arrays),
        excluded=count_excluded(dataset.attrs),
    )


def reasons(dataset: xr.Dataset, arrays_by_section: Collection[str]) -> dict[str, Any]:
    """Return why sections could not be read, as Dask arrays by the name of their status.

    Parameters
    ----------
    dataset : xarray.Dataset
        What is written.
    arrays_by_section : collection of str
        What is told of by those who make it.
    """
    out = {}
    for name in STATUSES.keys() - arrays_by_section:
        if name in dataset.variables:
            reason = told(dataset, STATUSES[name])["reason"].variable
            if reason.ndim < 2:
                out[name] = reason.chunk(dict.fromkeys(reason.dims, 1)).data
    return out


def _computed_by_dask(
    arrays: Mapping[str, Any],
    why: Mapping[str, Any],
    job: Job,
    is_missing: Callable[[str, ChunkPlace], bool],
    places: Sequence[tuple[int, int]],
) -> Generator[Event, None, None]:
    """Have Dask make arrays, and tell of sections that the Dataset says could not be read."""
    names = {f"{name}: why": name for name in why}

    def is_wanted(name: str, place: ChunkPlace) -> bool:
        return is_missing(names.get(name, name), place)

    reason_arrays = {name: why[status] for name, status in names.items()}
    for event in compute_and_write({**reason_arrays, **arrays}, job, is_wanted, places):
        if isinstance(event, ValuesEntry) and event.array in names:
            for at, reason in enumerate(event.values, event.at):
                if reason:
                    yield SectionEntry(at, {}, {STATUSES[names[event.array]]: str(reason)})
        else:
            yield event


def _tell_failures(
    ids: Sequence[int], group: Any, failures: Mapping[int, Mapping[str, str]]
) -> None:
    """Keep with the attributes why sections could not be read."""
    if failures:
        group.attrs[UNREAD] = json.dumps(failure_entries(failures, dict(enumerate(ids))))


def lazy_dataset(dataset: xr.Dataset) -> xr.Dataset:
    """Return the Dataset with every large array in Dask chunks."""
    if not isinstance(dataset, xr.Dataset):
        raise InvalidArgumentError(f"expected an xarray.Dataset, not {type(dataset).__name__}")
    out = {}
    for name, variable in dataset.variables.items():
        if variable.chunks is None:
            if name in dataset.data_vars and variable.ndim:
                preferred = variable.encoding.get("preferred_chunks", {})
                sizes = {d: preferred.get(d, -1) for d in variable.dims}
                out[name] = variable.chunk(sizes, name=content_name(variable, sizes))
        elif variable.ndim < 2 and variable.dtype.kind not in "biufOTU":
            out[name] = variable.load()  # CF encodes times by their values
    return dataset.assign(out).drop_encoding()


def regular_dataset(dataset: xr.Dataset) -> xr.Dataset:
    """Return the Dataset with chunks of one size in each array, as Zarr has them."""
    out = {}
    for name, variable in dataset.variables.items():
        if variable.chunks is not None and not all(map(_is_regular, variable.chunks)):
            sizes = {d: max(c) for d, c in zip(variable.dims, variable.chunks, strict=True)}
            out[name] = variable.chunk(sizes)
    return dataset.assign(out)


def _is_regular(sizes: tuple[int, ...]) -> bool:
    return all(s == sizes[0] for s in sizes[:-1]) and sizes[-1] <= sizes[0]


def section_ids(dataset: xr.Dataset) -> list[int]:
    """Return the ids of the sections' images, in order; none if the Dataset has none."""
    if "section_image_id" not in dataset.coords:
        return []
    return [int(image_id) for image_id in np.atleast_1d(dataset["section_image_id"].values)]
