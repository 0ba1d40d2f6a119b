"""A row of the table: the numbers of one data set, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.analysis.summary import structure_summary
from atldld_xr.catalogue.selection import dataset_name
from atldld_xr.collection.atlas import Atlas, atlas_at
from atldld_xr.collection.columns import FACTS, NO_ROW, REASONS, columns_of
from atldld_xr.datasets.cut_annotation import cut_annotation
from atldld_xr.datasets.open_dataset import open_dataset
from atldld_xr.datasets.open_grid import open_grid
from atldld_xr.datasets.records_ahead import WHERE
from atldld_xr.errors import AtldldError
from atldld_xr.files.storage_options import told
from atldld_xr.sources.connections import is_gone
from atldld_xr.sources.resolve import resolve

_GENES = "; "  # between those of one data set


@dataclass(frozen=True)
class Wanted:
    """What is counted of each data set: arguments that are sent to workers.

    Attributes
    ----------
    structures : tuple, optional
        Ids; None for all.
    threshold, method, hemisphere
        As of ``Dataset.atldld.structure_summary``.
    atlas : Atlas
        Where the annotation and its structures are.
    opening : mapping
        Arguments of `open_dataset`.
    """

    structures: tuple[int, ...] | None
    threshold: int
    method: str
    hemisphere: str
    atlas: Atlas
    opening: Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """What is told of a data set.

    Attributes
    ----------
    numbers : dict of ndarray
        (structure, ...) of each measure.
    facts : dict
        What is known of the data set itself; all of `FACTS`.
    lost : str
        Why some, or all, of it could not be counted, if trying again may help; else empty.
    is_gone : bool
        Whether that says nothing about the data set, as the service could not be reached.
    """

    numbers: dict[str, NDArray[Any]]
    facts: dict[str, Any] = field(default_factory=dict)
    lost: str = ""
    is_gone: bool = False


def make_row(dataset_id: int, wanted: Wanted, shape: tuple[int, ...]) -> Row:
    """Return the row of a data set; whatever is wrong with it, that is told in the row.

    Parameters
    ----------
    dataset_id : int
        The data set.
    wanted : Wanted
        What is counted.
    shape : tuple of int
        Of a measure: structures, and hemispheres if there are several.
    """
    facts = dict(FACTS)
    try:
        dataset = _open(dataset_id, wanted)
        facts |= _facts_of(dataset)
        summary = _summary(dataset, wanted)
    except Exception as error:  # what is wrong with one says nothing about the next
        facts["error"] = told(error)
        empty = {
            name: np.full(shape, column.fill, column.dtype)
            for name, column in columns_of(wanted.method).items()
        }
        return Row(empty, facts, facts["error"], _is_gone(dataset_id, wanted))
    numbers = {name: np.asarray(summary[name].values) for name in columns_of(wanted.method)}
    numbers["reason"] = _codes(numbers["reason"])
    lost = ""
    if wanted.method == "sections":
        facts["sections_counted"] = summary.attrs["sections_counted"]
        facts["sections_not_counted"] = summary.attrs["sections_not_counted"]
        masks = int(np.asarray(dataset["has_expression"].values).sum())
        if facts["sections_counted"] < masks:  # others have no mask, today or tomorrow
            lost = facts["sections_not_counted"]
    return Row(numbers, facts, lost, bool(lost) and _is_gone(dataset_id, wanted))


def _open(dataset_id: int, wanted: Wanted) -> xr.Dataset:
    name = dataset_name(dataset_id)
    if wanted.method == "sections":
        return open_dataset(name, **wanted.opening)
    where = {key: wanted.opening[key] for key in WHERE if key in wanted.opening}
    return open_grid(name, variables="energy", **where)


def _is_gone(dataset_id: int, wanted: Wanted) -> bool:
    """Tell whether where a data set is cannot be reached, as far as its last request tells."""
    with suppress(AtldldError):  # then it is not even known where
        return is_gone(resolve(wanted.opening.get("source"), dataset_name(dataset_id)).url)
    return False


def _summary(dataset: xr.Dataset, wanted: Wanted) -> xr.Dataset:
    labels, ontology = atlas_at(wanted.atlas)
    if wanted.method == "sections":
        labels = cut_annotation(dataset, labels)
    return structure_summary(
        dataset,
        labels,
        structures=wanted.structures,
        threshold=wanted.threshold,
        by="data set",
        method=wanted.method,
        hemisphere=wanted.hemisphere,  # type: ignore[arg-type]  # it was checked
        ontology=ontology,
    )


def _facts_of(dataset: xr.Dataset) -> dict[str, Any]:
    attributes = dataset.attrs
    plane = next((dim for dim in ("coronal", "sagittal") if dim in dataset.dims), "")
    return {
        "gene": _GENES.join(map(str, attributes.get("genes", ()))),
        "plane": plane if "section_image_id" in dataset.coords else "",
        "reference_space_id": int(
            attributes.get("registered_to_reference_space_id", attributes["reference_space_id"])
        ),
    }


def _codes(reasons: NDArray[Any]) -> NDArray[np.uint8]:
    """Return reasons by their number."""
    out = np.full(reasons.shape, NO_ROW, np.uint8)
    for code, reason in enumerate(REASONS):
        out[reasons == reason] = code
    return out
