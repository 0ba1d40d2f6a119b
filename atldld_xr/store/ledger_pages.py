"""Files of a ledger: lines of JSON, and a checksum of all of them at the end. Pure."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any

import numpy as np

from atldld_xr.files.checksum import checksum
from atldld_xr.foreign_json import parse_json
from atldld_xr.store.store_plan import RECORDS, RecordsError

PAGES = f"{RECORDS}/pages"
"""The folder of those that are not gathered yet."""

_PAGE = re.compile(rf"{PAGES}/(\d{{6,12}})\.jsonl")

_PIECE = 1 << 16
_APART = 10**5
"""The last digits of a page's number are drawn: a run that was stopped, and writes a page when
another goes on with the ledger, does not write over that one's."""


def numbered(keys: Iterable[str]) -> dict[str, int]:
    """Return the pages that are among some files, in their order, with their numbers."""
    pages = {page[0]: int(page[1]) for page in map(_PAGE.fullmatch, keys) if page}
    return dict(sorted(pages.items(), key=lambda page: page[1]))


def page_after(number: int) -> int:
    """Return the number of a page that comes after another one, 0 for the first; never the same."""
    return (number // _APART + 1) * _APART + secrets.randbelow(_APART)


def page_key(number: int) -> str:
    """Return the file of a page."""
    return f"{PAGES}/{number:012d}.jsonl"


def with_checksum(lines: Iterable[Any]) -> bytes:
    """Return entries as a file."""
    body = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    return body + json.dumps({"crc32c of the above": checksum(body)}).encode() + b"\n"


def checked(content: bytes, address: str) -> Iterator[bytes]:
    """Return a file's entries, each a line of JSON; they take no memory beside the file's own.

    Raises
    ------
    RecordsError
        If it is not as it was written.
    """
    end = content.rfind(b"\n", 0, len(content) - 1) + 1
    try:
        recorded = parse_json(content[end:])["crc32c of the above"]
    except (ValueError, KeyError, TypeError):
        raise damaged(address, "it is cut short") from None
    computed = 0
    for start in range(0, end, _PIECE):
        computed = checksum(content[start : min(start + _PIECE, end)], computed)
    if recorded != computed:
        raise damaged(address, "its checksum does not fit what it says")
    lines = BytesIO(content)
    return iter(lambda: lines.readline() if lines.tell() < end else b"", b"")


def are(values: list[Any], dtype: str) -> bool:
    """Return whether what JSON has can be values of a dtype, by name; "str" for text.

    Raises
    ------
    ValueError, OverflowError
        If they cannot be converted, as text that no encoding has.
    """
    if dtype == "str":
        return all(isinstance(value, str) and value.encode() is not None for value in values)
    made = np.array(values, dtype=dtype)
    kinds = {"b": bool, "f": float | int}
    kind = kinds.get(made.dtype.kind, int)
    return made.ndim == 1 and all(isinstance(value, kind) for value in values)


def damaged(address: str, why: str) -> RecordsError:
    """Return the error for a file that cannot be believed."""
    return RecordsError(
        f"the export's ledger {address} is damaged: {why}; nothing was written. "
        'mode="w" (--mode w) starts anew'
    )
