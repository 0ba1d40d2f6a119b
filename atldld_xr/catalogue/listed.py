"""Files that name data sets: ids, one a line, or what ``atldld-xr search`` printed. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from atldld_xr.allen.ids import parse_dataset_name
from atldld_xr.catalogue.selection import dataset_ids, without_fraction
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.foreign_json import MOST_BYTES, InvalidJsonError, parse_json
from atldld_xr.messages.repeating import short

_COLUMNS = ("dataset", "id")
_DOCUMENT = "datasets"  # of a report: where its list is


def listed_ids(content: bytes, name: str) -> list[int]:
    """Return the ids that a file names, each once, in their order.

    Parameters
    ----------
    content : bytes
        Names of data sets, one a line, of which what follows a ``#`` is a comment; or CSV or JSON
        that ``atldld-xr search`` printed, of data sets or of section images; or a report of many
        data sets.
    name : str
        The file's, for messages.

    Raises
    ------
    InvalidArgumentError
        If it is none of these, or names none; says in which line.
    """
    if len(content) > MOST_BYTES:
        raise InvalidArgumentError(f"{name} has more than the {MOST_BYTES:,} bytes that are read")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidArgumentError(f"{name}, line {line}: it is no text in UTF-8") from None
    start = text.lstrip()[:1]
    if start in ("[", "{"):
        found = _of_json(content, name)
    elif header := _header(text):
        found = _of_csv(text, name, header)
    else:
        found = _of_lines(text, name)
    ids = list(found)
    if not ids:
        raise InvalidArgumentError(f"{name} names no data set")
    return dataset_ids(ids)


def _of_lines(text: str, name: str) -> Iterator[int]:
    for number, line in enumerate(text.split("\n"), start=1):
        if entry := line.partition("#")[0].strip():
            yield _id(entry, f"{name}, line {number}")


def _header(text: str) -> str | None:
    """Return the column that names data sets, None if the first line is no header."""
    columns = [column.strip('"') for column in text.partition("\n")[0].strip().split(",")]
    return next((column for column in _COLUMNS if column in columns), None)


def _of_csv(text: str, name: str, column: str) -> Iterator[int]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    if column not in (rows.fieldnames or ()):  # which reads the first line
        raise InvalidArgumentError(f"{name}, line 1: its columns cannot be told apart")
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise InvalidArgumentError(f"{name}, line {line}: it is no CSV ({error})") from None
        if row is None:
            return
        if None in row or None in row.values():
            raise InvalidArgumentError(f"{name}, line {line}: it has not as many columns as line 1")
        yield _id(row[column], f"{name}, line {line}")


def _of_json(content: bytes, name: str) -> Iterator[int]:
    try:
        document = parse_json(content)
    except InvalidJsonError as error:  # which says the line
        raise InvalidArgumentError(f"{name}: {error}") from None
    if isinstance(document, dict):
        document = document.get(_DOCUMENT)
    if not isinstance(document, list):
        raise InvalidArgumentError(f"{name}: the JSON is no list of data sets")
    for number, entry in enumerate(document, start=1):
        value: Any = entry
        if isinstance(entry, dict):
            value = next((entry[c] for c in _COLUMNS if c in entry), None)
        yield _id(value, f"{name}, entry {number}")


def _id(value: object, where: str) -> int:
    try:
        return parse_dataset_name(without_fraction(value))
    except InvalidArgumentError:
        raise InvalidArgumentError(f"{where}: {short(value)} names no data set") from None
