"""Facts on standard output: aligned rows for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click

from atldld_xr.text import format_bytes, format_count, format_rows

__all__ = ["format_bytes", "format_count", "print_json", "print_rows"]


def print_json(facts: Any) -> None:
    """Print facts as JSON."""
    click.echo(json.dumps(facts, indent=2))


def print_rows(rows: Iterable[tuple[str, str]]) -> None:
    """Print names and values in two columns; a row without a name goes on with the one above."""
    click.echo(format_rows(rows))
