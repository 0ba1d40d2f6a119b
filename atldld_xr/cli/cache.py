"""Commands about the cache: ``cache info``, ``list``, ``trim`` and ``clear``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from atldld_xr.cli import options
from atldld_xr.cli.text import print_json, print_rows, say
from atldld_xr.messages.repeating import short
from atldld_xr.messages.text import format_bytes, format_count

if TYPE_CHECKING:
    from atldld_xr.sources.cache import Cache


def _read_limit(value: str | int) -> int:
    from atldld_xr.settings import as_bytes

    try:
        limit = as_bytes(value)
    except (TypeError, ValueError, OverflowError):
        limit = -1
    if limit < 0:
        raise click.BadParameter(f"{short(value)} is no number of bytes such as 500MB or 10GB")
    return limit


@click.group(
    invoke_without_command=True,
    short_help="Look at what is kept on disk, and remove it.",
    epilog=options.examples("atldld-xr cache info", "atldld-xr cache trim --limit 2GB"),
)
@click.pass_context
def cache(ctx: click.Context) -> None:
    """Look at the verified images and metadata kept on disk, and remove them."""
    options.help_if_alone(ctx)


@cache.command("info", epilog=options.examples("atldld-xr cache info --json"))
@options.as_json
def show(as_json: bool) -> None:
    """Say where the cache is and what it takes."""
    opened = _open()
    entries = opened.entries()
    facts = {
        "directory": opened.directory,
        "files": len(entries),
        "bytes": sum(entry.size for entry in entries),
        "limit": opened.limit,
    }
    if as_json:
        print_json(facts)
        return
    print_rows(
        [
            ("directory", opened.directory),
            ("files", f"{len(entries):,}"),
            ("size", format_bytes(sum(entry.size for entry in entries))),
            ("limit", format_bytes(opened.limit)),
        ]
    )


@cache.command("list", epilog=options.examples("atldld-xr cache list"))
@options.as_json
def list_entries(as_json: bool) -> None:
    """List what is kept, the least recently used first."""
    import time

    entries = sorted(_open().entries(), key=lambda entry: (entry.used, entry.key))
    if as_json:
        print_json([{"key": e.key, "bytes": e.size, "used": e.used} for e in entries])
        return
    for entry in entries:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
        say(f"{used}  {format_bytes(entry.size):>10}  {entry.key}")


@cache.command(
    short_help="Remove the least recently used files.",
    epilog=options.examples("atldld-xr cache trim", "atldld-xr cache trim --limit 2GB"),
)
@click.option(
    "--limit",
    type=_read_limit,
    metavar="SIZE",
    help="What may stay, in bytes or as 2GB. [default: the setting cache.limit]",
)
@options.as_json
def trim(limit: int | None, as_json: bool) -> None:
    """Remove the least recently used files until the rest is within a limit."""
    _report(*_open().trim(limit), as_json=as_json)


@cache.command(
    short_help="Remove all that is kept.",
    epilog=options.examples("atldld-xr cache clear"),
)
@options.as_json
def clear(as_json: bool) -> None:
    """Remove all that is kept, and nothing that atldld-xr did not write."""
    _report(*_open(even_if_off=True).clear(), as_json=as_json)


def _report(files: int, size: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"removed_files": files, "removed_bytes": size})
    else:
        say(f"{format_count(files, 'file')} removed, {format_bytes(size)}")


def _open(*, even_if_off: bool = False) -> Cache:
    """Return the cache to look at or to tidy; its directory is not made for that."""
    from atldld_xr.errors import CacheError
    from atldld_xr.settings import as_bool, setting
    from atldld_xr.sources.cache import open_cache

    if not even_if_off and not setting("cache.enabled", as_bool):
        raise CacheError("the cache is off: the setting cache.enabled is false")
    opened = open_cache()
    opened.exists()  # or raises
    return opened
