"""The command ``export``, which writes registered data sets."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from atldld_xr.cli import options, writing
from atldld_xr.cli.failures import FAILED, GOES_ON, PARTIAL, Failure, exit_code
from atldld_xr.cli.text import print_json, say
from atldld_xr.messages.text import format_bytes, format_count, name_of, without_masks

if TYPE_CHECKING:
    from atldld_xr.export.many import Outcome


@click.command(
    cls=options.ExpressionCommand,
    short_help="Register each DATASET and write it to URL.",
    epilog=options.examples(
        "atldld-xr export 71717640 out.zarr --on-error fill",
        "atldld-xr export 71717640 out.ome.zarr --resolution 10",
        "atldld-xr export 71717640 out.nrrd --channel grey",
        "atldld-xr export 71717640 69289763 's3://bucket/{id}.zarr' --workers 2",
    ),
)
@click.argument("dataset", nargs=-1, metavar="DATASET...")
@click.argument("url", shell_complete=options.complete_path)
@options.reading
@writing.writing
@options.cluster
@options.progress
@options.as_json
@click.pass_context
def export(
    ctx: click.Context,
    /,
    dataset: tuple[str, ...],
    url: str,
    format: str | None,
    scheduler: str | None,
    workers: int | None,
    progress: bool,
    as_json: bool,
    **arguments: Any,
) -> None:
    """Register each DATASET and write it to URL.

    URL is a path, or anything that fsspec can write to, such as s3://bucket/out.zarr; for several
    data sets it has {id} where the data set's name goes. What "atldld-xr info" says with the same
    options is what this costs. An export to Zarr that was interrupted is finished by the same
    command.

    With --json, one data set is one object. Several are a list, in their order, when all are done:
    of each an object with its "dataset", and what was written, or for one that failed the "error".
    """
    options.check_both(dataset, url, "URL")
    format = writing.chosen_format(url, format)
    how = writing.writing_of(ctx, format, arguments)
    reading = {name: value for name, value in arguments.items() if name not in writing.NAMES}
    first = _check_distinct(dataset)
    ctx.meta[GOES_ON] = len(dataset) > 1 or format.endswith("zarr")
    # Here, as the help of all commands needs neither.
    import atldld_xr.accessor  # noqa: F401  # importing it registers the methods that write
    from atldld_xr.cli.computing import computing

    with computing(scheduler, workers):
        if len(dataset) > 1:
            ctx.exit(_export_many(dataset, url, reading, format, how, progress, as_json))
        from atldld_xr.datasets.open_dataset import open_dataset
        from atldld_xr.export.formats import writer
        from atldld_xr.export.many import PLACEHOLDER

        opened = open_dataset(dataset[0], **reading)
        url = url.replace(PLACEHOLDER, str(first))
        report = writer(format)(opened, url, progress=progress, **how)
    if as_json:
        print_json(asdict(report))
    else:
        tell_written(report)
    ctx.exit(PARTIAL if report.failures else 0)


def _check_distinct(datasets: Sequence[str]) -> int:
    """Refuse what names no data set, or one twice; return the first one's id."""
    from atldld_xr.allen.ids import parse_dataset_name

    names: dict[int, str] = {}
    for name in datasets:
        number = parse_dataset_name(name)
        if number in names:
            raise click.UsageError(
                f"{names[number]} and {name} are the same data set, and would go to the same place"
            )
        names[number] = name
    return next(iter(names))


def _export_many(
    datasets: tuple[str, ...],
    url: str,
    reading: dict[str, Any],
    format: str,
    how: dict[str, Any],
    progress: bool,
    as_json: bool,
) -> int:
    from atldld_xr.compute.progress import progress_bar
    from atldld_xr.export.many import export_many

    done: dict[str, Outcome] = {}
    outcomes = export_many(datasets, url, opening=reading, format=format, writing=how)
    with (
        progress_bar("data sets", len(datasets), enabled=progress) as advance,
        closing(outcomes),
    ):
        for outcome in outcomes:
            advance(1)
            done[outcome.dataset] = outcome
            if outcome.kind is not None:
                why = " ".join(outcome.error.split())
                say(f"{outcome.dataset} failed: {why}", err=True)
            elif not as_json:
                tell_written(outcome.report)
    failed = [outcome.kind for outcome in done.values() if outcome.kind is not None]
    if as_json:
        print_json([_facts(done[name]) for name in datasets])
    else:
        say(f"{len(datasets) - len(failed):,} of {len(datasets):,} data sets are written")
    if failed:
        code = exit_code(failed)
        again = "; the same command tries them again" if code == FAILED else ""
        raise Failure(
            f"{len(failed):,} of {len(datasets):,} data sets could not be written{again}", code
        )
    return PARTIAL if any(outcome.report.failures for outcome in done.values()) else 0


def _facts(outcome: Outcome) -> dict[str, Any]:
    facts = {"error": outcome.error} if outcome.kind is not None else asdict(outcome.report)
    return {"dataset": outcome.dataset, **facts}


def tell_written(report: Any) -> None:
    if hasattr(report, "valid_planes"):
        shape = " x ".join(map(str, report.shape))
        planes = format_count(len(report.valid_planes), "plane")
        say(
            f"{report.path}: {shape} voxels, {planes} with a section, {format_bytes(report.nbytes)}"
        )
    else:
        were = "was" if report.skipped == 1 else "were"
        earlier = f" ({report.skipped:,} more {were} there)" if report.skipped else ""
        say(
            f"{report.url}: {format_count(report.blocks, 'chunk')} written{earlier}, "
            f"{format_bytes(report.nbytes)} in all"
        )
    if report.excluded:
        from atldld_xr.allen.excluded import say_excluded

        say(say_excluded(report.excluded))
    for failure in report.failures:
        say(f"{name_of(failure)} could not be read: {failure['reason']}")
    if absent := getattr(report, "absent", ()):
        say(without_masks([entry["section_image_id"] for entry in absent]))
