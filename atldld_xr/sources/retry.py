"""Trying again: what may pass is retried with growing waits, in one loop for every source."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from atldld_xr.errors import AtldldError
from atldld_xr.messages.words import one_line
from atldld_xr.settings import as_float, as_int, setting

T = TypeVar("T")

_log = logging.getLogger(__name__)


class TransportError(AtldldError):
    """An address could not be read. Internal: sources turn it into an error that says of what.

    Parameters
    ----------
    reason : str
        What went wrong at the last try, in words.
    address : str
        What was asked for.
    retried : int
        How many tries followed the first.
    status : int, optional
        The HTTP status, if the last try had an answer that failed for it.
    body : bytes
        The start of that answer.
    """

    def __init__(
        self,
        reason: str,
        address: str,
        retried: int = 0,
        status: int | None = None,
        body: bytes = b"",
    ) -> None:
        reason = one_line(reason)
        super().__init__(reason, address, retried, status, body)
        self.reason = reason
        self.address = address
        self.retried = retried
        self.status = status
        self.body = body

    @property
    def full_reason(self) -> str:
        """The reason and how often it was retried."""
        times = {0: "", 1: ", after 1 retry"}.get(self.retried, f", after {self.retried} retries")
        return f"{self.reason}{times}"

    def __str__(self) -> str:
        return f"{self.full_reason} ({self.address})"


class TryError(Exception):
    """One try failed.

    Parameters
    ----------
    reason : str
        Why, in words.
    again : bool
        Whether another try may do better.
    starved : bool
        Whether the answer was too slow, or did not come in time.
    status, body, retry_after : optional
        The HTTP status, the start of the body and the ``Retry-After`` header of the answer.
    """

    def __init__(
        self,
        reason: str,
        *,
        again: bool = True,
        starved: bool = False,
        status: int | None = None,
        body: bytes = b"",
        retry_after: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason, self.again, self.status, self.body = reason, again, status, body
        self.starved, self.retry_after = starved, retry_after


def persist(attempt: Callable[[], T], address: str) -> T:
    """Return what `attempt` returns, calling it again while its failures may pass.

    The settings say how often (``http.retries``) and with what waits: the second try comes at
    once, the later ones after ``http.backoff`` seconds that double each time, with jitter, up to
    ``http.longest_wait``. A ``Retry-After`` is honoured up to the same.

    Parameters
    ----------
    attempt : callable
        Raises TryError, or ValueError for an answer that is no good, with a reason in words.
    address : str
        Where from, for messages.

    Raises
    ------
    TransportError
        With the reason of the last failure.
    InvalidArgumentError
        If a setting has no value that it can have.
    """
    # Threads come here at once, and whole packages first: one that began with a part of urllib3
    # would wait for the whole, which another is importing and which waits for that part.
    import urllib3

    longest, backoff = setting("http.longest_wait", as_float), setting("http.backoff", as_float)
    policy = urllib3.Retry(
        total=setting("http.retries", as_int),
        backoff_factor=backoff,
        backoff_jitter=backoff,
        backoff_max=longest,
    )
    while True:
        retried = len(policy.history)
        try:
            return attempt()
        except (TryError, ValueError) as error:
            # No local name outlives this block with an error in it: through the error's traceback
            # it would keep this frame, and with it sockets and bodies, until the collector comes.
            asked = _seconds(error.retry_after) if isinstance(error, TryError) else 0.0
            try:
                policy = policy.increment("GET", address)
                is_last = isinstance(error, TryError) and not error.again
            except urllib3.exceptions.MaxRetryError:
                is_last = True
            if is_last:
                raise _final(error, address, retried) from error
            _log.info("%s: %s; this was try %d", address, error, retried + 1)
        time.sleep(min(asked, longest) if asked else policy.get_backoff_time())


def _final(error: TryError | ValueError, address: str, retried: int) -> TransportError:
    if isinstance(error, TryError):
        return TransportError(error.reason, address, retried, error.status, error.body)
    return TransportError(str(error), address, retried)


def _seconds(retry_after: str | None) -> float:
    """Return the seconds that a Retry-After header asks for, 0 if it asks for none."""
    import urllib3

    try:
        return urllib3.Retry().parse_retry_after(retry_after) if retry_after else 0.0
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return 0.0
