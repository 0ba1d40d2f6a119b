"""Ids of section data sets and images: checked, and read from what people write. Pure."""

from __future__ import annotations

import re

import numpy as np

from atldld_xr.errors import InvalidArgumentError

PHANTOMS = {"phantom": 900_000_001, "phantom-sagittal": 900_000_002}
"""The built-in data sets, by name."""

_NUMBER = re.compile(r"(?:allen:)?([0-9]{1,19})")


def check_id(value: object, what: str) -> int:
    """Return an id as a plain int.

    Parameters
    ----------
    value : object
        The id.
    what : str
        What it is the id of, for the message.

    Raises
    ------
    InvalidArgumentError
        If it is no positive whole number that the service's 64 bits hold.
    """
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or not 0 < int(value) < 2**63:  # type: ignore[call-overload]
        raise InvalidArgumentError(f"the id of a {what} is a positive whole number, not {value!r}")
    return int(value)  # type: ignore[call-overload, no-any-return]


def parse_dataset_name(dataset: object) -> int:
    """Return the id of a data set: from 123, "123", "allen:123", "phantom" or "phantom-sagittal".

    Raises
    ------
    InvalidArgumentError
        If it is none of these.
    """
    if isinstance(dataset, str):
        if dataset in PHANTOMS:
            return PHANTOMS[dataset]
        match = _NUMBER.fullmatch(dataset)
        if not match:
            raise InvalidArgumentError(
                f"{dataset!r} names no section data set: give its id, as 123 or 'allen:123', or "
                f"one of {', '.join(map(repr, PHANTOMS))}"
            )
        return check_id(int(match[1]), "section data set")
    return check_id(dataset, "section data set")
