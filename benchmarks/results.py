"""What cases find: contestants' figures, and bars that are reached or not. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Check:
    """A value and the bar that it is to reach.

    Attributes
    ----------
    what : str
        What the value is, in words.
    value : float
        The value.
    bar : float
        The bar.
    kind : {"at least", "at most"}
        On which side of the bar the value should be.
    unit : str
        What follows the numbers: "x" for ratios.
    timed : bool
        Whether it is about time or memory: such bars are judged on full runs only.
    """

    what: str
    value: float
    bar: float
    kind: Literal["at least", "at most"]
    unit: str = "x"
    timed: bool = True

    @property
    def reached(self) -> bool:
        """Whether the bar is reached."""
        return self.value >= self.bar if self.kind == "at least" else self.value <= self.bar

    @property
    def margin(self) -> float:
        """How many times better the value is than the bar; below 1 it is worse."""
        if self.kind == "at least":
            return self.value / self.bar
        if self.bar == 0 or self.value == 0:  # what should not be there at all
            return 1.0 if self.reached else 0.01
        return self.bar / self.value


@dataclass(frozen=True)
class Figures:
    """The medians of one contestant's runs.

    Attributes
    ----------
    seconds, cpu : float
        Wall and processor time.
    peak, grown : float
        Memory in MB: all of the process's, and what the work added to it.
    requests, images : int
        Answers of the server, redirects among them; and those with pixels.
    mb : float
        Megabytes that the server sent.
    server_cpu : float
        Processor time of the server, which shares the machine.
    runs : int
        Of how many runs these are medians.
    facts : dict
        What else is known.
    """

    seconds: float
    cpu: float
    peak: float
    grown: float
    requests: int
    images: int
    mb: float
    server_cpu: float
    runs: int
    facts: dict[str, Any]


@dataclass
class Case:
    """What came of a case.

    Attributes
    ----------
    name : str
        Its name on the command line.
    title : str
        What it is about, in words.
    contestants : dict
        Figures by contestant.
    checks : list of Check
        The bars.
    notes : list of str
        What a reader should know.
    """

    name: str
    title: str
    contestants: dict[str, Figures] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def at_least(
        self, what: str, value: float, bar: float, unit: str = "x", *, timed: bool = True
    ) -> None:
        """Add a bar that the value should not be below."""
        self.checks.append(Check(what, float(value), bar, "at least", unit, timed))

    def at_most(
        self, what: str, value: float, bar: float, unit: str = "x", *, timed: bool = True
    ) -> None:
        """Add a bar that the value should not be above."""
        self.checks.append(Check(what, float(value), bar, "at most", unit, timed))
