"""Racing contestants: each run in a fresh process, in turns, with what the server saw of it."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.folder import Folder
from benchmarks.results import Figures
from benchmarks.serve import Served, Server
from benchmarks.sizes import Size


@dataclass(frozen=True)
class Run:
    """One measured run.

    Attributes
    ----------
    seconds, cpu : float
        Wall and processor time of the work, imports apart.
    peak, grown : float
        The most memory that the process had, and by how much more that is than before the work,
        in MB.
    served : Served
        What it asked of the server.
    facts : mapping
        What the contestant tells.
    """

    seconds: float
    cpu: float
    peak: float
    grown: float
    served: Served
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Order:
    """What to run.

    Attributes
    ----------
    module, function : str
        The contestant.
    options : mapping
        Its arguments.
    """

    module: str
    function: str
    options: Mapping[str, Any]


def order(name: str, **options: Any) -> Order:
    """Return an order for a contestant, named as ``module.function``."""
    module, function = name.split(".")
    return Order(module, function, options)


class Race:
    """The runs of several contestants, which took turns."""

    def __init__(self, runs: Mapping[str, Sequence[Run]]) -> None:
        self.runs = {name: list(r) for name, r in runs.items()}

    def median(self, name: str, value: str = "seconds") -> float:
        """Return the median of a value of a contestant's runs."""
        return statistics.median(_value(run, value) for run in self.runs[name])

    def ratio(self, above: str, below: str, value: str = "seconds") -> float:
        """Return the median, over turns, of one contestant's value over another's."""
        pairs = zip(self.runs[above], self.runs[below], strict=True)
        return statistics.median(_value(a, value) / _value(b, value) for a, b in pairs)

    def growth(self) -> float:
        """Return by how many MB the last contestant's memory grew more than the first's."""
        first, *_, last = self.runs
        return self.median(last, "grown") - self.median(first, "grown")

    def figures(self) -> dict[str, Figures]:
        """Return the medians of every contestant."""
        out = {}
        for name, runs in self.runs.items():
            first = runs[0]
            facts = {
                key: statistics.median(run.facts[key] for run in runs)
                if isinstance(value, float | int) and not isinstance(value, bool)
                else value
                for key, value in first.facts.items()
            }
            out[name] = Figures(
                seconds=self.median(name),
                cpu=self.median(name, "cpu"),
                peak=self.median(name, "peak"),
                grown=self.median(name, "grown"),
                requests=first.served.requests,
                images=first.served.images,
                mb=first.served.bytes / 1e6,
                server_cpu=statistics.median(run.served.cpu for run in runs),
                runs=len(runs),
                facts=facts,
            )
        return out


def _value(run: Run, name: str) -> float:
    for place in (run.__dict__, run.served.__dict__, run.facts):
        if name in place:
            return float(place[name])
    raise KeyError(name)


# The modules whose contestants are this project.
_OURS = ("ours", "inside", "opening")


@dataclass(frozen=True)
class Bench:
    """What cases measure with.

    Attributes
    ----------
    size : Size
        How large everything is.
    folder : Folder
        What is served.
    server : Server
        By whom.
    repeats : int
        How many turns a race has.
    scratch : Path
        Where contestants may write.
    codec : mapping
        The codec that this project compresses with; the others use it too.
    before : Path, optional
        Another checkout of this project. In every race each contestant that is this project runs
        there as well, right after it ran here.
    changes : dict
        Of those, by race and contestant: the runs here and there, turn by turn.
    """

    size: Size
    folder: Folder
    server: Server
    repeats: int
    scratch: Path
    codec: Mapping[str, Any] | None
    before: Path | None = None
    changes: dict[str, list[tuple[Run, Run]]] = field(default_factory=dict)

    def tier(self, resolution: float) -> int:
        """Return the tier that a resolution asks for."""
        return math.floor(math.log2(resolution / self.size.pixel))

    def race(self, orders: Mapping[str, Order], repeats: int | None = None) -> Race:
        """Run contestants in turns: A, B, C, A, B, C, ...

        Parameters
        ----------
        orders : mapping
            The contestants.
        repeats : int, optional
            Another number of turns.
        """
        runs: dict[str, list[Run]] = {name: [] for name in orders}
        for _ in range(repeats or self.repeats):
            for name, what in orders.items():
                now = run(what, self.server, self.scratch)
                runs[name].append(now)
                if self.before is not None and what.module in _OURS and "once" not in what.options:
                    then = run(what, self.server, self.scratch, self.before)
                    self.changes.setdefault(_describe(what), []).append((now, then))
        return Race(runs)


def _describe(what: Order) -> str:
    """Name an order by all that it says."""
    options = ", ".join(
        f"{name}={value}" for name, value in what.options.items() if not isinstance(value, list)
    )
    return f"{what.module}.{what.function}({options})"


def run(what: Order, server: Server, scratch: Path, checkout: Path | None = None) -> Run:
    """Run a contestant once.

    Parameters
    ----------
    what : Order
        The contestant. Its options ``server`` and ``out`` are given here.
    server : Server
        Where it gets its data.
    scratch : Path
        A folder in which it gets one to write in, which is removed afterwards.
    checkout : Path, optional
        Of this project: whose code runs. Default: this one's.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    server.served()
    with tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True) as folder:
        # Nobody's cache or settings but this run's.
        own = {
            "ATLDLD_XR_CACHE__DIRECTORY": f"{folder}/cache",
            "XDG_CACHE_HOME": f"{folder}/xdg-cache",
            "XDG_CONFIG_HOME": f"{folder}/xdg-config",
        }
        options = {"server": server.url, "out": f"{folder}/out.zarr", **what.options}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.worker"],
            input=json.dumps(
                {"module": what.module, "function": what.function, "options": options}
            ),
            env=os.environ | own | ({"PYTHONPATH": str(checkout)} if checkout else {}),
            cwd=checkout,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{what.module}.{what.function} failed:\n{done.stderr[-3000:]}")
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    return Run(served=server.served(), **figures)
