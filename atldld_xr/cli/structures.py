"""The command ``structures``, which prints Allen's ontology."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import click

from atldld_xr.cli import options
from atldld_xr.cli.text import print_json, say

if TYPE_CHECKING:
    from atldld_xr.allen.structures import Structure


@click.command(
    short_help="Print the structures of the brain.",
    epilog=options.examples(
        "atldld-xr structures",
        "atldld-xr structures DG 382 --parts",
        "atldld-xr structures --csv > structures.csv",
    ),
)
@click.argument("structure", nargs=-1)
@click.option("--parts", is_flag=True, help="Print all parts of each STRUCTURE below it.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table with commas.")
@options.as_json
@options.source
@options.refresh
@options.offline
def structures(
    structure: tuple[str, ...],
    parts: bool,
    as_csv: bool,
    as_json: bool,
    source: str | None,
    refresh: bool,
    offline: bool | None,
) -> None:
    """Print the structures of the adult mouse brain, each below what it is part of.

    A STRUCTURE is an acronym or an id, and is printed alone; without one, all are.
    """
    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other")
    from atldld_xr.datasets.open_structures import structures as look

    found = look(source=source, offline=offline, refresh=refresh)
    rows = list(found.rows)
    if structure:
        asked = [found.id_of(int(one) if one.isdecimal() else one) for one in structure]
        ids = [part for one in asked for part in (found.descendants(one) if parts else (one,))]
        rows = [found[one] for one in dict.fromkeys(ids)]
    if as_json:
        print_json([_facts(row) for row in rows])
    elif as_csv:
        out = io.StringIO()
        writer = csv.DictWriter(out, _facts(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**_facts(row), "path": _path(row)} for row in rows)
        say(out.getvalue().removesuffix("\n"))
    else:
        top = min(len(row.path) for row in rows)
        digits = max(len(str(row.id)) for row in rows)
        for row in rows:
            indent = "  " * (len(row.path) - top)
            say(f"{row.id:>{digits}}  {indent}{row.acronym}  {row.name}")


def _facts(row: Structure) -> dict[str, Any]:
    return {
        "id": row.id,
        "acronym": row.acronym,
        "name": row.name,
        "parent": row.parent,
        "path": list(row.path),
        "graph_order": row.graph_order,
        "level": row.level,
        "colour": row.colour,
    }


def _path(row: Structure) -> str:
    return "".join(f"/{one}" for one in row.path) + "/"
