"""The command ``volume``, which writes a data set as a true volume."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from atldld_xr.cli import options, writing
from atldld_xr.cli.export import tell_written
from atldld_xr.cli.failures import GOES_ON, PARTIAL
from atldld_xr.cli.text import print_json


@click.command(
    cls=options.ExpressionCommand,
    short_help="Write DATASET as a volume to URL.",
    epilog=options.examples(
        "atldld-xr volume 71717640 out.nii.gz",
        "atldld-xr volume 71717640 out.zarr --method linear --resolution 10",
        "atldld-xr volume 71717640 's3://bucket/out.ome.zarr' --workers 2",
    ),
)
@click.argument("dataset")
@click.argument("url", shell_complete=options.complete_path)
@options.volume_reading
@writing.writing
@options.cluster
@options.progress
@options.as_json
@click.pass_context
def volume(
    ctx: click.Context,
    /,
    dataset: str,
    url: str,
    format: str | None,
    scheduler: str | None,
    workers: int | None,
    progress: bool,
    as_json: bool,
    **arguments: Any,
) -> None:
    """Write DATASET as a volume to URL: every voxel is read from where it truly lies.

    The sections are cut obliquely, and a plane of the volume shows strips of several. URL is a
    path, or anything that fsspec can write to. A volume in Zarr that was interrupted is finished by
    the same command.
    """
    format = writing.chosen_format(url, format)
    how = writing.writing_of(ctx, format, arguments)
    reading = {name: value for name, value in arguments.items() if name not in writing.NAMES}
    ctx.meta[GOES_ON] = format.endswith("zarr")
    import atldld_xr.accessor  # noqa: F401  # importing it registers the methods that write
    from atldld_xr.cli.computing import computing

    with computing(scheduler, workers):
        from atldld_xr.datasets.open_volume import open_volume
        from atldld_xr.export.formats import writer

        report = writer(format)(open_volume(dataset, **reading), url, progress=progress, **how)
    if as_json:
        print_json(asdict(report))
    else:
        tell_written(report)
    ctx.exit(PARTIAL if report.failures else 0)
