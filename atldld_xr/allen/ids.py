"""Ids of section data sets and images: checked, and read from what people write. Pure."""

from __future__ import annotations

import re

import numpy as np

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

PHANTOMS = {"phantom": 900_000_001, "phantom-sagittal": 900_000_002}
"""The built-in data sets, by name."""

# Without slashes as people write it; with them it is an address, which xarray leaves as it is
# where it would make a path of all else.
_PREFIXED = re.compile(r"(?:allen:(?://)?)?(.+)")
_NUMBER = re.compile(r"[0-9]{1,19}")


def check_id(value: object, what: str) -> int:
    """Return an id as a plain int: from 123, "123", "allen:123" or "allen://123".

    Parameters
    ----------
    value : object
        The id: a whole number, Python's or NumPy's, or text; or an array or DataArray without
        dimensions of one of these.
    what : str
        What it is the id of, for the message.

    Raises
    ------
    InvalidArgumentError
        If it is no positive whole number that the service's 64 bits hold.
    """
    found = _without_array(value)
    if isinstance(found, str):
        name = _name(found)
        found = int(name) if _NUMBER.fullmatch(name) else None
    if isinstance(found, bool) or not isinstance(found, int | np.integer):
        found = 0
    number = int(found)
    if not 0 < number < 2**63:
        raise InvalidArgumentError(
            f"the id of a {what} is a positive whole number, not {short(value)}"
        )
    return number


def parse_dataset_name(dataset: object) -> int:
    """Return the id of a data set: as `check_id`, or "phantom" or "phantom-sagittal".

    Raises
    ------
    InvalidArgumentError
        If it is none of these.
    """
    if is_phantom(dataset):
        return PHANTOMS[_name(str(_without_array(dataset)))]
    try:
        return check_id(dataset, "section data set")
    except InvalidArgumentError:
        if not isinstance(dataset, str):
            raise
    raise InvalidArgumentError(
        f"{short(dataset)} names no section data set: give its id, as 123 or 'allen:123', or "
        f"one of {', '.join(map(repr, PHANTOMS))}{_advice(dataset)}"
    )


def is_phantom(dataset: object) -> bool:
    """Whether something is the name of a built-in data set."""
    name = _without_array(dataset)
    return isinstance(name, str) and _name(name) in PHANTOMS


def _without_array(value: object) -> object:
    """Return the value in an array or DataArray without dimensions; all else as it is."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", None) == 0 else value


def _name(text: str) -> str:
    match = _PREFIXED.fullmatch(text)
    return match[1] if match else text


def _advice(text: str) -> str:
    """Return what to do about a path that something has made of a name."""
    name = text.rpartition("/")[2]
    has_path = name != text and "://" not in text
    if has_path and (_NUMBER.fullmatch(_name(name)) or name in PHANTOMS):
        return (
            f"; this is a path: xarray.open_mfdataset makes paths of names, but not of "
            f"'allen://{_name(name)}'"
        )
    return ""
