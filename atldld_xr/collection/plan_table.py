"""Planning a table: what is asked for is checked, and files are known by what is in them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from atldld_xr._version import __version__
from atldld_xr.allen.ids import is_phantom
from atldld_xr.analysis.ontology import choose
from atldld_xr.analysis.structure_summary import check_hemisphere, check_threshold
from atldld_xr.catalogue.selection import dataset_ids, dataset_name
from atldld_xr.collection.atlas import find_atlas
from atldld_xr.collection.layout import table_layout
from atldld_xr.collection.parquet import check_folder, is_parquet, rows_of
from atldld_xr.collection.row import Wanted
from atldld_xr.collection.table import Table
from atldld_xr.datasets.answered import Answered, NotAskedYet
from atldld_xr.datasets.plan_dataset import plan_dataset
from atldld_xr.datasets.records_ahead import WHERE
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.files.address import checked
from atldld_xr.files.file_store import FileStore
from atldld_xr.files.paths import absolute, is_path
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_one_of
from atldld_xr.registration.places import absolute_place, content_digest
from atldld_xr.sources.resolve import resolve
from atldld_xr.store.resume import Mode

_NOT_OF_ROWS = (*WHERE, "chunks")
"""Of the arguments of `open_dataset`, those that change no number, and the source."""


def plan_table(
    datasets: Any,
    *,
    url: str | os.PathLike[str],
    structures: str | int | Iterable[str | int] | None,
    threshold: int,
    method: str,
    hemisphere: str,
    annotation: str | os.PathLike[str] | None,
    mode: Mode,
    retry_failed: bool,
    storage_options: Mapping[str, Any] | None,
    **arguments: Any,
) -> Table:
    """Return a table as it is to be; arguments, and errors before anything is read, of `summarize`.

    The structures, and what files of a registration or annotation say, are read; no image is.
    """
    if not is_one_of(method, ("sections", "grid")):
        raise InvalidArgumentError(f'method is "sections" or "grid", not {short(method)}')
    hemispheres, threshold = check_hemisphere(hemisphere), check_threshold(threshold)
    address = checked(url)
    rows = FileStore(rows_of(address), storage_options)
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
    parquet = FileStore(address, storage_options) if is_parquet(address) else None
    if parquet is not None:
        check_folder(parquet)
    return Table(address, rows, parquet, ids, wanted, layout, mode, retry_failed)


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
