"""Commands that say what there is: ``search`` and ``genes``."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from atldld_xr.cli import options
from atldld_xr.cli.failures import NOT_FOUND
from atldld_xr.cli.text import format_count, print_json, print_table, say
from atldld_xr.messages.repeating import short

if TYPE_CHECKING:
    from atldld_xr.catalogue.find import Found

_FAILED = {"no": False, "only": True, "any": None}
_DAY = 86_400  # seconds
_TOLD = ("injection_structures", "transgenic_lines")  # of data sets that have them
_SHOWN = ("id", "genes", "plane", "sections", "expression", "age", "products")


def _read_name(_: click.Context, __: click.Parameter, value: Any) -> Any:
    """Return what was given by name or number: digits alone are an id."""
    if isinstance(value, tuple):
        return [_number_or_name(one) for one in value] or None
    return None if value is None else _number_or_name(value)


def _number_or_name(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else text


def read_age(_: click.Context, __: click.Parameter, value: str | None) -> float | str | None:
    """Return an age: days, or a name."""
    try:
        return None if value is None else float(value)
    except ValueError:
        return value


def _read_failed(_: click.Context, __: click.Parameter, value: str) -> bool | None:
    return _FAILED[value]


def named(flag: str, metavar: str, help: str, **more: Any) -> Callable[[options.F], options.F]:
    """Return the option of what is named or numbered."""
    more = {"callback": _read_name, **more}
    return click.option(flag, metavar=metavar, help=help, **more)


_LIMIT = click.option("--limit", type=int, metavar="N", help="The most to print, and to ask for.")
_CSV = click.option("--csv", "as_csv", is_flag=True, help="Print all columns as CSV.")
_PROGRESS = click.option(
    "--progress/--no-progress",
    default=None,
    help="Show a progress bar. [default: on a terminal, where there are several pages]",
)
_WANTED = (
    named(
        "--gene",
        "ACRONYM|ENTREZ",
        'Of this gene, or of those like "Pva*". Repeatable.',
        multiple=True,
    ),
    named("--plane", "PLANE", "coronal, sagittal or another that sections are cut in."),
    named("--product", "NAME|ID", "The atlas: Mouse, DevMouse, ..."),
    named("--structure", "ACRONYM|ID", "In which Allen counted expression."),
    named("--specimen", "NAME|ID", "The specimen."),
    named("--treatment", "NAME|ID", "As ISH."),
    named("--age", "AGE|DAYS", "As P56, or 56.", callback=read_age),
    named("--strain", "NAME", "As C57BL/6J.", callback=None),
    named("--sex", "M|F", "Of the animal.", callback=None),
    click.option("--reference-space", type=int, metavar="ID", help="That it is registered to."),
    named(
        "--injection-structure",
        "ACRONYM|NAME|ID",
        "Where a tracer was injected, or in a part of it.",
    ),
    named("--transgenic-line", "NAME|ID", 'Of the animal, as "*Cre*".'),
    click.option(
        "--failed",
        type=click.Choice(list(_FAILED)),
        default="no",
        callback=_read_failed,
        help="Leave out what Allen marked as failed, print that alone, or both.",
    ),
)


def _wanted(command: options.F) -> options.F:
    for option in reversed(_WANTED):
        command = option(command)
    return command


def _asking(command: options.F) -> options.F:
    asking = (_LIMIT, options.source, options.refresh, options.offline, _PROGRESS)
    for option in reversed((*asking, options.as_json, _CSV)):
        command = option(command)
    return command


@click.command(
    short_help="Print the data sets of a gene or a plane.",
    epilog=options.examples(
        "atldld-xr search --gene Pvalb --plane coronal",
        'atldld-xr search --gene "Gad*" --product Mouse --csv',
        "atldld-xr search --gene Pvalb --images --json",
    ),
)
@_wanted
@click.option("--images", is_flag=True, help="Print their section images instead.")
@_asking
@click.pass_context
def search(
    ctx: click.Context,
    /,
    images: bool,
    limit: int | None,
    source: str | None,
    refresh: bool,
    offline: bool | None,
    progress: bool | None,
    as_json: bool,
    as_csv: bool,
    **wanted: Any,
) -> None:
    """Print the data sets that answer to all options.

    In names "*" is anything, and capital letters and small ones are the same beside it; without
    one a name has to be met exactly. What is of several genes answers to any. An unknown gene is
    told with those that are near, and the exit code is 3, also if data sets of others are printed.
    """
    from atldld_xr.catalogue.ask import check_limit, open_catalogue
    from atldld_xr.catalogue.find import find_datasets, find_images
    from atldld_xr.catalogue.tables import DATASET_COLUMNS, IMAGE_COLUMNS

    _check_formats(as_json, as_csv)
    if limit is None and not any(v for name, v in wanted.items() if name != "failed"):
        raise click.UsageError("say what to look for, as --gene Pvalb, or --limit how much of all")
    catalogue = open_catalogue(source, refresh=refresh, offline=offline, progress=progress)
    find: Callable[..., Found[Any]] = find_images if images else find_datasets
    found = find(catalogue, limit=check_limit(limit), **wanted)
    columns = IMAGE_COLUMNS if images else DATASET_COLUMNS
    told = (name for name in _TOLD if not images and any(getattr(r, name) for r in found.rows))
    shown = tuple(IMAGE_COLUMNS) if images else (*_SHOWN, *told)
    _print(found, columns, shown, "section image" if images else "data set", as_json, as_csv)
    tell_unknown(found.unknown)
    ctx.exit(NOT_FOUND if found.unknown else 0)


@click.command(
    short_help="Print the genes whose acronym is, or is like, PATTERN.",
    epilog=options.examples('atldld-xr genes "Pva*"', "atldld-xr genes 19293 --json"),
)
@click.argument("pattern", nargs=-1, required=True, callback=_read_name)
@_asking
@click.pass_context
def genes(
    ctx: click.Context,
    pattern: list[int | str],
    limit: int | None,
    source: str | None,
    refresh: bool,
    offline: bool | None,
    progress: bool | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Print the genes of the mouse whose acronym is, or is like, PATTERN, or by Entrez id.

    Write "*" in quotes: shells take it for files.
    """
    from atldld_xr.catalogue.ask import check_limit, open_catalogue
    from atldld_xr.catalogue.find import find_genes
    from atldld_xr.catalogue.tables import GENE_COLUMNS

    _check_formats(as_json, as_csv)
    catalogue = open_catalogue(source, refresh=refresh, offline=offline, progress=progress)
    found = find_genes(catalogue, pattern, check_limit(limit))
    _print(found, GENE_COLUMNS, tuple(GENE_COLUMNS), "gene", as_json, as_csv)
    tell_unknown(found.unknown)
    ctx.exit(NOT_FOUND if found.unknown else 0)


