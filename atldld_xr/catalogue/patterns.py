"""Names as users write them, with ``*`` for anything. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from atldld_xr.allen import rma
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

_ESCAPED = re.compile(r"\\\*|\*")


@dataclass(frozen=True)
class Pattern:
    """A name, or what names are like.

    Attributes
    ----------
    pieces : tuple of str
        What is between the wildcards: one piece is a name, which has to be met exactly; of more,
        the first is how names begin and the last how they end, in capital letters or small ones.
    """

    pieces: tuple[str, ...]

    @property
    def is_name(self) -> bool:
        """Whether it has no wildcard."""
        return len(self.pieces) == 1

    @property
    def may_find_others(self) -> bool:
        """Whether the service may find what is not meant, by wildcards of its database."""
        return not self.is_name and bool(set("".join(self.pieces)) & {"_", "%"})

    def matches(self, name: str) -> bool:
        """Tell whether a name is what is meant."""
        if self.is_name:
            return name == self.pieces[0]
        # No regular expression: one of many ".*" takes ages to find that a name is none of it.
        name = name.lower()
        first, *between, last = (piece.lower() for piece in self.pieces)
        at, end = len(first), len(name) - len(last)
        if at > end or not name.startswith(first) or not name.endswith(last):
            return False
        for piece in between:
            at = name.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    def criterion(self, field: str) -> str:
        """Return the RMA filter of a field that is so.

        Raises
        ------
        InvalidArgumentError
            If RMA cannot say it.
        """
        if self.is_name:
            return rma.equals(field, self.pieces)
        return rma.is_like(field, self.pieces)


def parse_pattern(text: object, what: str) -> Pattern:
    r"""Return the pattern in a text: ``*`` is anything, ``\*`` an asterisk, all else itself.

    Parameters
    ----------
    text : str
        What was given; blanks at its ends do not count.
    what : str
        Of what, for the message.

    Raises
    ------
    InvalidArgumentError
        If it is no text, or one that RMA cannot say.
    """
    if not isinstance(text, str):
        raise InvalidArgumentError(f"{what} is a text, not {short(text)}")
    pieces, at = [""], 0
    text = text.strip()
    for found in _ESCAPED.finditer(text):
        pieces[-1] += text[at : found.start()]
        at = found.end()
        if found[0] == "*":
            pieces.append("")
        else:
            pieces[-1] += "*"
    pieces[-1] += text[at:]
    pattern = Pattern(tuple(pieces))
    try:
        pattern.criterion("name")
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{what}: {error}") from None
    return pattern


def escape(name: str) -> str:
    """Return the text whose pattern is that name."""
    return name.replace("*", r"\*")
