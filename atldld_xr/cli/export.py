"""The command ``export``, which writes registered data sets."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from atldld_xr.cli import options, writing
from atldld_xr.cli.computing import computing
from atldld_xr.cli.failures import PARTIAL
from atldld_xr.cli.text import format_bytes, print_json


@click.command(cls=options.ExpressionCommand)
@click.argument("dataset", nargs=-1, metavar="DATASET...")
@click.argument("url")
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
    data sets it has {id} where the data set's name goes. What ``atldld-xr info`` says with the same
    options is what this costs. An export to Zarr that was interrupted is finished by the same
    command.
    """
    options.check_both(dataset, url, "URL")
    format = writing.chosen_format(url, format)
    how = writing.writing_of(ctx, format, arguments)
    reading = {name: value for name, value in arguments.items() if name not in writing.NAMES}
    with computing(scheduler, workers):
        if len(dataset) > 1 or "{id}" in url:
            ctx.exit(_export_many(dataset, url, reading, format, how, progress, as_json))
        from atldld_xr.dataset import open_dataset
        from atldld_xr.formats import writer

        opened = open_dataset(dataset[0], **reading)
        report = writer(format)(opened, url, progress=progress, **how)
    _tell(report, as_json)
    ctx.exit(PARTIAL if report.failures else 0)


def _export_many(
    datasets: tuple[str, ...],
    url: str,
    reading: dict[str, Any],
    format: str,
    how: dict[str, Any],
    progress: bool,
    as_json: bool,
) -> int:
    from atldld_xr.errors import StoreError
    from atldld_xr.export.many import export_many
    from atldld_xr.progress import progress_bar
    from atldld_xr.sources.resolve import parse_dataset_name

    for name in datasets:  # before anything is opened
        parse_dataset_name(name)
    failed = partial = 0
    outcomes = export_many(datasets, url, opening=reading, format=format, writing=how)
    with progress_bar("data sets", len(datasets), enabled=progress) as advance:
        for outcome in outcomes:
            advance(1)
            if outcome.report is None:
                failed += 1
                click.echo(f"{outcome.dataset} failed: {outcome.error}", err=True)
            else:
                partial += bool(outcome.report.failures)
                _tell(outcome.report, as_json)
    if not as_json:
        click.echo(f"{len(datasets) - failed:,} of {len(datasets):,} data sets are written")
    if failed:
        raise StoreError(
            f"{failed:,} of {len(datasets):,} data sets could not be written; the same command "
            "tries them again"
        )
    return PARTIAL if partial else 0


def _tell(report: Any, as_json: bool) -> None:
    if as_json:
        print_json(asdict(report))
        return
    if hasattr(report, "valid_planes"):
        shape = " x ".join(map(str, report.shape))
        click.echo(
            f"{report.path}: {shape} voxels, {len(report.valid_planes):,} planes with a section, "
            f"{format_bytes(report.nbytes)}"
        )
    else:
        earlier = f" ({report.skipped:,} more were there)" if report.skipped else ""
        click.echo(
            f"{report.url}: {report.blocks:,} chunks written{earlier}, "
            f"{format_bytes(report.nbytes)} in all"
        )
    for failure in report.failures:
        click.echo(
            f"section image {failure['section_image_id']} could not be read: {failure['reason']}"
        )
