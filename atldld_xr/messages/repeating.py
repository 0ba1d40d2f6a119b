"""Repeating in messages what was given, however large and of whatever kind it is. Pure."""

from __future__ import annotations

import reprlib

_LONGEST = 120


class _Repr(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = _LONGEST

    def repr_int(self, x: int, level: int) -> str:
        try:
            return super().repr_int(x, level)
        except ValueError:  # Python writes out no numbers of more than 4300 digits
            return f"a number of about {x.bit_length() * 0.30103:.0f} digits"


_repr = _Repr()


def short(value: object) -> str:
    """Return a value's repr on one line, its middle left out if it is long."""
    text = " ".join(_repr.repr(value).split())
    if len(text) <= _LONGEST:
        return text
    half = (_LONGEST - 3) // 2
    return f"{text[:half]}...{text[-half:]}"


def hide_credentials(address: str) -> str:
    """Return an address without what may be secret: a user name, a password, a query."""
    before, at, host = address.rpartition("@")
    if at and ":" in before:  # a scheme's, or a password's
        scheme, slashes, _ = before.partition("//")
        address = f"{scheme if slashes else ''}//...@{host}"
    bare, mark, _ = address.partition("?")
    return f"{bare}?..." if mark and "//" in bare else address
