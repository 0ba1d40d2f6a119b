"""The command ``mirror``, which copies what the service has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from atldld_xr.cli import options
from atldld_xr.cli.failures import PARTIAL
from atldld_xr.cli.text import format_bytes, print_json

if TYPE_CHECKING:
    from atldld_xr.sources.base import Source

_VIEWS = ("image", "expression", "intensity")


def _read_tiers(value: str) -> list[int] | None:
    if value == "auto":
        return None
    try:
        return [int(tier) for tier in value.split(",")]
    except ValueError:
        raise click.BadParameter(f'{value!r} is neither "auto" nor numbers, as 4,3') from None


def _read_views(value: str) -> list[str]:
    views = value.split(",")
    if not set(views) <= set(_VIEWS):
        raise click.BadParameter(f"{value!r}: the views are {', '.join(_VIEWS)}")
    return views


@click.command()
@click.argument("datasets", nargs=-1, metavar="DATASET...")
@click.argument("path")
@click.option(
    "--tiers",
    type=_read_tiers,
    default="auto",
    metavar="auto|N,N",
    help="Tiers to copy: those that --resolution needs, or these.",
)
@options.resolution
@click.option(
    "--views", type=_read_views, default="image", metavar="VIEW,VIEW", help=f"Of {_VIEWS}."
)
@options.source
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
    tiers: list[int] | None,
    resolution: float,
    views: list[Any],
    source: str | None,
    storage_options: dict[str, Any] | None,
    on_error: Any,
    progress: bool,
    as_json: bool,
) -> None:
    """Copy every DATASET to PATH, as the service has it, to be opened with --source PATH.

    PATH is a folder, or a URL that fsspec can write to. What it holds already is not fetched
    again, so a copy that was interrupted is taken up by the same command.
    """
    options.check_both(datasets, path, "PATH")
    from atldld_xr.mirroring import save_mirror
    from atldld_xr.sources.resolve import parse_dataset_name

    opened = _common_source(source, datasets)
    with _progress("mirroring", enabled=progress) as show:
        summary = save_mirror(
            [parse_dataset_name(dataset) for dataset in datasets],
            path,
            source=opened,
            tiers=_needed_tiers(datasets, resolution, opened) if tiers is None else tiers,
            views=views,
            storage_options=storage_options,
            on_error=on_error,
            progress=show,
        )
    if as_json:
        print_json(asdict(summary))
    else:
        click.echo(
            f"{path}: {summary.files:,} files written, {format_bytes(summary.bytes)}; "
            f"{summary.skipped:,} were there"
        )
        for failure in summary.failures:
            click.echo(f"{failure.file} could not be had: {failure.reason}")
    ctx.exit(PARTIAL if summary.failures else 0)


def _common_source(source: str | None, datasets: Sequence[str]) -> Source:
    from atldld_xr.errors import InvalidArgumentError
    from atldld_xr.sources.resolve import parse_dataset_name, resolve

    for dataset in datasets:  # before anything is opened
        parse_dataset_name(dataset)
    first, *others = (resolve(source, dataset) for dataset in datasets)
    if any(other != first for other in others):
        raise InvalidArgumentError("the phantoms and the service's data sets need a mirror each")
    return first


def _needed_tiers(datasets: Sequence[str], resolution: float, source: Source) -> list[int]:
    from atldld_xr.dataset import plan_dataset

    plans = (plan_dataset(d, resolution=resolution, source=source).plans for d in datasets)
    return sorted({section.tier for plan in plans for section in plan["image"].sections})


@contextmanager
def _progress(what: str, *, enabled: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for work that tells with each step how many it has in all."""
    from atldld_xr.progress import progress_bar

    with ExitStack() as stack:
        advance: Callable[[int], None] | None = None

        def show(done: int, total: int) -> None:
            nonlocal advance
            if advance is None:
                advance = stack.enter_context(progress_bar(what, total, enabled=enabled))
            advance(1)

        yield show
