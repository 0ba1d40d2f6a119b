"""How far the export to a store is, and which sections it tells of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Literal

from atldld_xr.allen.excluded import count_excluded
from atldld_xr.allen.reference import SECTION_DIMS
from atldld_xr.arrays.failures import failure_entries
from atldld_xr.arrays.made_of import said_in
from atldld_xr.arrays.variables import MADE_OF, NO_MASK
from atldld_xr.errors import StoreError
from atldld_xr.files.file_store import FileStore
from atldld_xr.messages.html import AsHtml
from atldld_xr.store.chunk_encoding import ArraySpec
from atldld_xr.store.done import REASON, Failures
from atldld_xr.store.lease import is_alive, read_holder
from atldld_xr.store.ledger import Ledger
from atldld_xr.store.small_arrays import forbidden_is_missing, read_unchanged
from atldld_xr.store.store_plan import OME_KEY, PLAN, RecordsError, is_complete, read_plan


@dataclass(frozen=True)
class StoreStatus(AsHtml):
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

    Examples
    --------
    >>> import atldld_xr
    >>> ds = atldld_xr.open_dataset("phantom", resolution=100).isel(coronal=[8, 9])
    >>> report = ds.atldld.to_zarr("phantom.zarr")
    >>> atldld_xr.status("phantom.zarr").state
    'complete'
    """
    store, plan, ledger = open_records(url, storage_options)
    running = _is_running(store)
    listing = store.listing()
    if listing is not None:
        ledger.compare(listing)
    damaged = Counter(name for name, _ in ledger.missing)
    written = {name: count - damaged[name] for name, count in ledger.written.items()}
    complete = is_complete(store, plan["zarr format"]) and written == ledger.chunks
    return StoreStatus(
        url=store.url,
        state="running" if running else "complete" if complete else "interrupted",
        written=written,
        chunks=ledger.chunks,
        failures=_failures(store, plan, ledger),
        absent=_absences(store, plan),
        excluded=excluded_of(plan),
    )


def open_records(
    url: str | PathLike[str], storage_options: Mapping[str, Any] | None
) -> tuple[FileStore, dict[str, Any], Ledger]:
    store = FileStore(url, storage_options)
    plan = read_plan(store)
    if plan is None:
        raise StoreError(f"{store.url} holds no export of this package")
    try:
        specs = {
            name: ArraySpec(name, json.dumps(metadata), plan["zarr format"])
            for name, metadata in plan["arrays"].items()
        }
        ledger = Ledger(store, specs, plan)
    except Exception as error:  # Zarr raises all kinds where its metadata is none
        why = " ".join(str(error).split())
        raise RecordsError(f"{store.url}/{PLAN} is damaged: {why:.200}") from error
    ledger.read()
    return store, plan, ledger


def excluded_of(plan: Mapping[str, Any]) -> dict[str, int]:
    attributes = plan["dataset"]
    own = attributes.get(OME_KEY)  # an OME-Zarr has those of its Dataset below
    return count_excluded(own.get("attributes") if isinstance(own, Mapping) else attributes)


def entries_of(
    store: FileStore, plan: Mapping[str, Any], failures: Failures
) -> tuple[Mapping[str, Any], ...]:
    return failure_entries(failures, _section_ids(store, plan) if failures else {})


def _is_running(store: FileStore) -> bool:
    holder = None
    with forbidden_is_missing(store):
        holder = read_holder(store)
    return holder is not None and is_alive(holder)


def _failures(
    store: FileStore, plan: Mapping[str, Any], ledger: Ledger
) -> tuple[Mapping[str, Any], ...]:
    failures = {**ledger.failures}
    if f"{REASON}/zarr.json" in plan["crc32c of files"] and REASON not in ledger.values:
        stored_reasons = read_unchanged(store, plan, REASON)  # it was known before the export
        failures |= {at: {"": str(reason)} for at, reason in enumerate(stored_reasons) if reason}
    return entries_of(store, plan, failures)


def _absences(store: FileStore, plan: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the masks that there are none of, as the store's coordinate tells."""
    has: Mapping[int, Any] = {}
    masks = [name for name, array in plan["arrays"].items() if _is_mask(name, array)]
    if masks and "has_expression/zarr.json" in plan["crc32c of files"]:
        has = dict(enumerate(read_unchanged(store, plan, "has_expression").tolist()))
    own = plan["dataset"].get(OME_KEY)
    if isinstance(own, Mapping) and "expression" in str(own.get(MADE_OF, own.get("variable"))):
        has = {s["plane"]: s.get("has_expression", True) for s in _planes(own)}
    absent = {at: {"expression": NO_MASK} for at, has_mask in has.items() if not has_mask}
    return entries_of(store, plan, absent)


def _is_mask(name: str, metadata: Mapping[str, Any]) -> bool:
    attributes, dims = metadata.get("attributes"), metadata.get("dimension_names")
    said = said_in(name, attributes if isinstance(attributes, Mapping) else {})
    of_sections = isinstance(dims, list) and any(dim in SECTION_DIMS for dim in dims)
    return "expression" in said or (not said and of_sections)


def _section_ids(store: FileStore, plan: Mapping[str, Any]) -> dict[int, int]:
    """Return the sections' ids by their place along the axis of sections."""
    own = plan["dataset"].get(OME_KEY)  # an OME-Zarr has them by plane
    if isinstance(own, Mapping):
        return {s["plane"]: s["section_image_id"] for s in _planes(own)}
    try:
        return dict(
            enumerate(map(int, read_unchanged(store, plan, "section_image_id").reshape(-1)))
        )
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
