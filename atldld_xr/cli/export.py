"""The command ``export``, which writes registered data sets."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from atldld_xr.cli import many, options, selection, writing
from atldld_xr.cli.failures import GOES_ON, PARTIAL
from atldld_xr.cli.text import print_json, say
from atldld_xr.messages.text import format_bytes, format_count, name_of, without_masks


@click.command(
    cls=options.ExpressionCommand,
    short_help="Register each DATASET and write it to URL.",
    epilog=options.examples(
        "atldld-xr export 71717640 out.zarr --on-error fill",
        "atldld-xr export 71717640 out.ome.zarr --resolution 10",
        "atldld-xr export 71717640 out.nrrd --channel grey",
        "atldld-xr export 71717640 69289763 's3://bucket/{id}.zarr' --workers 2",
        "atldld-xr export --gene Pvalb --plane-of-section coronal '{gene}-{id}.zarr'",
    ),
)
@click.argument("dataset", nargs=-1, metavar="DATASET...")
@click.argument("url", shell_complete=options.complete_path)
@selection.selecting
@many.report
@options.reading
@writing.writing
@options.cluster
@options.progress
@options.as_json
@click.pass_context
def export(ctx: click.Context, /, **arguments: Any) -> None:
    """Register each DATASET and write it to URL.

    URL is a path, or anything that fsspec can write to, such as s3://bucket/out.zarr; for several
    data sets it has {id} where the data set's name goes, and may have {gene}. What "atldld-xr info"
    says with the same options is what this costs. An export to Zarr that was interrupted is
    finished by the same command.

    With --json, one data set is one object. Several, and those of --gene or --from, are a list, in
    their order, when all are done: of each an object with its "dataset", and what was written, or
    for one that failed the "error".
    """
    write(ctx, volume=False, **arguments)


def write(
    ctx: click.Context,
    /,
    *,
    volume: bool,
    dataset: tuple[str, ...],
    url: str,
    format: str | None,
    scheduler: str | None,
    workers: int | None,
    progress: bool,
    as_json: bool,
    report: Path | None,
    **arguments: Any,
) -> None:
    """Write data sets, as volumes or as registered sections, and end with an exit code."""
    is_asked = selection.is_asked(arguments)
    if not is_asked:
        options.check_both(dataset, url, "URL")
    format = writing.chosen_format(url, format)
    how = writing.writing_of(ctx, format, arguments)
    reading = {n: v for n, v in arguments.items() if n not in writing.NAMES | selection.NAMES}
    chosen = selection.select(dataset, arguments)
    is_many = is_asked or len(chosen.datasets) > 1
    if report is not None and not is_many:
        raise click.UsageError("--report is of several data sets; --json says all of one")
    ctx.meta[GOES_ON] = is_many or format.endswith("zarr")
    # Here, as the help of all commands needs neither.
    import atldld_xr.accessor  # noqa: F401  # importing it registers the methods that write
    from atldld_xr.cli.computing import computing

    with computing(scheduler, workers):
        from atldld_xr.export.many import export_many, write_one

        task: dict[str, Any] = {"opening": reading, "format": format, "volume": volume}
        if is_many:
            code = many.tell_all(
                export_many(chosen.datasets, url, writing=how, **task),
                chosen,
                done="written",
                tell=tell_written,
                progress=progress,
                as_json=as_json,
                report=report,
            )
            ctx.exit(code)
        (name,) = chosen.datasets
        written = write_one(name, url=url, writing={**how, "progress": progress}, **task)
    if as_json:
        print_json(asdict(written))
    else:
        tell_written(written)
    ctx.exit(PARTIAL if written.failures else 0)


def tell_written(report: Any) -> None:
    """Print what was written of a data set, and what of it could not be read."""
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
    if link := getattr(report, "link", None):
        from atldld_xr.export.ome.neuroglancer import LOCAL

        where = f", of the store served at {LOCAL} with CORS" if LOCAL in link else ""
        say(f"in neuroglancer{where}: {link}")
    if report.excluded:
        from atldld_xr.allen.excluded import say_excluded

        say(say_excluded(report.excluded))
    for failure in report.failures:
        say(f"{name_of(failure)} could not be read: {failure['reason']}")
    if absent := getattr(report, "absent", ()):
        say(without_masks([entry["section_image_id"] for entry in absent]))
