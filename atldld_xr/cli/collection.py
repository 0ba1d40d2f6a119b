"""The command ``summary`` of many data sets: one table, told of before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from atldld_xr.cli.failures import NOT_FOUND, PARTIAL
from atldld_xr.cli.selection import is_asked, select
from atldld_xr.cli.text import print_json, say
from atldld_xr.messages.repeating import short
from atldld_xr.messages.text import format_count

_MOST_TOLD = 10


def summarize_many(
    datasets: Sequence[str],
    chosen: Mapping[str, Any],
    output: str | None,
    reading: dict[str, Any],
    *,
    dry_run: bool,
    as_json: bool,
    progress: bool,
    computed_on: tuple[str | None, int | None],
    **asked: Any,
) -> int:
    """Say what the table of the data sets that are meant takes, write it, and return the exit code.

    Of a dry run all ends with the first.
    """
    from atldld_xr.cli.computing import computing

    if not datasets and not is_asked(chosen):
        raise click.UsageError("Missing argument 'DATASET', or what to search for, as --gene Pvalb")
    if output is None:
        raise click.UsageError("the table of many data sets needs a place: -o table.zarr")
    if output.lower().endswith(".csv"):
        raise click.UsageError(
            f"{short(output)}: CSV is of one data set; of many -o ends in .parquet, or is a Zarr "
            "store, as table.zarr"
        )
    from atldld_xr.collection.plan_table import plan_table

    found = select(datasets, {**reading, **chosen, "progress": progress})
    table = plan_table(found.datasets, url=output, **asked, **reading)
    told = table.look()
    if told.cost is not None and told.cost.datasets:
        say(str(told.cost), err=True)
    if dry_run:
        if as_json:
            print_json(asdict(told))
        return NOT_FOUND if found.unknown else 0
    with computing(*computed_on):
        report = table.write(progress=progress)
    if as_json:
        print_json(asdict(report))
    else:
        there = f" ({report.skipped:,} more were there)" if report.skipped else ""
        say(f"{report.url}: {format_count(report.counted, 'data set')} counted{there}")
        for failure in report.failures[:_MOST_TOLD]:
            say(f"{failure['dataset']}: {' '.join(failure['reason'].split())}")
        if len(report.failures) > _MOST_TOLD:
            say(f"and {len(report.failures) - _MOST_TOLD:,} more; --json has them all")
        if report.failures:
            say("the same command with --retry-failed counts these again")
    if report.failures:
        return PARTIAL
    return NOT_FOUND if found.unknown else 0
