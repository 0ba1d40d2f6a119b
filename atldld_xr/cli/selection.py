"""Options that add data sets to a command's own: those of genes, and those that a file names."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from atldld_xr.cli import options
from atldld_xr.cli.search import named, read_age, tell_unknown

_OPTIONS = (
    named(
        "--gene",
        "ACRONYM|ENTREZ",
        'Also the data sets that search finds of this gene, or of those like "Pva*". Repeatable.',
        multiple=True,
    ),
    named(
        "--plane-of-section",
        "PLANE",
        "Of what is searched for, those cut so: coronal, sagittal, ... (--plane of search).",
    ),
    named("--product", "NAME|ID", "Those of an atlas: Mouse, DevMouse, ..."),
    named("--treatment", "NAME|ID", "Those treated so, as ISH."),
    named("--age", "AGE|DAYS", "Those of an age, as P56, or 56.", callback=read_age),
    click.option("--limit", type=int, metavar="N", help="The most to search for."),
    click.option(
        "--from",
        "from_file",
        metavar="FILE",
        shell_complete=options.complete_path,
        help="Also the data sets that a file names: one a line, where # begins a comment, or what "
        "search printed with --csv or --json. - is standard input.",
    ),
)
_SEARCH = ("gene", "plane_of_section", "product", "treatment", "age")
NAMES = {*_SEARCH, "limit", "from_file"}
"""By which a command gets them."""


@dataclass(frozen=True)
class Selection:
    """The data sets of a command.

    Attributes
    ----------
    datasets : tuple of str
        What opens each, as it was given; each data set once.
    unknown : dict
        Of genes that there are none of: those that are near, by the name that was given.
    """

    datasets: tuple[str, ...]
    unknown: dict[str, list[str]] = field(default_factory=dict)


def selecting(command: options.F) -> options.F:
    """Add the options; the command gets them under their `NAMES`, for `select`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def is_asked(arguments: Mapping[str, Any]) -> bool:
    """Tell whether any of the options is given, so that a command needs no data set of its own."""
    return any(arguments[name] is not None for name in NAMES)


def select(datasets: Sequence[str], arguments: Mapping[str, Any]) -> Selection:
    """Return the data sets that are given, then those of a file, then those that search finds.

    Genes that there are none of are told on standard error; the other ones count.

    Parameters
    ----------
    datasets : sequence of str
        The command's arguments.
    arguments : mapping
        All options: `NAMES`, and "source", "refresh", "offline" and "progress" where there are
        such.

    Raises
    ------
    click.UsageError
        If two arguments name the same data set, or a limit is given for no search.
    InvalidArgumentError
        If a name or the file is no good, or a search cannot be done.
    DatasetNotFoundError
        If there is no such gene, or nothing answers.
    ServiceError
        As `atldld_xr.search`.
    """
    from atldld_xr.catalogue.selection import dataset_name
    from atldld_xr.errors import DatasetNotFoundError

    found = _given(datasets)
    if arguments["from_file"] is not None:
        for number in _read(arguments["from_file"]):
            found.setdefault(number, str(dataset_name(number)))
    unknown: dict[str, list[str]] = {}
    if any(arguments[name] is not None for name in _SEARCH):
        ids, unknown = _search(arguments)
        for number in ids:
            found.setdefault(number, str(number))
    elif arguments["limit"] is not None:
        raise click.UsageError("--limit is of a search: say what to look for, as --gene Pvalb")
    if not found:
        raise DatasetNotFoundError("no data set answers to all that is asked for")
    return Selection(tuple(found.values()), unknown)


def _given(datasets: Sequence[str]) -> dict[int, str]:
    """Return what opens data sets, by their ids; refuse one that is given twice."""
    from atldld_xr.allen.ids import parse_dataset_name

    names: dict[int, str] = {}
    for name in datasets:
        number = parse_dataset_name(name)
        if number in names:
            raise click.UsageError(
                f"{names[number]} and {name} are the same data set, and would go to the same place"
            )
        names[number] = name
    return names


def _read(file: str) -> list[int]:
    from atldld_xr.catalogue.listed import listed_ids
    from atldld_xr.files.paths import local_file
    from atldld_xr.foreign_json import MOST_BYTES

    if file == "-":
        content = sys.stdin.buffer.read(MOST_BYTES + 1)
        return listed_ids(content, "standard input")
    with open(local_file(file), "rb") as stream:
        return listed_ids(stream.read(MOST_BYTES + 1), file)


def _search(arguments: Mapping[str, Any]) -> tuple[list[int], dict[str, list[str]]]:
    from atldld_xr.catalogue.ask import check_limit, open_catalogue
    from atldld_xr.catalogue.find import find_datasets

    catalogue = open_catalogue(
        arguments.get("source"),
        refresh=arguments.get("refresh", False),
        offline=arguments.get("offline"),
        progress=arguments.get("progress"),
    )
    wanted = {name: arguments[name] for name in _SEARCH}
    plane = wanted.pop("plane_of_section")
    limit = check_limit(arguments["limit"])
    found = find_datasets(catalogue, plane=plane, limit=limit, **wanted)
    tell_unknown(found.unknown)
    return [row.id for row in found.rows], found.unknown
