"""Facts as text: aligned rows for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click


def print_json(facts: Any) -> None:
    """Print facts as JSON."""
    click.echo(json.dumps(facts, indent=2))


def print_rows(rows: Iterable[tuple[str, str]]) -> None:
    """Print names and values in two columns; a row without a name goes on with the one above."""
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {value}".rstrip())


def format_bytes(count: int) -> str:
    """Return a number of bytes with its unit, in powers of 1000."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.4g} TB"


def format_range(values: Iterable[float], unit: str) -> str:
    """Return the range of some numbers, or the number if all are the same."""
    values = list(values)
    low, high = min(values), max(values)
    return f"{low:g} {unit}" if low == high else f"{low:g} to {high:g} {unit}"
