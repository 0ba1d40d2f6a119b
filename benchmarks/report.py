"""The table and the JSON of a run. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.results import Case, Check


def number(value: float, unit: str) -> str:
    """Return a value as people read it: three digits, and its unit."""
    digits = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits}{'' if unit in ('', 'x', '%') else ' '}{unit}"


def markdown(cases: Sequence[Case], about: Mapping[str, Any], *, judged: bool) -> str:
    """Return the report as Markdown: the bars first, then every contestant's figures.

    Parameters
    ----------
    cases : sequence of Case
        What was found.
    about : mapping
        The run and the machine.
    judged : bool
        Whether bars about time and memory are judged.
    """
    out = ["# Benchmarks", ""]
    out += [f"* {name}: {value}" for name, value in about.items()]
    out += ["", "| case | what | measured | bar | reached |", "|---|---|---|---|---|"]
    for case in cases:
        for check in case.checks:
            out.append(
                f"| {case.name} | {check.what} | {number(check.value, check.unit)} "
                f"| {check.kind} {number(check.bar, check.unit)} | {_verdict(check, judged)} |"
            )
    for case in cases:
        out += ["", f"## {case.name}: {case.title}", ""]
        out += [f"* {note}" for note in case.notes]
        if case.contestants:
            out += [
                "",
                "| contestant | wall s | CPU s | peak MB | of it new | requests | images | MB "
                "| server CPU s | more |",
                "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|",
            ]
        for name, f in case.contestants.items():
            cells = [f"{f.seconds:.3f}", f"{f.cpu:.2f}", f"{f.peak:.0f}", f"{f.grown:.0f}"]
            cells += [str(f.requests), str(f.images), f"{f.mb:.2f}", f"{f.server_cpu:.2f}"]
            more = ", ".join(f"{k} {_fact(v)}" for k, v in f.facts.items())
            out.append(f"| {name} | {' | '.join(cells)} | {more} |")
    return "\n".join(out) + "\n"


def to_json(cases: Sequence[Case], about: Mapping[str, Any], *, judged: bool) -> dict[str, Any]:
    """Return the report as what JSON can hold; arguments as for `markdown`."""
    return {
        "about": dict(about),
        "cases": {
            case.name: asdict(case)
            | {
                "checks": [
                    asdict(check) | {"reached": check.reached, "judged": judged or not check.timed}
                    for check in case.checks
                ]
            }
            for case in cases
        },
    }


def missed(cases: Sequence[Case], *, judged: bool) -> list[Check]:
    """Return the checks that were judged and not reached."""
    return [
        check
        for case in cases
        for check in case.checks
        if not check.reached and (judged or not check.timed)
    ]


def _verdict(check: Check, judged: bool) -> str:
    if check.timed and not judged:
        return "not judged"
    return "yes" if check.reached else "**no**"


def _fact(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
