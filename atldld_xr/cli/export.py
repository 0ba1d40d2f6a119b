"""The command ``export``, which writes registered data sets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from atldld_xr.cli import options
from atldld_xr.cli.failures import FAILED, PARTIAL
from atldld_xr.cli.text import format_bytes, print_json

if TYPE_CHECKING:
    from atldld_xr.export import ExportReport


def _read_compressor(value: str) -> Any:
    """Return what ``to_zarr`` takes for a name, and a level after a colon."""
    name, _, level = value.partition(":")
    if value == "auto":
        return value
    if value == "none":
        return None
    from zarr import codecs

    makers: dict[str, Any] = {
        "zstd": lambda n: codecs.ZstdCodec(level=n),
        "lz4": lambda n: codecs.BloscCodec(cname="lz4", clevel=n, shuffle="bitshuffle", typesize=1),
    }
    try:
        return makers[name](int(level or 1))
    except (KeyError, ValueError):
        raise click.BadParameter(
            f"{value!r} is none of auto, none, zstd and lz4, with a level as in zstd:3"
        ) from None


def _read_inner_chunks(value: str) -> dict[str, int]:
    pairs = (part.partition("=") for part in value.split(","))
    try:
        sizes = {name.strip(): int(size) for name, _, size in pairs}
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of sizes, as y=256,x=256") from None
    if min(sizes.values()) < 1:
        raise click.BadParameter(f"{value!r}: sizes are at least 1")
    return sizes


@click.command(cls=options.ExpressionCommand)
@click.argument("dataset", nargs=-1, required=True, metavar="DATASET...")
@click.argument("url")
@options.reading
@click.option(
    "--mode",
    type=click.Choice(["w-", "w"]),
    default="w-",
    help="Refuse to write where something else exists, or replace a Zarr store.",
)
@options.storage_options
@click.option(
    "--compressor",
    type=_read_compressor,
    default="auto",
    metavar="auto|none|zstd:N|lz4:N",
    help="How the chunks of the arrays are compressed, and at which level.",
)
@click.option(
    "--inner-chunks",
    type=_read_inner_chunks,
    metavar="y=N,x=N",
    help="Pieces within each block that readers can take one by one (Zarr's shards).",
)
@click.option(
    "--retry-failed",
    is_flag=True,
    help="Try sections again that an earlier run left at the fill value.",
)
@options.cluster
@options.progress
@options.as_json
@click.pass_context
def export(
    ctx: click.Context,
    /,
    dataset: tuple[str, ...],
    url: str,
    mode: str,
    storage_options: dict[str, Any] | None,
    compressor: Any,
    inner_chunks: dict[str, int] | None,
    retry_failed: bool,
    scheduler: str | None,
    workers: int | None,
    progress: bool,
    as_json: bool,
    **reading: Any,
) -> None:
    """Register each DATASET and write it to URL as a Zarr v3 store.

    URL is a path, or anything that fsspec can write to, such as s3://bucket/out.zarr; for several
    data sets it has {id} where the data set's name goes. What ``atldld-xr info`` says with the same
    options is what this costs. An export that was interrupted is finished by the same command.
    """
    writing = {
        "mode": mode,
        "storage_options": storage_options,
        "compressor": compressor,
        "inner_chunks": inner_chunks,
        "retry_failed": retry_failed,
    }
    with _cluster(scheduler, workers):
        if len(dataset) == 1 and "{id}" not in url:
            from atldld_xr.dataset import open_dataset

            opened = open_dataset(dataset[0], **reading)
            report = opened.atldld.to_zarr(url, progress=progress, **writing)
            _tell(report, as_json)
            ctx.exit(PARTIAL if report.failures else 0)
        ctx.exit(_export_many(dataset, url, reading, writing, progress, as_json))


def _export_many(
    datasets: tuple[str, ...],
    url: str,
    reading: dict[str, Any],
    writing: dict[str, Any],
    progress: bool,
    as_json: bool,
) -> int:
    from atldld_xr.export.many import export_many
    from atldld_xr.progress import progress_bar
    from atldld_xr.sources.resolve import parse_dataset_name

    for name in datasets:  # before anything is opened
        parse_dataset_name(name)
    failed = partial = 0
    with progress_bar("data sets", len(datasets), enabled=progress) as advance:
        for outcome in export_many(datasets, url, opening=reading, writing=writing):
            advance(1)
            if outcome.report is None:
                failed += 1
                click.echo(f"{outcome.dataset} failed: {outcome.error}", err=not as_json)
            else:
                partial += bool(outcome.report.failures)
                _tell(outcome.report, as_json)
    if not as_json:
        click.echo(f"{len(datasets) - failed:,} of {len(datasets):,} data sets are written")
    return FAILED if failed else PARTIAL if partial else 0


def _tell(report: ExportReport, as_json: bool) -> None:
    if as_json:
        print_json(asdict(report))
        return
    earlier = f" ({report.skipped:,} more were there)" if report.skipped else ""
    click.echo(
        f"{report.url}: {report.blocks:,} chunks written{earlier}, "
        f"{format_bytes(report.nbytes)} in all"
    )
    for failure in report.failures:
        click.echo(
            f"section image {failure['section_image_id']} could not be read: {failure['reason']}"
        )


@contextmanager
def _cluster(scheduler: str | None, workers: int | None) -> Iterator[None]:
    """Compute on a cluster that is there, or on processes of this machine, as asked for."""
    if scheduler is None and workers is None:
        yield
        return
    if scheduler is not None and workers is not None:
        raise click.UsageError("--scheduler and --workers exclude each other")
    from atldld_xr.errors import MissingExtraError, StoreError

    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise MissingExtraError(
            'clusters need another package: pip install "atldld-xr[distributed]"'
        ) from error
    if scheduler is not None:
        try:
            client = Client(scheduler)
        except (OSError, ValueError) as error:
            raise StoreError(f"no Dask scheduler answers at {scheduler}: {error}") from error
        with client:
            yield
        return
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as local,
        Client(local),
    ):
        yield
