"""The columns of the table: measures of structures, and facts of data sets. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from atldld_xr.analysis.columns import NO_PIXEL, NO_VALID, NOT_EXPRESSED
from atldld_xr.analysis.grid_summary import NO_ENERGY, NO_GRID_VOXEL, NO_VOXEL
from atldld_xr.analysis.structure_summary import described

REASONS = ("", NO_PIXEL, NO_VALID, NOT_EXPRESSED, NO_GRID_VOXEL, NO_VOXEL, NO_ENERGY)
"""Why a structure has no numbers, by the number that the table has of it."""

NO_ROW = 255
"""In place of such a number: the data set has no row, or one that failed."""


class Column(NamedTuple):
    """A measure.

    Attributes
    ----------
    dtype : str
        NumPy's name.
    fill : float or int
        Where there is nothing.
    """

    dtype: str
    fill: float | int


_FLOAT, _COUNT = Column("float64", float("nan")), Column("int64", 0)
_REASON = Column("uint8", NO_ROW)

_SECTIONS = {
    "sum_pixels": _FLOAT,
    "sum_expressing_pixels": _FLOAT,
    "sum_pixel_intensity": _FLOAT,
    "sum_expressing_pixel_intensity": _FLOAT,
    "expression_density": _FLOAT,
    "expression_intensity": _FLOAT,
    "expression_energy": _FLOAT,
    "coverage": _FLOAT,
    "volume_mm3": _FLOAT,
    "n_sections": _COUNT,
    "reason": _REASON,
}
_GRID = {
    "voxel_energy_mean": _FLOAT,
    "voxel_energy_cv": _FLOAT,
    "n_voxels": _COUNT,
    "coverage": _FLOAT,
    "volume_mm3": _FLOAT,
    "reason": _REASON,
}

FACTS: dict[str, Any] = {
    "gene": "",
    "plane": "",
    "reference_space_id": 0,
    "sections_counted": 0,
    "sections_not_counted": "",
    "error": "",
}
"""What is told of each data set, and what it is where nothing is known."""

FACT_NAMES = {
    "gene": "acronyms of the data set's genes",
    "plane": "in which it was cut",
    "reference_space_id": "of its own registration",
    "sections_counted": "sections that were counted",
    "sections_not_counted": "those that were not, and why",
    "error": "why the data set has no numbers",
}


def columns_of(method: str) -> dict[str, Column]:
    """Return the measures of a method, by name."""
    return _SECTIONS if method == "sections" else _GRID


def attributes_of(name: str) -> dict[str, Any]:
    """Return the attributes of a measure, as of the summary of one data set."""
    told: dict[str, Any] = dict(described(name))
    if name == "reason":
        told["flag_values"] = [*range(len(REASONS)), NO_ROW]
        told["reasons"] = [*REASONS, "the data set has no row yet, or failed: see error"]
    return told


def fact_type(name: str) -> np.dtype[Any]:
    """Return the type of a fact in the table."""
    return np.dtype(object if isinstance(FACTS[name], str) else np.int64)
