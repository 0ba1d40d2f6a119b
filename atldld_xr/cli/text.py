"""Facts on standard output: aligned rows for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from atldld_xr.messages.text import format_bytes, format_count, format_rows
from atldld_xr.messages.words import printable

__all__ = ["format_bytes", "format_count", "print_json", "print_rows", "print_table", "say"]


def say(text: str, *, err: bool = False) -> None:
    """Print lines, with whatever names and reasons of others are in it, as any terminal takes it.

    Parameters
    ----------
    text : str
        The lines.
    err : bool
        Whether to print them to standard error.
    """
    stream = sys.stderr if err else sys.stdout
    text = "\n".join(map(printable, text.split("\n")))
    encoding = getattr(stream, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=err)


def print_json(facts: Any) -> None:
    """Print facts as JSON."""
    click.echo(json.dumps(facts, indent=2))


def print_rows(rows: Iterable[tuple[str, str]]) -> None:
    """Print names and values in two columns; a row without a name goes on with the one above."""
    say(format_rows(rows))


def print_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns under their names."""
    lines = [[printable(cell) for cell in row] for row in (names, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        say("  ".join(cells).rstrip())
