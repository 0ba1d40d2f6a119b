"""Waiting for a service, told on a terminal: a line, where programs have a log record."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from atldld_xr.cli.text import say
from atldld_xr.messages.words import one_line

_LOGGER = "atldld_xr.sources.retry"


class _OneLine(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # of a terminal that is gone
            say(f"atldld-xr: waiting: {one_line(record.getMessage())}", err=True)


@contextmanager
def waits_told() -> Iterator[None]:
    """Say on a terminal what is waited for; elsewhere logging does what it is set to."""
    if not _is_terminal():
        yield
        return
    logger, handler = logging.getLogger(_LOGGER), _OneLine(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _is_terminal() -> bool:
    return sys.stderr.isatty()
