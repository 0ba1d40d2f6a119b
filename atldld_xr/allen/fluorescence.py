"""Images of fluorescence: what their channels show, and how 16 bits of each become 8. Pure.

Connectivity experiments are scanned at 16 bits. The service answers with 8, of each channel those
between two values, from black to white; which two, by default, the data set's ``Equalization``
record says. Here they are always asked for by number, so that the same is had again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from atldld_xr.allen.values import integer
from atldld_xr.errors import InvalidArgumentError, MetadataError
from atldld_xr.messages.repeating import short
from atldld_xr.messages.words import one_line

COLOURS = ("red", "green", "blue")
MOST = 4095
"""The highest value that the service takes: the cameras have 12 bits."""

_LONGEST_NAME = 60

Range = tuple[int, int, int, int, int, int]
"""Lower and upper value of red, green and blue, as the service takes them."""

RangeLike = Sequence[int] | Mapping[str, Sequence[int]]
"""A range as users give it: all six, or two each by channels' names or colours."""


@dataclass(frozen=True)
class Channels:
    """What the channels of a data set of fluorescence show.

    Attributes
    ----------
    names : tuple of str
        By the record: of red, green and blue, which stand for those that it does not name.
    range : tuple of int, optional
        By the ``equalization`` record; None where there is none, or none that can be used.
    problem : str
        What is wrong with that record; empty if nothing is.
    """

    names: tuple[str, str, str]
    range: Range | None = None
    problem: str = ""


def parse_channels(record: Mapping[str, Any]) -> Channels | None:
    """Return what a ``SectionDataSet`` record says of its channels; None if it is bright-field.

    It is of fluorescence if it names a channel, or has values to equalize them by, or if its images
    have more than 8 bits: of bright-field data sets all of this is empty.
    """
    given = [record.get(f"{colour}_channel") for colour in COLOURS]
    named = [one_line(g, _LONGEST_NAME).strip() if isinstance(g, str) else "" for g in given]
    found: Range | None = None
    problem = ""
    try:
        found = _parse_equalization(record.get("equalization"))
    except MetadataError as error:
        problem = str(error)
    if not (any(given) or found or problem or _is_deep(record.get("section_images"))):
        return None
    red, green, blue = (name or colour for name, colour in zip(named, COLOURS, strict=True))
    if len({red, green, blue}) < 3:  # names that tell nothing apart
        red, green, blue = COLOURS
    return Channels((red, green, blue), found, problem)


def check_range(given: object) -> Any:
    """Check the form of a range before anything is asked for; names of channels are not yet known.

    Raises
    ------
    InvalidArgumentError
        If it is neither None, nor six numbers, nor a mapping of names to two numbers each.
    """
    if given is None:
        return None
    if isinstance(given, Mapping):
        if not given:
            raise InvalidArgumentError("range names no channel; leave it out, or name some")
        return {str(name): _pair(pair, str(name)) for name, pair in given.items()}
    values = _whole_numbers(given, 6)
    if values is None:
        raise InvalidArgumentError(
            "range is six whole numbers, as (0, 923, 0, 987, 0, 4095): lower and upper value of "
            f"red, green and blue; or a mapping of channels to two each; not {short(given)}"
        )
    for colour, k in zip(COLOURS, (0, 2, 4), strict=True):
        _pair(values[k : k + 2], colour)
    return values


def range_of(given: object, channels: Channels | None, name: str) -> Range | None:
    """Return the range to ask for, None to ask for none.

    Parameters
    ----------
    given : sequence or mapping, optional
        What the user says: six numbers, or lower and upper value by channels' names or colours, of
        which those left out have the data set's own. None takes all of these.
    channels : Channels, optional
        The data set's; None of bright field.
    name : str
        The data set, for messages.

    Raises
    ------
    InvalidArgumentError
        If a range is given that cannot be, or of a bright-field data set.
    MetadataError
        If none is given, and the record's cannot be used.
    """
    checked = check_range(given)
    if channels is None:
        if checked is not None:
            raise InvalidArgumentError(
                f"{name} is of bright-field images, of 8 bits: there is no range to choose"
            )
        return None
    if checked is None or isinstance(checked, Mapping):
        if channels.problem and (checked is None or len(checked) < 3):
            raise MetadataError(
                f"{name}: its equalization record cannot be used ({channels.problem}); give a "
                "range of your own, as range=(0, 1000, 0, 1000, 0, 4095)"
            )
        if checked is None:
            return channels.range
        return _by_name(checked, channels, name)
    return tuple(checked)


def _by_name(given: Mapping[str, list[int]], channels: Channels, name: str) -> Range:
    out = list(channels.range or (0, MOST) * 3)
    seen: set[int] = set()
    for channel, pair in given.items():
        known = channels.names if channel in channels.names else COLOURS
        if channel not in known:
            raise InvalidArgumentError(
                f"{name} has no channel {short(channel)}; it has {', '.join(channels.names)}"
            )
        at = known.index(channel)
        if at in seen:
            raise InvalidArgumentError(f"range gives {channels.names[at]} twice")
        seen.add(at)
        out[2 * at : 2 * at + 2] = pair
    return tuple(out)  # type: ignore[return-value]  # six


def _pair(given: object, name: str) -> list[int]:
    pair = _whole_numbers(given, 2)
    if pair is None or not 0 <= pair[0] < pair[1] <= MOST:
        raise InvalidArgumentError(
            f"the range of {short(name)} must be a lower and a higher whole number from 0 to "
            f"{MOST}, not {short(given)}"
        )
    return pair


def _whole_numbers(given: object, count: int) -> list[int] | None:
    values = given.tolist() if isinstance(given, np.ndarray) else given
    if not isinstance(values, list | tuple) or len(values) != count:
        return None
    if not all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in values):
        return None
    return [int(v) for v in values]


def _parse_equalization(record: Any) -> Range | None:
    """Return the values of an ``Equalization`` record, None where there are none.

    A channel of which neither is known, as blue often is empty, is left as wide as can be.
    """
    if not isinstance(record, Mapping):
        return None
    keys = [(f"{colour}_lower", f"{colour}_upper") for colour in COLOURS]
    if all(record.get(key) is None for pair in keys for key in pair):
        return None
    out: list[int] = []
    for low, high in keys:
        if record.get(low) is None and record.get(high) is None:
            out += [0, MOST]
            continue
        pair = [integer(record, key, "equalization", 0, MOST) for key in (low, high)]
        if pair[0] >= pair[1]:
            raise MetadataError(f"{low} {pair[0]} is not below {high} {pair[1]}")
        out += pair
    return tuple(out)  # type: ignore[return-value]  # six


def _is_deep(images: Any) -> bool:
    return any(
        isinstance(image, Mapping)
        and type(image.get("bits_per_component")) is int
        and image["bits_per_component"] > 8
        for image in _listed(images)
    )


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
