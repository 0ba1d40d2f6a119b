"""The command ``config``, which shows the settings."""

from __future__ import annotations

from typing import Any

import click

from atldld_xr.cli import options
from atldld_xr.cli.text import format_bytes, print_json, print_rows


@click.command(epilog=options.examples("atldld-xr config", "atldld-xr config --json"))
@options.as_json
def config(as_json: bool) -> None:
    """Show all settings: the values in force, and where each is from.

    Files are read from ~/.config/atldld_xr/*.yaml; environment variables weigh more, and options
    of commands most. What is set but is no setting is warned of; a value that cannot be is shown
    as an error, and the exit code is then 2.
    """
    from atldld_xr import settings
    from atldld_xr.errors import InvalidArgumentError

    facts: dict[str, dict[str, Any]] = {}
    wrong: list[InvalidArgumentError] = []
    for name, kind in settings.KINDS.items():
        facts[name] = {"value": None, "from": settings.config.origin(name)}
        try:
            facts[name]["value"] = _plain(_in_force(name, settings.setting(name, kind)))
        except InvalidArgumentError as error:
            wrong.append(error)
            facts[name]["error"] = str(error)
    if as_json:
        print_json(facts)
    else:
        print_rows(
            (name, f"{_in_words(name, fact['value'])}  ({fact['from']})")
            if "error" not in fact
            else (name, f"error: {fact['error']}")
            for name, fact in facts.items()
        )
    if wrong:
        raise wrong[0]


def _in_force(name: str, value: Any) -> Any:
    if name == "cache.directory" and value is None:
        from atldld_xr.sources.cache import default_directory

        return default_directory()
    return value


def _plain(value: Any) -> Any:
    """Return a value as JSON has it, without credentials."""
    from atldld_xr.messages.repeating import hide_credentials

    if isinstance(value, bool | int | float) or value is None:
        return value
    return hide_credentials(str(getattr(value, "url", value)))


def _in_words(name: str, value: Any) -> str:
    if value is None:
        return "not set"
    if name.endswith(".limit"):
        return format_bytes(value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
