"""summarize: numbers of structures of many data sets, as one table, entered as they come."""

from __future__ import annotations

import inspect
import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from atldld_xr._version import __version__
from atldld_xr.allen.ids import is_phantom
from atldld_xr.analysis.ontology import choose
from atldld_xr.analysis.structure_summary import check_hemisphere, check_threshold
from atldld_xr.catalogue.selection import dataset_ids, dataset_name
from atldld_xr.collection.atlas import find_atlas, keep_labels
from atldld_xr.collection.cost import Cost
from atldld_xr.collection.explain import explain_rows
from atldld_xr.collection.layout import shape_of, table_layout
from atldld_xr.collection.missing import look, missing_rows, row_parts
from atldld_xr.collection.parquet import check_folder, is_parquet, rows_of, write_parts
from atldld_xr.collection.row import Wanted
from atldld_xr.collection.run import LOST, RowTask, make_rows
from atldld_xr.compute.progress import Callback, check_callback, progress_bar
from atldld_xr.datasets.answered import Answered, NotAskedYet
from atldld_xr.datasets.arguments import with_arguments_too
from atldld_xr.datasets.plan_dataset import plan_dataset
from atldld_xr.datasets.records_ahead import WHERE, records_ahead
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export.run.on_threads import Job
from atldld_xr.export.run.run import write_missing
from atldld_xr.files.address import checked
from atldld_xr.files.file_store import FileStore
from atldld_xr.files.paths import absolute, is_path
from atldld_xr.messages.html import AsHtml
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_one_of
from atldld_xr.registration.places import absolute_place, content_digest
from atldld_xr.sources.resolve import resolve
from atldld_xr.store.ledger import Ledger
from atldld_xr.store.ledger_entries import SectionEntry
from atldld_xr.store.resume import Mode, invalidate, open_for_writing

_NOT_OF_ROWS = ("source", "refresh", "offline", "chunks")
"""Of the arguments of `open_dataset`, those that change no number, and the source."""


@dataclass(frozen=True)
class SummaryReport(AsHtml):
    """What was done of a table.

    Attributes
    ----------
    url : str
        Where it is.
    datasets : int
        Its rows.
    counted, skipped : int
        Data sets whose rows were made now, and those that were there already.
    failures : tuple of dict
        The ``dataset`` of each row that has no numbers, or not all of them, and the ``reason``.
        With ``retry_failed=True`` these are made again.
    cost : Cost, optional
        Of a dry run: what the missing rows take.
    """

    url: str
    datasets: int
    counted: int
    skipped: int
    failures: tuple[Mapping[str, Any], ...]
    cost: Cost | None = None


