"""Which data sets are meant: by one name or several, or by what a search found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np

from atldld_xr.allen.ids import PHANTOMS, parse_dataset_name
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

MOST = 1_000_000
"""Names in one selection: more than Allen has section images."""

_MOST_EXACT = 2**53  # beyond it a float is not any one whole number

_COLUMNS = ("dataset", "id")  # of images the former is the data set's, the latter the image's
_NAMES = {number: name for name, number in PHANTOMS.items()}


def dataset_ids(selection: object) -> list[int]:
    """Return the ids of the data sets that are meant, each once, in the order they are given.

    Parameters
    ----------
    selection : int, str, iterable of these, or pandas.DataFrame
        The name of one, as `atldld_xr.open_dataset` takes it, or those of several; or a table of
        data sets or of section images, as `atldld_xr.search` and `search_images` return them.

    Raises
    ------
    InvalidArgumentError
        If it names none, or something in it is no name of a data set.

    Examples
    --------
    >>> dataset_ids(["allen:71717640", 69289763, "71717640"])
    [71717640, 69289763]
    """
    ids: dict[int, None] = {}
    names = iter(_names(selection))
    for name in islice(names, MOST):
        ids[parse_dataset_name(without_fraction(name))] = None
    if next(names, None) is not None:
        raise InvalidArgumentError(f"more than {MOST:,} data sets are named")
    if not ids:
        raise InvalidArgumentError("no data set is named")
    return list(ids)


def dataset_name(dataset_id: int) -> int | str:
    """Return what opens a data set from where it is, of an id: the built-in ones are by name."""
    return _NAMES.get(dataset_id, dataset_id)


def without_fraction(value: Any) -> Any:
    """Return a whole number, of which a merge or a CSV has made a float, as one; else the value."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}\.0", value):
        return value.removesuffix(".0")
    is_whole = isinstance(value, float | np.floating) and value.is_integer()
    return int(value) if is_whole and abs(value) <= _MOST_EXACT else value


def _names(selection: Any) -> Iterable[Any]:
    columns = getattr(selection, "columns", None)
    if columns is not None:
        for name in _COLUMNS:
            if name in columns:
                return list(selection[name])
        raise InvalidArgumentError(
            f"a table without a column {' or '.join(map(repr, _COLUMNS))} names no data sets"
        )
    is_one = isinstance(selection, str | bytes) or getattr(selection, "ndim", None) == 0
    if is_one or not isinstance(selection, Iterable):
        return [selection]
    if isinstance(selection, Mapping):
        raise InvalidArgumentError(f"{short(selection)} is no list of data sets")
    return selection
