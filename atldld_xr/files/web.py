"""Files on web servers: read up to a bound, and only those whose names are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

_PIECE = 1 << 20


def address(url: str, key: str) -> str:
    """Return where a file is; a key is a path, in which "?", "#" and "%" mean nothing."""
    return f"{url}/{quote(key)}"


def pieces(fs: Any, url: str, most: int | None = None) -> Iterator[bytes]:
    """Yield what is at an address, piece by piece.

    Parameters
    ----------
    fs : fsspec.implementations.http.HTTPFileSystem
        Asks.
    url : str
        The address.
    most : int, optional
        The most bytes that are taken in.

    Raises
    ------
    FileNotFoundError
        If the server says that there is nothing.
    Exception
        What the file system has for all other answers, and for none.
    """
    left = most
    # As a stream of unknown size: asking for the size first calls every failure "not found", and
    # there are servers that send all of what they are asked a range of.
    with fs.open(url, "rb", block_size=0, size=1) as file:
        while left is None or left > 0:
            piece: bytes = file.read(_PIECE if left is None else min(_PIECE, left))
            if not piece:
                break
            yield piece
            left = None if left is None else left - len(piece)
