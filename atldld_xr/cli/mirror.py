"""The command ``mirror``, which copies what the service has."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atldld_xr.cli import many, options, selection
from atldld_xr.cli.failures import GOES_ON, PARTIAL
from atldld_xr.cli.text import print_json, say
from atldld_xr.messages.repeating import short
from atldld_xr.messages.text import format_bytes, format_count

if TYPE_CHECKING:
    from atldld_xr.sources.save_mirror import MirrorSummary

_VIEWS = ("image", "expression", "intensity", "projection", "projection_intensity")


def _read_tiers(value: str) -> list[int] | str:
    if value == "auto":
        return value
    try:
        return [int(tier) for tier in value.split(",")]
    except ValueError:
        raise click.BadParameter(f'{short(value)} is neither "auto" nor numbers, as 4,3') from None


def _read_views(value: str) -> list[str]:
    views = value.split(",")
    if not set(views) <= set(_VIEWS):
        raise click.BadParameter(f"{short(value)}: the views are {', '.join(_VIEWS)}")
    return views


@click.command(
    short_help="Copy every DATASET to PATH, as the service has it.",
    epilog=options.examples(
        "atldld-xr mirror 71717640 mirror/ --resolution 10",
        "atldld-xr mirror 71717640 69289763 mirror/ --views image,expression",
        "atldld-xr info 71717640 --source mirror/",
        "atldld-xr mirror --gene Pvalb --plane-of-section coronal mirror/",
    ),
)
@click.argument("datasets", nargs=-1, metavar="DATASET...")
@click.argument("path", shell_complete=options.complete_path)
@click.option(
    "--tiers",
    type=_read_tiers,
    default="auto",
    metavar="auto|N,N",
    help="Tiers to copy: those that --resolution needs, or these.",
)
@options.resolution
@click.option(
    "--views",
    type=_read_views,
    default="image",
    metavar="VIEW,VIEW",
    help="What to copy of each section: image, expression (the mask as the service colours it), "
    "intensity (that mask as grey), projection and projection_intensity (of connectivity), or "
    "several of them.",
)
@options.range_
@options.source
@options.refresh
@selection.selecting
@many.report
@options.storage_options
@click.option(
    "--on-error",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    help="Fail on an image that cannot be had, or go on without it.",
)
@options.progress
@options.as_json
@click.pass_context
def mirror(
    ctx: click.Context,
    /,
    datasets: tuple[str, ...],
    path: str,
    storage_options: dict[str, Any] | None,
    progress: bool,
    as_json: bool,
    report: Path | None,
    **arguments: Any,
) -> None:
    """Copy every DATASET to PATH, as the service has it, to be opened with --source PATH.

    PATH is a folder, or a URL that fsspec can write to. What it holds already is not fetched
    again, so a copy that was interrupted is taken up by the same command.

    Data sets of --gene or --from, or with a --report, are copied one after the other: one that
    cannot be had does not keep the others, and with --json they are a list.
    """
    is_asked = selection.is_asked(arguments)
    if not is_asked:
        options.check_both(datasets, path, "PATH")
    chosen = selection.select(datasets, {**arguments, "progress": progress})
    how = {name: value for name, value in arguments.items() if name not in selection.NAMES}
    ctx.meta[GOES_ON] = True
    if is_asked or report is not None:
        from atldld_xr.datasets.records_ahead import records_ahead
        from atldld_xr.export.many import for_each

        task = partial(_copy, path=path, storage_options=storage_options, **how)
        where = {"source": how["source"], "refresh": how["refresh"]}
        code = many.tell_all(
            for_each(records_ahead(chosen.datasets, **where), task),
            chosen,
            done="copied",
            tell=partial(_tell, path),
            progress=progress,
            as_json=as_json,
            report=report,
        )
        ctx.exit(code)
    from atldld_xr import mirror as copy

    summary = copy(
        chosen.datasets, path=path, storage_options=storage_options, progress=progress, **how
    )
    if as_json:
        print_json(asdict(summary))
    else:
        _tell(path, summary)
    ctx.exit(PARTIAL if summary.failures else 0)


def _copy(dataset: int | str, **how: Any) -> MirrorSummary:
    from atldld_xr import mirror as copy

    return copy(dataset, **how)


def _tell(path: str, summary: MirrorSummary) -> None:
    from atldld_xr.allen.excluded import say_excluded

    say(
        f"{path}: {format_count(summary.files, 'file')} written, "
        f"{format_bytes(summary.bytes)}; {format_count(summary.skipped, 'image')} "
        f"{'was' if summary.skipped == 1 else 'were'} there"
    )
    if summary.excluded:
        say(say_excluded(summary.excluded))
    for failure in summary.failures:
        say(f"{failure.file} could not be had: {failure.reason}")
