"""``python -m benchmarks``: run the cases, and write a table, JSON and a picture."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import chart, report
from benchmarks.cases import CASES, changes
from benchmarks.folder import FEW_ID, Folder, build
from benchmarks.measure import Bench, order, run
from benchmarks.results import Case
from benchmarks.serve import Server
from benchmarks.sizes import SIZES

_PACKAGES = ("dask", "zarr", "xarray", "numpy", "opencv-python-headless", "simplejpeg")


def main() -> None:
    """Run what the command line asks for."""
    arguments = _parse()
    size = SIZES["small" if arguments.small else "full"]
    repeats = arguments.repeats or (1 if arguments.small else 5)
    if find_spec("atldld") is None:
        raise SystemExit(
            "the atldld package is missing: pip install --no-deps atldld appdirs; "
            "pip install scikit-image"
        )
    started = time.perf_counter()
    with _folders(arguments.keep) as (served, scratch):
        print("making the sections ...", flush=True)
        folder = build(served, size)
        with Server(folder.path) as server:
            codec = run(order("ours.codec", dataset=FEW_ID), server, scratch).facts["codec"]
            before = arguments.before and arguments.before.resolve()
            bench = Bench(size, folder, server, repeats, scratch, codec, before)
            cases = []
            for name in arguments.cases:
                print(f"{name} ...", flush=True)
                cases.append(CASES[name](bench))
                _print(cases[-1])
            if before:
                cases.append(changes(bench))
                _print(cases[-1])
    about = _about(folder, size.name, repeats, codec, time.perf_counter() - started)
    if not _write(cases, about, arguments.out, judged=size.name == "full"):
        raise SystemExit(1)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick pass that judges no times")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="NAME",
                        help=f"of {', '.join(CASES)}; default: all")  # fmt: skip
    parser.add_argument("--repeats", type=int, help="turns of each race; default: 5, or 1 if small")
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"),
                        help="where the report goes; default: %(default)s")  # fmt: skip
    parser.add_argument("--before", type=Path,
                        help="another checkout of this project to run beside this one")  # fmt: skip
    parser.add_argument("--keep", type=Path, help="a folder to keep the served sections in")
    arguments = parser.parse_args()
    if arguments.repeats is not None and arguments.repeats < 1:
        parser.error("--repeats is at least 1")
    return arguments


@contextlib.contextmanager
def _folders(keep: Path | None) -> Iterator[tuple[Path, Path]]:
    """Give a folder to serve and one to write in; what is not to be kept is removed."""
    with tempfile.TemporaryDirectory(prefix="atldld-benchmarks-") as temporary:
        scratch = Path(temporary, "scratch")
        scratch.mkdir()
        yield keep or Path(temporary, "served"), scratch


def _print(case: Case) -> None:
    for check in case.checks:
        mark = " " if check.reached else "!"
        value, bar = (report.number(v, check.unit) for v in (check.value, check.bar))
        print(f"  {mark} {check.what}: {value} ({check.kind} {bar})", flush=True)
    for note in case.notes:
        print(f"    {note}")


def _about(folder: Folder, size: str, repeats: int, codec: Any, seconds: float) -> dict[str, Any]:
    load = " ".join(f"{v:.1f}" for v in os.getloadavg()) if hasattr(os, "getloadavg") else "?"
    return {
        "size": size,
        "repeats": f"{repeats} at most, medians of ratios within each turn",
        "sections": f"{folder.width} x {folder.height} px, "
        f"{folder.bytes_per_pixel:.2f} JPEG bytes a pixel",
        "codec": json.dumps(codec),
        "machine": f"{os.cpu_count()} processors, {platform.machine()}, "
        f"Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
        "load at the end": load,
        "took": f"{seconds:.0f} s",
    }


def _write(cases: list[Case], about: dict[str, Any], out: Path, *, judged: bool) -> bool:
    """Write the report, and return whether every bar is reached."""
    out.mkdir(parents=True, exist_ok=True)
    text = report.markdown(cases, about, judged=judged)
    (out / "benchmarks.md").write_text(text)
    content = report.to_json(cases, about, judged=judged)
    (out / "benchmarks.json").write_text(json.dumps(content, indent=1) + "\n")
    subtitle = f"{about['size']} run; {about['sections']}; {about['machine']}"
    chart.draw(cases, out / "benchmarks.png", judged=judged, subtitle=subtitle)
    short = report.missed(cases, judged=judged)
    print(f"wrote {out}/benchmarks.md, .json and .png; {len(short)} bars missed", flush=True)
    return not short


if __name__ == "__main__":
    main()
