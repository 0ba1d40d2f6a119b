"""Commands that look at what was exported: ``status`` and ``verify``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from atldld_xr.cli import options
from atldld_xr.cli.failures import PARTIAL
from atldld_xr.cli.text import print_json, print_rows, say
from atldld_xr.messages.text import format_bytes, format_count, name_of, without_masks

_MOST_PROBLEMS = 20

_STATES = {
    "complete": "complete",
    "running": "running: another process is writing there",
    "interrupted": "interrupted: the command that wrote it, run again, goes on",
}


@click.command(
    short_help="Tell how far the export to STORE is.",
    epilog=options.examples("atldld-xr status out.zarr", "atldld-xr status s3://bucket/out.zarr"),
)
@click.argument("store", shell_complete=options.complete_path)
@options.storage_options
@options.as_json
@click.pass_context
def status(
    ctx: click.Context, /, store: str, storage_options: dict[str, Any] | None, as_json: bool
) -> None:
    """Tell how far the export to STORE is, and which sections could not be read.

    The exit code is 4 unless all is written and all sections could be read.
    """
    from atldld_xr import status as look
    from atldld_xr.allen.excluded import say_excluded

    found = look(store, storage_options=storage_options)
    if as_json:
        print_json(asdict(found))
    else:
        rows = [("store", found.url), ("state", _STATES[found.state])]
        rows += [
            (name, f"{found.written[name]:,} of {format_count(count, 'chunk')}")
            for name, count in found.chunks.items()
        ]
        rows += [("failed", f"{name_of(f)}: {f['reason']}") for f in found.failures]
        if found.absent:
            rows.append(("absent", without_masks([a["section_image_id"] for a in found.absent])))
        if found.excluded:
            rows.append(("left out", say_excluded(found.excluded)))
        print_rows(rows)
    ctx.exit(0 if found.state == "complete" and not found.failures else PARTIAL)


@click.command(
    short_help="Read all of STORE, against its checksums.",
    epilog=options.examples("atldld-xr verify out.zarr"),
)
@click.argument("store", shell_complete=options.complete_path)
@options.storage_options
@options.progress
@options.as_json
def verify(
    store: str,
    storage_options: dict[str, Any] | None,
    progress: bool,
    as_json: bool,
) -> None:
    """Read all of STORE and compare it with the checksums recorded when it was written.

    The service is not asked.
    """
    from atldld_xr import verify as check
    from atldld_xr.allen.excluded import say_excluded
    from atldld_xr.errors import StoreError

    found = check(store, storage_options=storage_options, progress=progress)
    if as_json:
        print_json(asdict(found))
    else:
        are = "is as it was" if found.chunks == 1 else "are as they were"
        say(
            f"{found.url}: {format_count(found.chunks, 'chunk')} of {format_bytes(found.nbytes)} "
            f"{are} written"
        )
        if found.excluded:
            say(say_excluded(found.excluded))
        for problem in found.problems[:_MOST_PROBLEMS]:
            say(problem)
        if len(found.problems) > _MOST_PROBLEMS:
            say(f"and {len(found.problems) - _MOST_PROBLEMS:,} more")
    if found.problems:
        count = len(found.problems)
        raise StoreError(
            f"{format_count(count, 'file')} of {found.url} {'is' if count == 1 else 'are'} not as "
            f"{'it' if count == 1 else 'they'} should be; the same export, run again, makes chunks "
            "anew whose files are removed; files that no export has written can be removed"
        )