def _check_formats(as_json: bool, as_csv: bool) -> None:
    if as_json and as_csv:
        raise click.UsageError("--json and --csv are two ways to print: give one")


def _print(
    found: Found[Any],
    columns: Mapping[str, str],
    shown: Sequence[str],
    noun: str,
    as_json: bool,
    as_csv: bool,
) -> None:
    from atldld_xr.catalogue.tables import as_cells, as_facts, utc

    if as_json:
        print_json([as_facts(row) for row in found.rows])
        return
    cells = [as_cells(row) for row in found.rows]
    if as_csv:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_word(row[name]) for name in columns] for row in cells)
        say(out.getvalue().removesuffix("\n"))
        return
    if cells:
        print_table(shown, [[_word(row[name]) for name in shown] for row in cells])
    is_old = found.oldest is not None and time.time() - found.oldest > _DAY
    as_of = f", as the service said on {utc(found.oldest)}; --refresh asks anew" if is_old else ""
    say(format_count(len(cells), noun) + as_of)


def _word(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def tell_unknown(unknown: Mapping[str, Sequence[str]]) -> None:
    """Say of genes that there are none of which are near, on standard error."""
    for name, near in unknown.items():
        others = f" (near it: {', '.join(near)})" if near else ""
        say(f"atldld-xr: warning: there is no gene {short(name)}{others}", err=True)
