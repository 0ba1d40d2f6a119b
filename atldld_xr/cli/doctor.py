"""The command that examines a service: ``doctor``."""

from __future__ import annotations

import click

from atldld_xr.cli import options
from atldld_xr.cli.text import print_json, print_rows

UNREACHABLE = 5
"""Exit code where the service does not answer."""


@click.command(
    short_help="Ask a service whether it does what is expected of it.",
    epilog=options.examples(
        "atldld-xr doctor",
        "atldld-xr doctor --api-url http://127.0.0.1:8000/api/v2 --json",
    ),
)
@click.option(
    "--api-url",
    metavar="URL",
    help="Base address of the service (http.../api/v2). [default: the setting api_url]",
)
@click.option(
    "--dataset",
    metavar="ID",
    help="Section data set to ask about. [default: 69289763, or the first that is there]",
)
@options.as_json
@click.pass_context
def doctor(ctx: click.Context, api_url: str | None, dataset: str | None, as_json: bool) -> None:
    """Ask a service some twenty small things, one at a time: does it do what is expected of it?

    A line each: as expected; differs, with what is done then; failed; or not asked, where there is
    nothing to ask it of. The exit code is 0 if nothing differs and nothing failed, 1 if something
    does, and 5 if the service does not answer. With --json it can be pasted in an issue.
    """
    from atldld_xr.doctor.run import examine

    report = examine(api_url, dataset=dataset)
    if as_json:
        print_json(report.to_dict())
    else:
        print_rows(report.rows)
    ctx.exit(0 if report.good else 1 if report.reached else UNREACHABLE)
