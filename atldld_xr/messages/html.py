"""What notebooks show of facts and reports: small tables, in which nothing is HTML but ours. Pure.

Names come from services and files of others: all is escaped, and control characters are not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from html import escape
from typing import Any, ClassVar

from atldld_xr.messages.words import printable

_MOST_ROWS = 50
_LEFT = "style='text-align:left'"


def html_rows(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and values as a table of two columns."""
    cells = (
        f"<tr><th {_LEFT}>{html_text(name)}</th><td {_LEFT}>{html_text(value)}</td></tr>"
        for name, value in rows
    )
    return f"<table>{''.join(cells)}</table>"


def html_text(value: object) -> str:
    """Return something as text that is no HTML; addresses of the web lead there."""
    text = printable(str(value))
    if isinstance(value, str) and value.startswith("https://"):
        shown = f"{text[:60]}{'...' if text[60:] else ''}"
        return f"<a href='{escape(text)}' rel='noopener'>{escape(shown)}</a>"
    return escape(text)


def html_list(name: str, entries: Sequence[Any]) -> str:
    """Return entries, folded: mappings of the same names as a table with a row each."""
    shown = entries[:_MOST_ROWS]
    if isinstance(shown[0], Mapping):
        names = list(dict.fromkeys(key for entry in shown for key in entry))
        head = "".join(f"<th {_LEFT}>{html_text(key)}</th>" for key in names)
        cells = [
            "".join(f"<td {_LEFT}>{html_text(e.get(k, ''))}</td>" for k in names) for e in shown
        ]
        table = f"<thead><tr>{head}</tr></thead>"
    else:
        cells, table = [f"<td {_LEFT}>{html_text(entry)}</td>" for entry in shown], ""
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    more = f"<p>and {len(entries) - _MOST_ROWS:,} more</p>" if entries[_MOST_ROWS:] else ""
    summary = f"{html_text(name)}: {len(entries):,}"
    return f"<details><summary>{summary}</summary><table>{table}{body}</table>{more}</details>"


class AsHtml:
    """A dataclass that notebooks show as a table of its fields, with lists folded below it."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def _repr_html_(self) -> str:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        lists = {
            name: value
            for name, value in values.items()
            if isinstance(value, tuple) and value and not isinstance(value[0], int)
        }
        rows = (
            (name.replace("_", " "), _words(value))
            for name, value in values.items()
            if name not in lists and not _is_empty(value)
        )
        folded = "".join(html_list(name.replace("_", " "), value) for name, value in lists.items())
        return f"<div><b>{type(self).__name__}</b>{html_rows(rows)}{folded}</div>"


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_words(number)}" for key, number in value.items())
    if isinstance(value, tuple):
        first = ", ".join(map(str, value[:_MOST_ROWS]))
        return first + (f" and {len(value) - _MOST_ROWS:,} more" if value[_MOST_ROWS:] else "")
    return f"{value:,}" if type(value) is int else str(value)


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, tuple | Mapping) and not value)
