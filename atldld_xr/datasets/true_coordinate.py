"""The true coordinate, across sections, of what each registered pixel shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.arrays.ruled_array import ruled_variable
from atldld_xr.datasets.shown import Array, Shown, shown


@dataclass(frozen=True)
class _Rows:
    """Coordinates that are affine in (y, x)."""

    rows: Array
    y: Array
    x: Array

    def __call__(self, section: int, rows: slice, columns: slice) -> NDArray[Any]:
        along_y, along_x, shift = self.rows[section]
        out: NDArray[Any] = along_y * self.y[rows, None] + along_x * self.x[None, columns] + shift
        return out


def true_coordinate(dataset: xr.Dataset) -> xr.DataArray:
    """Return where each pixel's tissue lies; see ``Dataset.atldld.true_coordinate``."""
    pixels = shown(dataset)
    rule = _Rows(pixels.matrices[:, pixels.plane.section_axis], pixels.y, pixels.x)
    dtype = np.dtype(np.float64)
    variable = ruled_variable(rule, pixels.shape, dtype, pixels.dims, pixels.chunks)
    return pixels.array(variable, f"true_{pixels.plane.dim}", _attributes(pixels))


def _attributes(pixels: Shown) -> dict[str, Any]:
    dim = pixels.plane.dim
    return {
        "long_name": f"{dim} coordinate of what is shown here",
        "units": "micrometer",
        "comment": f"a section is no plane of constant {dim}: its coordinate is that of one point",
    }
