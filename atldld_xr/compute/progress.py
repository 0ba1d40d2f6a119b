"""Progress bars."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(what: str, total: int, *, enabled: bool) -> Iterator[Callable[..., None]]:
    """Show a bar on standard error, and give the function that moves it on: by how many steps.

    It takes another total, too, where that is known better meanwhile.

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
        yield lambda steps, total=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps, total=None: bar.update(task, advance=steps, total=total)
