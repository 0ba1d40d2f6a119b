"""Progress bars, and counting what a scheduler has finished."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dask.callbacks import Callback
from dask.core import flatten


@contextmanager
def progress_bar(what: str, total: int, *, enabled: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error, and give the function that moves it on.

    Parameters
    ----------
    what : str
        What is being done.
    total : int
        How many steps.
    enabled : bool
        Whether to show anything.
    """
    if not enabled:
        yield lambda steps: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)


@contextmanager
def counting(
    collections: Sequence[Any], advance: Callable[[int], None]
) -> Iterator[Callable[[], int]]:
    """Call `advance` as Dask's local schedulers finish the collections' keys.

    Gives a function that returns how many were seen; a cluster's are not, so the caller adds them.
    """
    keys = {key for collection in collections for key in flatten(collection.__dask_keys__())}
    seen = 0

    def finished(key: Any, *_: Any) -> None:
        nonlocal seen
        if key in keys:
            seen += 1
            advance(1)

    with Callback(posttask=finished):
        yield lambda: seen
