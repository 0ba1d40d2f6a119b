"""Values of Allen's records: numbers, lists and affines, each checked as it is read. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from atldld_xr.errors import MetadataError
from atldld_xr.messages.repeating import short

Affine2D = tuple[tuple[float, float, float], tuple[float, float, float]]
Affine3D = tuple[
    tuple[float, float, float, float],
    tuple[float, float, float, float],
    tuple[float, float, float, float],
]

# How the service lays its t.._NN numbers out as matrices, by their rows.
_LAYOUTS = {2: ((0, 1, 4), (2, 3, 5)), 3: ((0, 1, 2, 9), (3, 4, 5, 10), (6, 7, 8, 11))}

# No affine needs more, and products of a few such numbers do not overflow.
_LARGEST_ENTRY = 1e12

# Data sets have some hundred sections, and one gene or two.
_MOST_ITEMS = 10_000


def number(record: Mapping[str, Any], key: str, name: str, least: float, most: float) -> float:
    """Return a number of a record.

    Parameters
    ----------
    record : mapping
        The record.
    key : str
        What the number is called in it.
    name : str
        What the record is of, for the message.
    least, most : float
        Its bounds.

    Raises
    ------
    MetadataError
        If it is missing, no number or out of bounds.
    """
    value = record.get(key)
    if value is None:  # which the service's schema allows of nearly all fields
        raise MetadataError(f"{name}: its record has no {key}")
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not least <= found <= most:  # also if it is not a number
        raise MetadataError(
            f"{name}: {key} is {short(value)}, not a number from {least:g} to {most:g}"
        )
    return found


def integer(record: Mapping[str, Any], key: str, name: str, least: int, most: int) -> int:
    """Return a whole number of a record; as `number`."""
    value = record.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        value = number(record, key, name, least, most)
    # What is whole already is not made a float, which holds no id beyond 2**53.
    if not least <= value <= most or value != int(value):
        raise MetadataError(
            f"{name}: {key} is {short(value)}, not a whole number from {least} to {most}"
        )
    return int(value)


def items(record: Mapping[str, Any], key: str, name: str) -> Sequence[Any]:
    """Return a list of a record, empty where there is none.

    Raises
    ------
    MetadataError
        If it is something else, or has more in it than any record of Allen's.
    """
    value = record.get(key)
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise MetadataError(f"{name}: {key} is {short(value)}, not a list")
    if len(value) > _MOST_ITEMS:
        raise MetadataError(
            f"{name}: {key} are {len(value):,}, where at most {_MOST_ITEMS:,} can be"
        )
    return value


def affine(alignment: Mapping[str, Any], key: str, name: str, dimensions: int) -> Any:
    """Return an affine, as nested tuples of `dimensions` rows.

    Raises
    ------
    MetadataError
        If a number of it is missing or absurd, or if it cannot be inverted.
    """
    rows = tuple(
        tuple(
            number(alignment, f"{key}_{n:02d}", name, -_LARGEST_ENTRY, _LARGEST_ENTRY) for n in row
        )
        for row in _LAYOUTS[dimensions]
    )
    linear = [row[:-1] for row in rows]
    scale = max(abs(v) for row in linear for v in row)
    if not abs(_determinant(linear)) > 1e-9 * scale**dimensions:
        raise MetadataError(f"{name}: its {key} matrix is singular")
    return rows


def stretches(matrix: Sequence[Sequence[float]], unit: float, most: float) -> bool:
    """Whether an affine makes of a step along any axis one off `unit` by more than a factor."""
    columns = list(zip(*matrix, strict=True))[:-1]
    return not all(unit / most <= math.hypot(*column) <= unit * most for column in columns)


def returns(
    there: Sequence[Sequence[float]],
    back: Sequence[Sequence[float]],
    points: Iterable[Sequence[float]],
    tolerance: float,
) -> bool:
    """Whether points come back to where they were, by one affine and then another."""
    return all(math.dist(_apply(back, _apply(there, p)), p) <= tolerance for p in points)


def _apply(matrix: Sequence[Sequence[float]], point: Sequence[float]) -> list[float]:
    return [sum(a * v for a, v in zip(row, (*point, 1.0), strict=True)) for row in matrix]


def _determinant(m: Sequence[Sequence[float]]) -> float:
    if len(m) == 2:
        return m[0][0] * m[1][1] - m[0][1] * m[1][0]
    return sum(
        m[0][k] * (m[1][(k + 1) % 3] * m[2][(k + 2) % 3] - m[1][(k + 2) % 3] * m[2][(k + 1) % 3])
        for k in range(3)
    )
