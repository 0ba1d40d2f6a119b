"""Telling how far work is: bars of our own, and events for those of others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short


@dataclass(frozen=True)
class ProgressEvent:
    """How far a call is.

    Attributes
    ----------
    what : str
        What is counted: "chunk" of a store, "data set" of a table, "plane" of a volume, each of
        which is read and written.
    done : int
        How many of them are done; of a store, entered in its ledger.
    total : int
        How many there are to do: what an earlier try had done is not among them.
    """

    what: str
    done: int
    total: int


Callback = Callable[[ProgressEvent], Any]


def check_callback(callback: Any) -> None:
    """Refuse what cannot be called.

    Raises
    ------
    InvalidArgumentError
        If it is neither a function of an event nor None.
    """
    if callback is not None and not callable(callback):
        raise InvalidArgumentError(
            f"callback is a function that is given how far it is, not {short(callback)}"
        )


@contextmanager
def progress_bar(
    title: str,
    total: int,
    *,
    enabled: bool,
    what: str = "",
    callback: Callback | None = None,
) -> Iterator[Callable[..., None]]:
    """Show a bar on standard error, and give the function that moves it on: by how many steps.

    It takes another total, too, where that is known better meanwhile. It is called by one thread.

    Parameters
    ----------
    title : str
        What is being done.
    total : int
        How many steps.
    enabled : bool
        Whether to show anything.
    what : str
        What a step is, for the callback.
    callback : callable, optional
        Given a `ProgressEvent` at once, and whenever something is done. What it raises, is raised.
    """
    with _bar(title, total, enabled=enabled) as move:
        if callback is None:
            yield move
            return
        done = 0

        def advance(steps: int, total: int = total) -> None:
            nonlocal done
            move(steps, total)
            if steps:
                done += steps
                callback(ProgressEvent(what, done, total))

        callback(ProgressEvent(what, 0, total))
        yield advance


@contextmanager
def _bar(title: str, total: int, *, enabled: bool) -> Iterator[Callable[..., None]]:
    if not enabled:
        yield lambda steps, total=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task(title, total=total)
        yield lambda steps, total=None: bar.update(task, advance=steps, total=total)
