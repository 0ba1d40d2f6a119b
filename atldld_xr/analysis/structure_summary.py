"""Numbers of each structure, counted on the sections of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.allen.structures import Structures
from atldld_xr.analysis.accumulators import BOTH, LEFT, RIGHT
from atldld_xr.analysis.columns import (
    counts_of,
    data_set_columns,
    section_columns,
    unknown_labels,
    widths,
)
from atldld_xr.analysis.ontology import Chosen, choose
from atldld_xr.analysis.places import pixel_areas, r_lines
from atldld_xr.analysis.stream import count_sections
from atldld_xr.datasets.sections import section_dim
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_one_of, is_whole

Hemisphere = Literal["both", "left", "right", "each"]
By = Literal["data set", "section"]

THRESHOLD = 25
"""Of 255: what a mask has above it expresses. JPEG leaves less beside what does."""

_HEMISPHERES = {"both": [BOTH], "left": [LEFT], "right": [RIGHT], "each": [LEFT, RIGHT, BOTH]}

_LONG_NAMES = {
    "sum_pixels": "valid pixels, as full-resolution ones",
    "sum_expressing_pixels": "valid pixels that express, as full-resolution ones",
    "sum_pixel_intensity": "sum of 255 - grey over valid pixels, as full-resolution ones",
    "sum_expressing_pixel_intensity": "sum of 255 - grey over expressing pixels, as "
    "full-resolution ones",
    "expression_density": "sum_expressing_pixels / sum_pixels",
    "expression_intensity": "sum_expressing_pixel_intensity / sum_expressing_pixels",
    "expression_energy": "sum_expressing_pixel_intensity / sum_pixels",
    "coverage": "valid pixels over all that the annotation has of it on these sections",
    "volume_mm3": "volume of what was measured: valid pixels' area by their section's slab",
    "n_sections": "sections with a valid pixel of it",
    "reason": "why a row has no numbers",
}
_COMMENTS = {
    "sum_pixels": "a pixel counts by its area in full-resolution pixels of the section image",
    "volume_mm3": "a section's slab reaches half way to the next that was read on either side; at "
    "both ends, half the median distance of neighbours",
}
_UNITS = {"volume_mm3": "mm3"}

NONE = "none"
"""What `sections_not_counted` says where all are."""

_FEWEST_NAMED = 10

KEPT = ("section_data_set_id", "genes", "reference_space_id", "resolution", "source")
"""Attributes of a Dataset that its summary has as well."""


def summarize(
    dataset: xr.Dataset,
    labels: xr.DataArray,
    ontology: Structures,
    *,
    structures: object = None,
    threshold: int = THRESHOLD,
    by: By = "data set",
    hemisphere: Hemisphere = "both",
) -> xr.Dataset:
    """Return a Dataset of numbers by structure; see ``Dataset.atldld.structure_summary``.

    Parameters
    ----------
    dataset : xarray.Dataset
        With images and masks, lazy or not.
    labels : xarray.DataArray
        The structure of each pixel, on the same sections and pixels; 0 is none.
    ontology : Structures
        What structures there are, and of what they are made.
    structures, threshold, by, hemisphere
        As there.

    Raises
    ------
    InvalidArgumentError, SectionImageError
        As there.
    """
    threshold = check_threshold(threshold)
    if not is_one_of(by, ("data set", "section")):
        raise InvalidArgumentError(f'by is "data set" or "section", not {short(by)}')
    hemispheres = check_hemisphere(hemisphere)
    chosen = choose(ontology, structures)
    dim = section_dim(dataset)
    labels = _on_the_same(dataset, labels, dim)
    lines = r_lines(dataset, dim, needed=hemispheres != [BOTH])
    scale, area = pixel_areas(dataset, dim)
    sections, read = count_sections(dataset, labels, dim, lines, threshold)
    counts = counts_of(sections, chosen.members, hemispheres)
    at = np.asarray(dataset[dim].values, np.float64)
    volume = area * widths(at, read) * 1e-9
    columns = (section_columns if by == "section" else data_set_columns)(
        counts, scale, volume, read
    )
    out = table(chosen, columns, hemispheres, by_section=by == "section")
    if by == "section":
        along = {
            name: ("section", dataset[name].values, dict(dataset[name].attrs))
            for name in (dim, "section_image_id", "section_number")
            if name in dataset.coords and dataset[name].dims == (dim,)
        }
        out = out.assign_coords(along)
    unknown = unknown_labels(sections, chosen.known)
    return out.assign_attrs(_attributes(dataset, dim, threshold, read, unknown.tolist()))


def table(
    chosen: Chosen,
    columns: dict[str, NDArray[Any]],
    hemispheres: Sequence[int],
    *,
    by_section: bool = False,
) -> xr.Dataset:
    """Return columns over (structure, hemisphere, ...); without the latter, if it is one."""
    dims = ("structure", "hemisphere_id", *(["section"] if by_section else []))
    variables = {
        name: (dims, values.astype(object) if values.dtype.kind == "U" else values, described(name))
        for name, values in columns.items()
    }
    out = xr.Dataset(
        variables,
        {
            "structure": (
                "structure",
                np.asarray(chosen.acronyms, object),
                {"long_name": "acronym"},
            ),
            "structure_id": ("structure", np.asarray(chosen.ids, np.int64)),
            "name": ("structure", np.asarray(chosen.names, object)),
            "hemisphere_id": (
                "hemisphere_id",
                np.asarray(hemispheres, np.int64),
                {"flag_values": [LEFT, RIGHT, BOTH], "flag_meanings": "left right both"},
            ),
        },
    )
    return out.isel(hemisphere_id=0) if len(hemispheres) == 1 else out


def described(name: str) -> dict[str, str]:
    """Return the attributes of a column."""
    told = (("long_name", _LONG_NAMES), ("comment", _COMMENTS), ("units", _UNITS))
    return {attribute: texts[name] for attribute, texts in told if name in texts}


def check_threshold(threshold: object) -> int:
    """Return a threshold of a mask's values.

    Raises
    ------
    InvalidArgumentError
        If it is none.
    """
    if not is_whole(threshold) or not 0 <= threshold < 255:
        raise InvalidArgumentError(f"threshold is from 0 to 254, not {short(threshold)}")
    return int(threshold)


def check_hemisphere(hemisphere: object) -> list[int]:
    """Return Allen's ids of what is meant.

    Raises
    ------
    InvalidArgumentError
        If it is none.
    """
    if not is_one_of(hemisphere, list(_HEMISPHERES)):
        names = ", ".join(f'"{name}"' for name in _HEMISPHERES)
        raise InvalidArgumentError(f"hemisphere is one of {names}, not {short(hemisphere)}")
    return _HEMISPHERES[str(hemisphere)]


def _on_the_same(dataset: xr.Dataset, labels: xr.DataArray, dim: str) -> xr.DataArray:
    for name in (dim, "y", "x"):
        if name not in labels.dims:
            raise InvalidArgumentError(f"the annotation has no dimension {name}")
        ours, theirs = dataset[name].values, labels[name].values
        if ours.shape != theirs.shape or not np.array_equal(ours, theirs):
            raise InvalidArgumentError(
                f"the annotation lies at other {name} than the Dataset: make it by "
                "ds.atldld.annotation() of the same Dataset, sliced alike"
            )
    return labels


def _attributes(
    dataset: xr.Dataset, dim: str, threshold: int, read: NDArray[np.bool_], unknown: list[int]
) -> dict[str, Any]:
    out: dict[str, Any] = {
        "title": "numbers of structures, counted on sections",
        **{name: dataset.attrs[name] for name in KEPT if name in dataset.attrs},
        "threshold": threshold,
        "comment": "a pixel is valid where section and mask have one, and expresses where its mask "
        f"is above {threshold}; grey is (77 R + 150 G + 29 B + 128) >> 8; left is r < 5700 um",
        "sections_counted": int(read.sum()),
        "sections_not_counted": _not_read(dataset, dim, read),
    }
    if unknown:
        out["unknown_labels"] = unknown[:_FEWEST_NAMED]
    return out


def _not_read(dataset: xr.Dataset, dim: str, read: NDArray[np.bool_]) -> str:
    lost = np.flatnonzero(~read)
    if not lost.size:
        return NONE
    names = dataset["section_image_id" if "section_image_id" in dataset.coords else dim].values
    named = ", ".join(map(str, names[lost[:_FEWEST_NAMED]].tolist()))
    more = f" and {lost.size - _FEWEST_NAMED} more" if lost.size > _FEWEST_NAMED else ""
    return f"{lost.size} of {read.size} (image or mask could not be read): {named}{more}"
