"""JSON that others wrote: bounded before it is parsed, so that no answer takes all memory. Pure.

245 kB of gzip unfold to 255 MB of ``[]``, and these to 6 GB of lists. Here 24 MB at most are looked
at, and 700 000 values in 64 levels at most are made of them: about 300 MB, whatever it says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from atldld_xr.errors import AtldldError

MOST_BYTES = 24_000_000
"""Bytes of a record, or of a page of them: a data set of 10 000 sections has 15 MB."""

_MOST_VALUES = 700_000  # the same data set has 500 000
_DEEPEST = 64  # Allen's records have 5 levels, Zarr's metadata 10
_PIECE = 1 << 20

_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(code for code in range(256) if code not in _STEPS)


class InvalidJsonError(AtldldError, ValueError):
    """The bytes are no JSON, or more of it than can be; the message is the reason, in words."""


def parse_json(content: bytes, *, most: int = MOST_BYTES) -> Any:
    """Return what JSON says.

    Parameters
    ----------
    content : bytes
        The text. Of a key that is there twice, the last value counts, as in all of Python.
    most : int
        Bytes that it can have.

    Raises
    ------
    InvalidJsonError
        If it is none, or too large, has too many values or is nested too deep to be what it should.
    """
    if len(content) > most:
        raise InvalidJsonError(f"it has {len(content):,} bytes where at most {most:,} can be")
    try:
        text = content.decode(json.detect_encoding(content))
        _check_size(text)
        return json.loads(text)
    except InvalidJsonError:
        raise
    except RecursionError:  # of a caller who has used up nearly all levels
        raise InvalidJsonError("it is nested too deep") from None
    except ValueError as error:  # also of text that is not in its encoding, and of endless numbers
        raise InvalidJsonError(f"it is no JSON ({error})") from None


def _check_size(text: str) -> None:
    if text.count("[") + text.count("{") <= _DEEPEST and len(text) <= _MOST_VALUES:
        return
    # Each value but the first follows one of the former; a few in strings are no matter. Of the
    # latter there are no more than of the former: what is no JSON is not looked at for long.
    if any(sum(map(text.count, some)) > _MOST_VALUES for some in (",[{", "]}")):
        raise InvalidJsonError(f"it has more than {_MOST_VALUES:,} values")
    steps = (_STEPS[bracket] for some in _brackets(text) for bracket in some)
    if max(accumulate(steps), default=0) > _DEEPEST:
        raise InvalidJsonError(f"it is nested more than {_DEEPEST} levels deep")


def _brackets(text: str) -> Iterator[bytes]:
    """Yield the brackets that are outside of strings, in order."""
    if "\\" in text:
        text = text.replace("\\\\", "").replace('\\"', "")
    within = 0
    for start in range(0, len(text), _PIECE):
        # Without escaped quotes, every other part between quotes is within a string.
        parts = text[start : start + _PIECE].split('"')
        outside = "".join(parts[within::2]).encode("ascii", "replace")
        within = (within + len(parts) - 1) % 2
        yield outside.translate(None, _NO_BRACKETS)
