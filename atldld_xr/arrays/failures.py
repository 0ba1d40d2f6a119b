"""What could not be read of a Dataset's sections, and why: in its plans, or as a store told it."""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from atldld_xr.arrays.made_of import made_of
from atldld_xr.arrays.readers import Reader, readers
from atldld_xr.arrays.variables import (
    ABSENT,
    MEANINGS,
    NO_MASK,
    READ,
    STATUSES,
    UNREADABLE,
    reason_variable,
)

if TYPE_CHECKING:
    import pandas as pd

UNREAD = "unread_sections"
"""Attribute of a store: the sections that could not be read, as a list in JSON."""

UNKNOWN = "it could not be read"
"""The reason where none is known."""

_IDS = "section_image_id"
_COLUMNS = ["variable", _IDS, "section_number", "status", "reason"]


def failures_table(dataset: xr.Dataset) -> pd.DataFrame:
    """Return a row for each section of each variable that is not there; see the accessor."""
    import pandas as pd

    bases = {*STATUSES.values()} if _has_masks(dataset, dataset.data_vars) else {"image"}
    bases |= {of for name, of in STATUSES.items() if name in dataset.variables}
    found = {base: told(dataset, base) for base in STATUSES.values() if base in bases}
    columns = {(base, name): v.variable for base, some in found.items() for name, v in some.items()}
    # All at once: they may be of the same tiles.
    names = {(base, name): f"{base} {name}" for base, name in columns}
    known = xr.Dataset({names[key]: v for key, v in columns.items()}).compute()
    values = {key: np.atleast_1d(known[name].values).tolist() for key, name in names.items()}
    rows = [
        (at, base, _at(dataset, _IDS, at), _at(dataset, "section_number", at), status, reason)
        for base in found
        if found[base]
        for at, (status, reason) in enumerate(
            zip(values[base, "status"], values[base, "reason"], strict=True)
        )
        if MEANINGS.get(status, "read") != "read"
    ]
    return pd.DataFrame(
        [
            (*row, MEANINGS[status], why(status, str(reason)))
            for _, *row, status, reason in sorted(rows, key=lambda row: row[0])
        ],
        columns=_COLUMNS,
    )


def why(status: Any, reason: str) -> str:
    """Return in words why a section of a status is not there; empty if it is, or may come."""
    return {UNREADABLE: reason or UNKNOWN, ABSENT: NO_MASK}.get(status, "")


def told(dataset: xr.Dataset, base: str) -> xr.Dataset:
    """Return what a Dataset tells of its section images, or masks; nothing of it is computed.

    Parameters
    ----------
    dataset : xarray.Dataset
        Whole, sliced or changed, lazy or loaded.
    base : {"image", "expression", "projection"}
        Which: what `made_of` says of a variable.

    Returns
    -------
    xarray.Dataset
        ``status``, and ``reason`` for those that could not be read; empty if it tells nothing.
        Computed with the pixels they take no more tiles than a whole section has.
    """
    name = next(name for name, of in STATUSES.items() if of == base)
    ids = dataset.variables.get(_IDS)
    status = dataset.variables.get(name)
    if status is None or status.dtype.kind not in "biuf":
        status = _absences(dataset) if base == "expression" else None
        if status is None:
            return xr.Dataset()
        return xr.Dataset({"status": status, "reason": _blank(status)})
    if ids is not None and set(ids.dims) < set(status.dims):  # as of `where`
        status = status.max([dim for dim in status.dims if dim not in ids.dims])
    if ids is None or ids.dims != status.dims:
        return xr.Dataset({"status": status, "reason": _blank(status)})
    return xr.Dataset({"status": status, "reason": _reasons(dataset, name, status, ids)})


def failure_entries(
    failures: Mapping[int, Mapping[str, str]], ids: Mapping[int, int]
) -> tuple[dict[str, Any], ...]:
    """Return the sections that could not be read, as reports and attributes have them.

    Parameters
    ----------
    failures : mapping
        Reasons by the section's place, and then by whose pixels could not be read.
    ids : mapping
        The ids of the section images, by place.
    """
    return tuple(
        {"variable": variable or None, _IDS: ids.get(at), "reason": reason}
        for at, told in sorted(failures.items())
        for variable, reason in sorted(told.items())
    )


