"""Exporting a Dataset as OME-Zarr: sections in their planes, then each level of the one before."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from os import PathLike
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.allen.excluded import count_excluded
from atldld_xr.arrays.failures import absences, failure_entries
from atldld_xr.arrays.made_of import made_of
from atldld_xr.arrays.variables import STATUSES
from atldld_xr.compute.progress import Callback, check_callback
from atldld_xr.export.ome import neuroglancer
from atldld_xr.export.ome.arrays import channels_first, level_zero
from atldld_xr.export.ome.halving import halved_tasks
from atldld_xr.export.ome.layout import create
from atldld_xr.export.ome.metadata import Version, group_attributes
from atldld_xr.export.ome.pyramid import Axes, Pyramid, plan_pyramid
from atldld_xr.export.run.on_dask import compute_and_write
from atldld_xr.export.run.on_threads import Job
from atldld_xr.export.run.run import Event, make, write_missing
from atldld_xr.export.run.section_tasks import SectionTask
from atldld_xr.export.run.trace_graph import SectionTasks
from atldld_xr.export.to_zarr import ExportReport, lazy_dataset, reasons, section_ids
from atldld_xr.files.file_store import FileStore
from atldld_xr.store.chunk_encoding import ChunkPlace, check_codecs
from atldld_xr.store.earlier import adopted, is_earlier, plan_there, step_there, without_later
from atldld_xr.store.ledger import Ledger
from atldld_xr.store.ledger_entries import SectionEntry, ValuesEntry
from atldld_xr.store.resume import Mode, invalidate, open_for_writing
from atldld_xr.store.store_plan import LINK, OME_KEY, Layout, make_layout


@dataclass(frozen=True)
class BegunOme:
    """An export that is under way, with what it writes to.

    Attributes
    ----------
    dataset : xarray.Dataset
        What is written, with Dask.
    pyramid : Pyramid
        Of it.
    section_tasks : SectionTasks or None
        What makes level 0 section by section.
    layout : Layout
        Of the store.
    job : Job
        Where chunks go.
    ledger : Ledger
        What is done.
    link : callable
        Takes the sections that could not be read, and returns an address that shows another.
    """

    dataset: xr.Dataset
    pyramid: Pyramid
    section_tasks: SectionTasks | None
    layout: Layout
    job: Job
    ledger: Ledger
    link: Callable[[Mapping[int, Mapping[str, str]]], str]

    def is_missing(self, name: str, place: ChunkPlace) -> bool:
        """Whether a chunk is still to be written."""
        return not self.ledger.is_done(name, place)


@contextmanager
def begun_ome(
    dataset: xr.Dataset,
    store: FileStore,
    *,
    ome_version: Version = "0.5",
    variable: str = "image",
    step: float | None = None,
    levels: int | None = None,
    axes: Axes = "zyx",
    mode: Mode = "w-",
    compressor: Any = "auto",
    retry_failed: bool = False,
) -> Iterator[BegunOme]:
    """Begin an OME-Zarr, or go on with it; others are refused for as long as this lasts."""
    stored_plan = plan_there(store, mode)
    step = step_there(stored_plan) if step is None else step
    pyramid = plan_pyramid(dataset, variable=variable, step=step, levels=levels, axes=axes)
    dataset = without_later(dataset, stored_plan)
    lazy = lazy_dataset(dataset)
    section_tasks = _section_tasks(lazy, pyramid)
    attributes = group_attributes(dataset, pyramid, version=ome_version)
    layout = _lay_out(lazy, pyramid, section_tasks, attributes, ome_version, compressor)
    if is_earlier(stored_plan):
        layout = adopted(store, stored_plan, layout, _tell_failures)
    link = partial(_link, dataset, pyramid, store.url)
    layout.tells(lambda group, failures: group.attrs.update({LINK: link(failures)}))
    steps = open_for_writing(
        store, layout, mode, may_read=section_tasks is None, unproven=lambda is_done: ()
    )
    with steps as (target, ledger, lease):
        retry = retry_failed or (section_tasks is not None and section_tasks.on_error == "raise")
        parts, others = ((), layout.arrays) if _is_volume(dataset, pyramid) else (layout.arrays, ())
        invalidate(target, layout, ledger, parts, others, as_one=False, retry_failed=retry)
        job = Job(target, layout.arrays, may_overwrite=ledger.may_overwrite, lease=lease)
        yield BegunOme(lazy, pyramid, section_tasks, layout, job, ledger, link)


def export_ome(
    dataset: xr.Dataset,
    url: str | PathLike[str],
    *,
    variable: str = "image",
    storage_options: Mapping[str, Any] | None = None,
    progress: bool = False,
    callback: Callback | None = None,
    **options: Any,
) -> ExportReport:
    """Write a Dataset as OME-Zarr; see ``Dataset.atldld.to_ome_zarr``."""
    check_callback(callback)
    store = FileStore(url, storage_options)
    with begun_ome(dataset, store, variable=variable, **options) as begun:
        job, ledger, pyramid, layout = begun.job, begun.ledger, begun.pyramid, begun.layout

        def events() -> Generator[Event, None, None]:
            if begun.section_tasks is None:
                yield from _told(begun.dataset, pyramid, job, begun.is_missing)
                yield from _planes(begun.dataset, pyramid, job, begun.is_missing)
            else:
                yield from _sections(begun.section_tasks, pyramid, job, begun.is_missing)
            for level in range(1, pyramid.levels):
                yield from make(halved_tasks(pyramid, level, job, begun.is_missing), job)

        done = write_missing(
            events(), layout, job.store, ledger, job.lease, progress=progress, callback=callback
        )
    ids = dict(_places(begun.dataset, pyramid))
    return ExportReport(
        url=store.url,
        blocks=done,
        skipped=sum(ledger.chunks.values()) - done,
        nbytes=sum(
            int(np.prod(pyramid.shape(level))) * pyramid.dtype.itemsize
            for level in range(pyramid.levels)
        ),
        failures=failure_entries(ledger.failures, ids),
        absent=absences(begun.dataset, [variable]),
        excluded=count_excluded(begun.dataset.attrs),
        link=begun.link(ledger.failures),
    )


def _link(
    dataset: xr.Dataset, pyramid: Pyramid, url: str, failures: Mapping[int, Mapping[str, str]]
) -> str:
    """Return an address that shows a section which could be read."""
    lost = () if _is_volume(dataset, pyramid) else failures
    name = str(dataset.attrs.get("title", pyramid.variable))
    where = neuroglancer.url_for_viewers(url)
    return neuroglancer.link(neuroglancer.state_of(pyramid, where, name, without=lost))


def _lay_out(
    dataset: xr.Dataset,
    pyramid: Pyramid,
    section_tasks: SectionTasks | None,
    attributes: Mapping[str, Any],
    version: Version,
    compressor: Any,
) -> Layout:
    import zarr

    memory: dict[str, Any] = {}
    create(
        zarr.storage.MemoryStore(memory),
        pyramid,
        attributes,
        version=version,
        compressor=compressor,
    )
    paths = [pyramid.path(level) for level in range(pyramid.levels)]
    contents = {paths[0]: str(dataset[pyramid.variable].data.name)}
    contents |= section_tasks.contents if section_tasks else {}
    contents |= {path: f"means of {before}" for before, path in pairwise(paths)}
    count, tell = pyramid.planes.axis.size, _tell_failures
    if _is_volume(dataset, pyramid):
        ids = section_ids(dataset)
        count, tell = max(count, len(ids)), partial(_tell_lost_sections, dict(enumerate(ids)))
    layout = make_layout(
        memory,
        paths,
        contents,
        {},
        count,
        zarr_format=3 if version == "0.5" else 2,
        axis=pyramid.section_axis,
        places=pyramid.planes.places,
        on_error=None if section_tasks is None else section_tasks.on_error,
        tell=tell,
    )
    if compressor not in (None, "auto"):
        check_codecs(layout.arrays.values())
    return layout


def _tell_failures(group: Any, failures: Mapping[int, Mapping[str, str]]) -> None:
    """Keep with each section why it could not be read, and so is not valid."""
    own = dict(group.attrs[OME_KEY])
    why = {
        plane: "; ".join(reasons_of_plane.values()) for plane, reasons_of_plane in failures.items()
    }
    own["sections"] = [
        {k: v for k, v in section.items() if k != "failure"}
        | (_failed(section, why[section["plane"]]) if section["plane"] in why else {})
        for section in own["sections"]
    ]
    group.attrs[OME_KEY] = own


def _tell_lost_sections(
    ids: Mapping[int, int], group: Any, failures: Mapping[int, Mapping[str, str]]
) -> None:
    """Keep which sections of a volume could not be read, and why: no plane is of one alone."""
    own = dict(group.attrs[OME_KEY])
    own["failures"] = failure_entries(failures, ids)
    group.attrs[OME_KEY] = own


def _failed(section: Mapping[str, Any], reason: str) -> dict[str, Any]:
    return ({"valid": False} if "valid" in section else {}) | {"failure": reason}


def _section_tasks(dataset: xr.Dataset, pyramid: Pyramid) -> SectionTasks | None:
    """Return the section tasks of level 0, None if the image is not a plain part of a plan."""
    image = dataset[pyramid.variable].variable
    dims = (pyramid.planes.dim, "y", "x", *(("channel",) if "channel" in image.dims else ()))
    channels, _, rows, columns = pyramid.chunks(0)
    path, chunks = pyramid.path(0), (1, rows, columns, channels)[: len(dims)]
    section_tasks = SectionTasks({path: image.data}, {path: chunks}) if image.dims == dims else None
    return section_tasks if section_tasks is not None and section_tasks.names else None


def _planes(dataset: xr.Dataset, pyramid: Pyramid, job: Job, is_missing: Any) -> Iterator[Event]:
    """Have Dask make level 0, and write it."""
    places = set(map(pyramid.turned, pyramid.blocks(0)))
    array = level_zero(dataset, pyramid)

    def is_to_be(name: str, at: ChunkPlace) -> bool:
        return at in places and is_missing(name, at)

    yield from compute_and_write({pyramid.path(0): array}, job, is_to_be, _places(dataset, pyramid))


def _told(dataset: xr.Dataset, pyramid: Pyramid, job: Job, is_missing: Any) -> Iterator[Event]:
    """Tell of sections that the Dataset says could not be read, before Dask makes any of them."""
    planes, bases = pyramid.planes, made_of(dataset, pyramid.variable)
    why = {name: array for name, array in reasons(dataset, ()).items() if STATUSES[name] in bases}
    blocks = {at: is_missing(pyramid.path(0), pyramid.turned(at)) for at in pyramid.blocks(0)}
    missing = {at for at, is_to_be_made in blocks.items() if is_to_be_made}
    begun = {at[1] for at in blocks.keys() - missing}
    is_volume = _is_volume(dataset, pyramid)

    def is_new(name: str, at: ChunkPlace) -> bool:
        # A section of a volume may be seen in any plane.
        return bool(missing) if is_volume else planes.places[at[0]] not in begun

    failures_of: dict[int, dict[str, str]] = {}
    for entry in compute_and_write(why, job, is_new, _places(dataset, pyramid)):
        if isinstance(entry, ValuesEntry):
            section_reasons = failures_of.setdefault(entry.at, {})
            section_reasons[STATUSES[entry.array]] = str(entry.values[0])
            if len(section_reasons) == len(why):  # at once: what is told later is in place of it
                failures = {base: failure for base, failure in section_reasons.items() if failure}
                yield SectionEntry(entry.at if is_volume else planes.places[entry.at], {}, failures)


def _sections(
    section_tasks: SectionTasks, pyramid: Pyramid, job: Job, is_missing: Any
) -> Iterator[Event]:
    """Make and write level 0, section by section."""
    planes = pyramid.planes.places

    def place_in_store(at: int, place: ChunkPlace) -> ChunkPlace:
        return pyramid.turned((0, planes[at], place[1], place[2]))

    def section_task(at: int) -> SectionTask:
        task = section_tasks.section_task(
            at, lambda name, place: is_missing(name, place_in_store(at, place))
        )
        chunk_tasks = tuple(
            replace(
                chunk_task,
                place=place_in_store(at, chunk_task.place),
                transpose=partial(_channels_first, pyramid.order),
            )
            for chunk_task in task.chunk_tasks
        )
        return replace(task, at=planes[at], chunk_tasks=chunk_tasks)

    yield from make((section_task(at) for at in range(section_tasks.count)), job)


def _channels_first(order: Sequence[int], block: NDArray[Any]) -> NDArray[Any]:
    """Return (section, y, x[, channel]) over the axes of the store."""
    return channels_first(block).transpose(order)


def _is_volume(dataset: xr.Dataset, pyramid: Pyramid) -> bool:
    """Return whether a plane is of any number of sections: these have a dimension of their own."""
    ids = dataset.coords.get("section_image_id")
    return ids is not None and pyramid.planes.dim not in ids.dims


def _places(dataset: xr.Dataset, pyramid: Pyramid) -> list[tuple[int, int]]:
    """Return the place of each section, and its image's id; nothing if the Dataset has no ids."""
    if _is_volume(dataset, pyramid):
        return list(enumerate(section_ids(dataset)))
    return list(zip(pyramid.planes.places, section_ids(dataset), strict=False))
