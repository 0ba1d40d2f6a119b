"""What the command line says and returns when something fails: one line, and an exit code."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from atldld_xr.cli import signals
from atldld_xr.cli.text import say
from atldld_xr.cli.waiting import waits_told
from atldld_xr.errors import (
    AtldldError,
    DatasetNotFoundError,
    InvalidArgumentError,
    SectionImageError,
    UnknownSettingWarning,
)
from atldld_xr.messages.words import one_line

FAILED, USAGE, NOT_FOUND, PARTIAL = 1, 2, 3, 4
"""Exit codes; click has the same ones for the first two."""

_MOST = 3000  # characters of what is said: an error's message, and what to do

GOES_ON = "atldld_xr.goes_on"
"""In a context's `meta`, for commands that go on where they were interrupted."""

_GO_ON = {"export": "--on-error fill", "mirror": "--on-error skip"}


class CarefulGroup(click.Group):
    """A group of commands that end with one line on standard error where they fail."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command, and end the program with its exit code."""
        extra["standalone_mode"] = False  # in which click raises what it would report at length
        try:
            code = super().main(*args, **extra)
        except click.ClickException as error:
            code = _report(_usage(error), error.exit_code)
        except Failure as error:
            code = _report(str(error), error.exit_code)
        except click.Abort as error:
            code = _report("interrupted", signals.exit_code(error.__cause__ or error))
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, and turn what it raises into something to say and an exit code."""
        try:
            with _warnings_in_words(), waits_told():
                return super().invoke(ctx)
        except (Failure, click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise  # click ends programs whose output nobody reads on quietly
        except (Exception, KeyboardInterrupt) as error:
            if ctx.params.get("debug"):
                import traceback

                say(_redacted(traceback.format_exc()), err=True)
            go_on = _GO_ON.get(ctx.invoked_subcommand or "")
            has_way_on = go_on and isinstance(error, SectionImageError)
            message = _in_words(error) + (f"; {go_on} goes on without" if has_way_on else "")
            if isinstance(error, KeyboardInterrupt):
                goes_on = ctx.meta.get(GOES_ON)
                message += "; the same command goes on where it ended" if goes_on else ""
                raise Failure(message, signals.exit_code(error)) from error
            raise Failure(message, exit_code([type(error)])) from error


@contextmanager
def _warnings_in_words() -> Iterator[None]:
    """Show this package's warnings in a line, as its errors are; others as they would be."""
    show = warnings.showwarning

    def tell(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, UnknownSettingWarning):
            say(f"atldld-xr: warning: {message}", err=True)
        else:
            show(message, category, *where, **more)

    with warnings.catch_warnings():
        warnings.showwarning = tell
        yield


class Failure(Exception):
    """How a command fails.

    Parameters
    ----------
    message : str
        What it says.
    exit_code : int
        What it returns.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def exit_code(kinds: Iterable[type[BaseException]]) -> int:
    """Return the exit code of errors, by their types: theirs if they share one, else 1."""
    codes = {_code(kind) for kind in kinds}
    return codes.pop() if len(codes) == 1 else FAILED


def _report(message: str, code: int) -> int:
    with suppress(OSError):  # of a terminal that is gone
        say(f"atldld-xr: error: {one_line(message, _MOST)}", err=True)
    return code


def _code(kind: type[BaseException]) -> int:
    if issubclass(kind, InvalidArgumentError):
        return USAGE
    return NOT_FOUND if issubclass(kind, DatasetNotFoundError) else FAILED


def _in_words(error: BaseException) -> str:
    if isinstance(error, signals.Interrupted) and error.number != signal.SIGINT:
        return f"ended by {signal.Signals(error.number).name}"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, SectionImageError):  # without its advice for Python
        return f"section image {error.section_image_id}: {error.reason} ({error.address})"
    if isinstance(error, AtldldError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return _redacted(f"{type(error).__name__}: {error} (--debug shows where)")


def _redacted(text: str) -> str:
    """Return a text of whatever failed without the credentials that options had."""
    from atldld_xr.files.storage_options import redact

    return redact(text)


def _usage(error: click.ClickException) -> str:
    message = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx:
        where = f"ee {error.ctx.command_path} --help"
        is_question = message.endswith("?")  # click's: did you mean another
        message = f"{message} S{where}" if is_question else f"{message.rstrip('.')}; s{where}"
    return message