@with_arguments_too(plan_dataset)
def summarize(
    datasets: Any,
    *,
    url: str | os.PathLike[str],
    structures: str | int | Iterable[str | int] | None = None,
    threshold: int = 25,
    method: Literal["sections", "grid"] = "sections",
    hemisphere: Literal["both", "left", "right", "each"] = "both",
    annotation: str | os.PathLike[str] | None = None,
    mode: Mode = "w-",
    retry_failed: bool = False,
    dry_run: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    progress: bool = False,
    callback: Callback | None = None,
    **arguments: Any,
) -> SummaryReport:
    """Write the numbers of structures of many data sets as one table: a row for each data set.

    Each row is what ``Dataset.atldld.structure_summary`` gives of its data set, to the bit. Rows
    are made as many at a time as there may be connections, on threads or on the cluster whose
    client is connected, and entered as they are done; the same call goes on where one was stopped.
    A data set that cannot be opened or read is a row without numbers, and says why.

    Parameters
    ----------
    datasets : int, str, iterable of these, or pandas.DataFrame
        Which: names as `open_dataset` takes them, or what `search` found. Rows are in their order.
    url : str or path
        A path or any fsspec URL: of a folder of Parquet files if it ends in ``.parquet``, which
        needs the extra of that name, else of a Zarr store.
    structures, threshold, method, hemisphere
        As of ``structure_summary``.
    annotation : str or path, optional
        Where the annotation and its structures are, as the `source` of `open_annotation`. Default:
        Allen's; of phantoms theirs. A process holds it in memory: 154 MB.
    mode : {"w-", "w"}
        Whether another table that is there is replaced, or a finished one made anew.
    retry_failed : bool
        Whether rows are made again that have no numbers, or not all.
    dry_run : bool
        Whether only to say what it takes, as the report's ``cost``: no image is asked for, nothing
        is written, and of many data sets the records of 50 are looked at.
    storage_options : mapping, optional
        For the file system.
    progress : bool
        Whether to show a progress bar on standard error.
    callback : callable, optional
        Given a ``ProgressEvent`` at once, and whenever a row has been entered.
    **arguments
        All else that `open_dataset` takes, the same for all. `expression` is "intensity" by
        default.

    Returns
    -------
    SummaryReport
        How many rows were made, and those without numbers.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work; nothing is fetched.
    RegistrationError
        If there are no files of a registration where one is said to be.
    StoreError
        If there is another table, or something else, or it cannot be written.
    MissingExtraError
        If Parquet is asked for, and cannot be written.
    MetadataError, ServiceError
        If the annotation or its structures cannot be had; or the latter, if one data set after the
        other fails as the service cannot be reached. The same call goes on there.

    Notes
    -----
    The Zarr store opens with ``xarray.open_zarr`` at any time: over ``dataset`` and ``structure``,
    and ``hemisphere_id`` if asked for, with a variable for each measure, as of one data set. Rows
    that are not made yet, or failed, are NaN, and 0 in counts. ``reason`` is the number of a text
    in its attribute ``reasons``. Of each data set there are ``gene``, ``plane``,
    ``reference_space_id``, ``sections_counted``, ``sections_not_counted`` and ``error``, which are
    written when all rows are.

    Examples
    --------
    >>> import xarray as xr
    >>> import atldld_xr
    >>> both = ["phantom", "phantom-sagittal"]
    >>> report = atldld_xr.summarize(both, url="table.zarr", structures="HPF")  # doctest: +SKIP
    >>> xr.open_zarr("table.zarr").expression_energy.sizes  # doctest: +SKIP
    Frozen({'dataset': 2, 'structure': 1})
    """
    check_callback(callback)
    if not is_one_of(method, ("sections", "grid")):
        raise InvalidArgumentError(f'method is "sections" or "grid", not {short(method)}')
    hemispheres, threshold = check_hemisphere(hemisphere), check_threshold(threshold)
    address = checked(url)
    place = FileStore(rows_of(address), storage_options)
    ids = dataset_ids(datasets)
    arguments["expression"] = arguments.get("expression") or "intensity"
    source = resolve(arguments.get("source"), dataset_name(ids[0]))
    rest = {key: value for key, value in arguments.items() if key not in ("source", "refresh")}
    with suppress(NotAskedYet):
        plan_dataset(ids[0], source=Answered(source), **rest)
    registration = arguments.get("registration")
    told = {}  # what files say: there may be others by the same name, later
    if isinstance(registration, str | os.PathLike):
        arguments["registration"] = absolute_place(registration)
        told["registration"] = content_digest(arguments["registration"], ids)
    atlas, ontology = find_atlas(_annotation_at(annotation, ids[0], arguments.get("source")))
    chosen = choose(ontology, structures)
    wanted = Wanted(
        None if structures is None else tuple(chosen.ids),
        threshold,
        method,
        hemisphere,
        atlas,
        arguments,
    )
    layout = table_layout(ids, chosen, hemispheres, method, _attributes(wanted, source.url, told))
    if is_parquet(address):
        check_folder(FileStore(address, storage_options))
    if dry_run:
        ledger = look(place, layout, mode, retry_failed=retry_failed)
        missing = missing_rows(layout, ledger)
        cost = explain_rows([ids[at] for at in missing], wanted)
        return _report(address, ids, ledger, len(ids) - len(missing), 0, cost)
    steps = open_for_writing(place, layout, mode, may_read=False, unproven=lambda _: ())
    with steps as (store, ledger, lease):
        parts = row_parts(layout)
        invalidate(store, layout, ledger, parts, (), as_one=True, retry_failed=retry_failed)
        missing = missing_rows(layout, ledger)
        if missing:
            keep_labels(atlas)
        job = Job(store, layout.arrays, may_overwrite=ledger.may_overwrite, lease=lease)
        task = RowTask(job, wanted, shape_of(layout))
        asked = {key: value for key, value in arguments.items() if key in WHERE}
        ahead = records_ahead([ids[at] for at in missing], **asked)
        count = len(missing)
        with progress_bar(
            "data sets", count, enabled=progress, what="data set", callback=callback
        ) as advance:

            def events() -> Generator[SectionEntry, None, None]:
                for entry in make_rows(zip(missing, map(int, ahead), strict=True), task):
                    yield entry
                    advance(1)  # once it is entered: a callback may raise

            write_missing(events(), layout, store, ledger, lease, progress=False)
    if is_parquet(address):
        write_parts(FileStore(address, storage_options), place)
    return _report(address, ids, ledger, len(ids) - len(missing), len(missing))


def _report(
    url: str, ids: list[int], ledger: Ledger, skipped: int, counted: int, cost: Cost | None = None
) -> SummaryReport:
    failures = tuple(
        {"dataset": ids[at], "reason": told[LOST]} for at, told in sorted(ledger.failures.items())
    )
    return SummaryReport(url, len(ids), counted, skipped, failures, cost)


def _annotation_at(
    annotation: str | os.PathLike[str] | None, first: int, source: object
) -> str | None:
    """Return where the annotation is, as workers find it: of a phantom the phantom's."""
    if annotation is None:
        is_own = source == "phantom" or (source is None and is_phantom(dataset_name(first)))
        return "phantom" if is_own else None
    if not isinstance(annotation, str | os.PathLike):
        raise InvalidArgumentError(
            f"annotation is where it is, a path, URL or phantom, not {short(annotation)}"
        )
    text = os.fsdecode(annotation)
    return absolute(text) if text != "phantom" and is_path(text) else text


def _attributes(wanted: Wanted, source: str, told: Mapping[str, str]) -> dict[str, Any]:
    from dask.base import tokenize

    opening = {
        key: value if isinstance(value, str | int | float | bool) else tokenize(value)
        for key, value in sorted({**wanted.opening, **told}.items())
        if key not in (*_NOT_OF_ROWS, "resolution") and value is not None
    }
    # What is as it would be anyway is the same table, said or not.
    usual = inspect.signature(plan_dataset).parameters
    opening = {key: value for key, value in opening.items() if value != usual[key].default}
    digest = {"annotation_digest": wanted.atlas.digest} if wanted.atlas.digest else {}
    return {
        "title": "numbers of structures of section data sets",
        "method": wanted.method,
        "threshold": wanted.threshold,
        "hemisphere": wanted.hemisphere,
        "resolution": float(wanted.opening.get("resolution", usual["resolution"].default)),
        "annotation": wanted.atlas.place or "Allen's",
        **digest,
        "source": source,
        **{f"opened_with_{key}": value for key, value in opening.items()},
        "history": f"atldld_xr {__version__}",
    }