def absences(dataset: xr.Dataset, variables: Collection[str]) -> tuple[dict[str, Any], ...]:
    """Return the sections that the service has nothing of for some variables."""
    absent = sorted(set().union(*(absent_sections(dataset, name) for name in variables)))
    return tuple(
        {"variable": "expression", _IDS: _at(dataset, _IDS, at), "reason": NO_MASK} for at in absent
    )


def absent_sections(dataset: xr.Dataset, variable: str) -> set[int]:
    """Return the places of the sections that the service has nothing of for a variable."""
    status = _absences(dataset) if _has_masks(dataset, [variable]) else None
    if status is None:
        return set()
    return {*np.flatnonzero(np.atleast_1d(status.values == ABSENT)).tolist()}


def unlisted(attributes: Mapping[Any, Any]) -> dict[tuple[str, int], str]:
    """Return the reasons that a store's attributes tell; none if they are not as we write them."""
    try:
        entries = json.loads(attributes.get(UNREAD, "[]"))
        return {(str(e["variable"]), int(e[_IDS])): str(e["reason"]) for e in entries}
    except (ValueError, TypeError, LookupError, RecursionError):
        return {}


def _at(dataset: xr.Dataset, name: str, at: int) -> int | None:
    """Return a number of a section by its place, None where there is none."""
    coordinate = dataset.variables.get(name)
    if coordinate is None or coordinate.ndim > 1:
        return None
    return int(np.atleast_1d(coordinate.values)[at])


def _has_masks(dataset: xr.Dataset, variables: Iterable[Any]) -> bool:
    """Return whether some variables are made of masks."""
    return any("expression" in made_of(dataset, name) for name in variables)


def _absences(dataset: xr.Dataset) -> xr.Variable | None:
    """Return the status of masks as far as the coordinate tells it."""
    has = dataset.variables.get("has_expression")
    told = dataset.variables.get("expression_status")
    if has is None and told is not None and told.ndim < 2 and told.dtype.kind in "iu":
        return told if isinstance(told._data, np.ndarray) else None  # nothing is read for it
    if has is None or has.dtype.kind != "b":
        return None
    return xr.Variable(has.dims, np.where(has.values, READ, ABSENT).astype(np.uint8))


def _blank(status: xr.Variable) -> xr.Variable:
    return xr.Variable(status.dims, np.full(status.shape, "", dtype=object))


def _reasons(dataset: xr.Dataset, name: str, status: xr.Variable, ids: xr.Variable) -> xr.Variable:
    """Return why sections could not be read, by what stands behind a status."""
    base, images = STATUSES[name], np.atleast_1d(ids.values).tolist()
    dim = next(iter(ids.dims), "section")
    made = _by_plan(list(readers(dataset.variables[name], base)), images, dim)
    if made is not None:
        return made if ids.ndim else made.isel({dim: 0})
    before = dataset.variables.get("reason")  # as stores of earlier versions have it
    if before is not None and before.dims == ids.dims and before.dtype.kind in "OTU":
        return before
    known = unlisted(dataset.attrs)
    texts = [known.get((base, image_id), UNKNOWN) for image_id in images]
    reason = np.array(texts, dtype=object).reshape(ids.shape)
    if status.chunks is None:
        return xr.Variable(ids.dims, np.where(status.values == UNREADABLE, reason, ""))
    import dask.array as da

    lazy = da.from_array(reason, chunks=status.data.chunks)
    return xr.Variable(ids.dims, da.where(status.data == UNREADABLE, lazy, ""))


def _by_plan(known: Sequence[Reader], images: Sequence[int], dim: Hashable) -> xr.Variable | None:
    """Return the reasons of section images as a plan makes them; None if some are in none."""
    places: dict[int, tuple[int, int]] = {}
    for number, reader in enumerate(known):
        for image, index in reader.sections.items():
            places.setdefault(image, (number, index))
    if not images or not places.keys() >= set(images):
        return None
    runs = []
    for number, run in groupby((places[image] for image in images), key=itemgetter(0)):
        variable = reason_variable("reason", (known[number].plan,))
        runs.append(known[number].read(variable, [index for _, index in run], dim))
    joined: xr.Variable = runs[0]
    if len(runs) > 1:
        joined = xr.Variable.concat(runs, dim)  # type: ignore[no-untyped-call]  # xarray's
    return joined
