"""The registration by hand, from the service's records: what the hand-written loop uses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Record = Mapping[str, Any]

ROWS_UM, COLUMNS_UM = 8000, 11400
"""Size of the reference space along y and x of a coronal section, in micrometres."""

_LAYOUT_2D = ((0, 1, 4), (2, 3, 5))
_LAYOUT_3D = ((0, 1, 2, 9), (3, 4, 5, 10), (6, 7, 8, 11))


def affine(dataset: Record, image: Record, resolution: float, tier: int) -> Matrix:
    """Return the (2, 3) matrix from an output pixel (column, row, 1) to a tier's pixel (x, y).

    Parameters
    ----------
    dataset, image : mapping
        Their records, with alignments.
    resolution : float
        Output pixel size, in micrometres.
    tier : int
        The tier.
    """
    two, three = image["alignment2d"], dataset["alignment3d"]
    tsv, tvs = _matrix(two, "tsv", _LAYOUT_2D), _matrix(two, "tvs", _LAYOUT_2D)
    tvr, trv = _matrix(three, "tvr", _LAYOUT_3D), _matrix(three, "trv", _LAYOUT_3D)
    v = tsv @ [(image["width"] - 1) / 2, (image["height"] - 1) / 2, 1]
    p = (tvr @ [*v, image["section_number"] * dataset["section_thickness"], 1])[0]
    half = resolution / 2
    grid = np.array([[0, 0, p], [0, resolution, half], [resolution, 0, half], [0, 0, 1]])
    volume = np.vstack([(trv @ grid)[:2], [0, 0, 1]])
    out: Matrix = tvs @ volume / 2**tier
    out[:, 2] += 0.5 / 2**tier - 0.5
    return out


def window(
    matrix: Matrix, rows: tuple[int, int], columns: tuple[int, int], size: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Return left, top, right, bottom of what a block of output pixels needs, None for nothing.

    Parameters
    ----------
    matrix : ndarray
        As `affine` returns it.
    rows, columns : tuple of int
        The block: first and last, the last excluded.
    size : tuple of int
        Width and height of the tier's image.
    """
    corners = np.array([[c, r, 1] for c in columns for r in rows]).T
    low, high = (matrix @ corners).min(1), (matrix @ corners).max(1)
    left, top = (max(math.floor(v) - 1, 0) for v in low)
    right, bottom = (min(math.ceil(v) + 2, s) for v, s in zip(high, size, strict=True))
    return (left, top, right, bottom) if left < right and top < bottom else None


def _matrix(record: Record, name: str, layout: tuple[tuple[int, ...], ...]) -> Matrix:
    return np.array([[record[f"{name}_{n:02d}"] for n in row] for row in layout])
