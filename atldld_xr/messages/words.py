"""Texts of others as words of a message: short, on one line, and harmless. Pure."""

from __future__ import annotations

_MOST = 500


def one_line(text: str, most: int = _MOST) -> str:
    """Return a text as one line that can be shown and written anywhere.

    Parameters
    ----------
    text : str
        Anybody's.
    most : int
        The most characters to keep; what is longer ends with "...".

    Returns
    -------
    str
        Blanks and line breaks are single blanks. What cannot be printed, such as a terminal's
        escape sequences or half of a surrogate pair, is told as Python writes it.
    """
    looked_at = 8 * most  # of what is longer, the rest would only take time
    line = printable(" ".join(text[:looked_at].split()))
    if len(line) > most or len(text) > looked_at:
        return f"{line[: most - 3]}..."
    return line


def printable(text: str) -> str:
    """Return a text with what cannot be printed told as Python writes it: by its number."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
