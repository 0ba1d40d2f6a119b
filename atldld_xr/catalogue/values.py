"""Numbers that users give, of whatever kind. Pure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

_LARGEST_ID = 2**63 - 1
_OLDEST = 100_000  # days


def number_of(value: Any) -> Any:
    """Return a finite number, also one of NumPy's; None of what is none."""
    if isinstance(value, bool | np.bool_ | str | bytes) or getattr(value, "ndim", None):
        return None
    if isinstance(value, int):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def id_of(number: float, what: str) -> int:
    """Return a number as an id.

    Raises
    ------
    InvalidArgumentError
        If it cannot be one; `what` says of what.
    """
    if number != int(number) or not 0 < number <= _LARGEST_ID:
        raise InvalidArgumentError(f"{what} is a positive whole number, not {short(number)}")
    return int(number)


def days_of(number: float, what: str) -> float:
    """Return a number as an age in days.

    Raises
    ------
    InvalidArgumentError
        If nothing is as old.
    """
    if not 0 <= number <= _OLDEST:
        raise InvalidArgumentError(f"{what} in days is from 0 to {_OLDEST:,}, not {short(number)}")
    return number
