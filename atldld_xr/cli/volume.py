"""The command ``volume``, which writes data sets as true volumes."""

from __future__ import annotations

from typing import Any

import click

from atldld_xr.cli import many, options, selection, writing
from atldld_xr.cli.export import write


@click.command(
    cls=options.ExpressionCommand,
    short_help="Write each DATASET as a volume to URL.",
    epilog=options.examples(
        "atldld-xr volume 71717640 out.nii.gz",
        "atldld-xr volume 71717640 out.zarr --method linear --resolution 10",
        "atldld-xr volume 71717640 's3://bucket/out.ome.zarr' --workers 2",
        "atldld-xr volume --from ids.txt '{id}.zarr' --report report.json",
    ),
)
@click.argument("dataset", nargs=-1, metavar="DATASET...")
@click.argument("url", shell_complete=options.complete_path)
@selection.selecting
@many.report
@options.volume_reading
@writing.writing
@options.cluster
@options.progress
@options.as_json
@click.pass_context
def volume(ctx: click.Context, /, **arguments: Any) -> None:
    """Write each DATASET as a volume to URL: every voxel is read from where it truly lies.

    The sections are cut obliquely, and a plane of the volume shows strips of several. URL is a
    path, or anything that fsspec can write to; for several data sets it has {id} where the data
    set's name goes, and may have {gene}. A volume in Zarr that was interrupted is finished by the
    same command.
    """
    write(ctx, volume=True, **arguments)
