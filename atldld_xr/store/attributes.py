"""Attributes that a store cannot keep: refused by name, before anything is computed. Pure."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.foreign_json import parse_json
from atldld_xr.messages.repeating import short


def check_attributes(dataset: xr.Dataset) -> None:
    """Refuse attributes, of a Dataset or its variables, that JSON cannot hold.

    Raises
    ------
    InvalidArgumentError
        Names the first of them.
    """
    for name, value in dataset.attrs.items():
        as_json(name, value)
    for variable, array in dataset.variables.items():
        for name, value in array.attrs.items():
            as_json(name, value, of=f" of {variable}")


def as_json(name: object, value: Any, *, of: str = "", allow_nan: bool = True) -> Any:
    """Return an attribute as JSON has it.

    Parameters
    ----------
    name : object
        What it is called: a string, or the attribute is refused.
    value : object
        What it is.
    of : str
        Whose it is, for the message: " of image".
    allow_nan : bool
        Whether it may be no finite number, for which JSON proper has no word.

    Raises
    ------
    InvalidArgumentError
        If JSON cannot hold it.
    """
    if not isinstance(name, str):
        raise InvalidArgumentError(f"the attribute {short(name)}{of} has a name that is no string")
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    try:
        return parse_json(json.dumps(value, allow_nan=allow_nan).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(
            f"the attribute {name}{of} cannot be kept in a store: {error}; change or drop it"
        ) from error
