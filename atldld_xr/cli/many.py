"""Doing something with many data sets: what is told of each, the report of all, the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atldld_xr._version import __version__
from atldld_xr.cli import options
from atldld_xr.cli.failures import FAILED, NOT_FOUND, PARTIAL, Failure, exit_code
from atldld_xr.cli.selection import Selection
from atldld_xr.cli.text import print_json, say
from atldld_xr.messages.repeating import short

if TYPE_CHECKING:
    from atldld_xr.export.many import Outcome


def _read_report(_: click.Context, __: click.Parameter, value: str | None) -> Path | None:
    from atldld_xr.files.paths import local_file

    if value is None:
        return None
    path = local_file(value)
    if path.is_dir():
        raise click.BadParameter(f"{short(value)} is a folder")
    return path


report = click.option(
    "--report",
    callback=_read_report,
    metavar="FILE",
    shell_complete=options.complete_path,
    help="Write of every data set what was done, or why not, to a JSON file, which --from reads.",
)


def tell_all(
    outcomes: Generator[Outcome, None, None],
    selection: Selection,
    *,
    done: str,
    tell: Callable[[Any], None],
    progress: bool,
    as_json: bool,
    report: Path | None,
) -> int:
    """Tell of data sets as they are done, and of all in the end; return the exit code.

    Parameters
    ----------
    outcomes : generator of Outcome
        How it goes with each.
    selection : Selection
        All of them.
    done : str
        What they then are, for people: "written".
    tell : callable
        Prints what was done with one.
    progress, as_json : bool
        As the options.
    report : path, optional
        Where the report goes: before anything is done, so that nothing is where it cannot be
        written, and when all is, also after an interrupt.

    Raises
    ------
    Failure
        If some could not be done.
    """
    from atldld_xr.compute.progress import progress_bar

    names = selection.datasets
    found: dict[str, Outcome] = {}
    if report is not None:
        _write(report, selection, found)
    try:
        with (
            progress_bar("data sets", len(names), enabled=progress) as advance,
            closing(outcomes),
        ):
            for outcome in outcomes:
                advance(1)
                found[outcome.dataset] = outcome
                if outcome.kind is not None:
                    why = " ".join(outcome.error.split())
                    say(f"{outcome.dataset} failed: {why}", err=True)
                elif not as_json:
                    tell(outcome.report)
    finally:
        if report is not None:
            _write(report, selection, found)
    kinds = [outcome.kind for outcome in found.values() if outcome.kind is not None]
    if as_json:
        print_json([_facts(found[name]) for name in names])
    else:
        say(f"{len(names) - len(kinds):,} of {len(names):,} data sets are {done}")
    if kinds:
        code = exit_code(kinds)
        again = "; the same command tries them again" if code == FAILED else ""
        raise Failure(
            f"{len(kinds):,} of {len(names):,} data sets could not be {done}{again}", code
        )
    if selection.unknown:
        return NOT_FOUND
    return PARTIAL if any(outcome.report.failures for outcome in found.values()) else 0


def _facts(outcome: Outcome) -> dict[str, Any]:
    facts = {"error": outcome.error} if outcome.kind is not None else asdict(outcome.report)
    return {"dataset": outcome.dataset, **facts}


def _write(path: Path, selection: Selection, found: dict[str, Outcome]) -> None:
    from atldld_xr.files.atomic import write_whole

    entries = [_entry(name, found.get(name)) for name in selection.datasets]
    states = [entry["state"] for entry in entries]
    document = {
        "made_by": f"atldld_xr {__version__}",
        "counts": {state: states.count(state) for state in dict.fromkeys(states)},
        "unknown_genes": selection.unknown,
        "datasets": entries,
    }
    write_whole(path, json.dumps(document, indent=1).encode())


def _entry(name: str, outcome: Outcome | None) -> dict[str, Any]:
    if outcome is None:
        return {"dataset": name, "state": "not reached"}
    if outcome.kind is not None:
        return {"dataset": name, "state": "failed", "kind": outcome.kind.__name__} | _facts(outcome)
    state = "partial" if outcome.report.failures else "done"
    return {"dataset": name, "state": state} | _facts(outcome)
