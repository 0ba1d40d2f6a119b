"""Trying again: what may pass is retried, soon or with growing waits, in one loop for all."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable
from typing import TypeVar

from atldld_xr.errors import AtldldError
from atldld_xr.messages.words import one_line
from atldld_xr.settings import as_float, as_int, setting
from atldld_xr.sources.pace import Pace

T = TypeVar("T")

_log = logging.getLogger(__name__)

_ALL_FAIL = 5  # failures in a row, of all requests to a service, are no accidents of some
_SILENT = 3.0  # seconds after which waiting is told as a warning
_WITHOUT_NETWORK = (
    'without network there are mirrors (source=PATH), the built-in "phantom", and what the cache '
    "has (offline=True); another service is named by the setting api_url"
)


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
    advice : str
        What to do.
    """

    def __init__(
        self,
        reason: str,
        address: str,
        retried: int = 0,
        status: int | None = None,
        body: bytes = b"",
        advice: str = "",
    ) -> None:
        reason = one_line(reason)
        super().__init__(reason, address, retried, status, body, advice)
        self.reason = reason
        self.address = address
        self.retried = retried
        self.status = status
        self.body = body
        self.advice = advice

    @property
    def full_reason(self) -> str:
        """The reason, how often it was retried, and what to do."""
        times = {0: "", 1: ", after 1 retry"}.get(self.retried, f", after {self.retried} retries")
        return f"{self.reason}{times}{'; ' if self.advice else ''}{self.advice}"

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
    is_unreachable : bool
        Whether nobody is there: the name does not resolve, or the connection is refused.
    status, body, retry_after : optional
        The HTTP status, the start of the body and the ``Retry-After`` header of the answer.
    """

    def __init__(
        self,
        reason: str,
        *,
        again: bool = True,
        starved: bool = False,
        is_unreachable: bool = False,
        status: int | None = None,
        body: bytes = b"",
        retry_after: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason, self.again, self.status, self.body = reason, again, status, body
        self.starved, self.is_unreachable = starved, is_unreachable
        self.retry_after = retry_after


def persist(attempt: Callable[[], T], address: str, pace: Pace | None = None) -> T:
    """Return what `attempt` returns, calling it again while its failures may pass.

    The setting ``http.retries`` says how often. What fails once is tried again soon, after tenths
    of ``http.backoff``. Where the service asks for time (429, or a ``Retry-After``), or everything
    that it is asked fails, all requests to it wait: ``http.backoff`` seconds, doubled at each
    retry, or what it asks for, up to ``http.longest_wait``. What cannot be reached at all is tried
    once more.

    Parameters
    ----------
    attempt : callable
        Raises TryError, or ValueError for an answer that is no good, with a reason in words.
    address : str
        Where from, for messages.
    pace : Pace, optional
        The pace of all requests there. Default: one of this call alone.

    Raises
    ------
    TransportError
        With the reason of the last failure.
    InvalidArgumentError
        If a setting has no value that it can have.
    """
    # Threads come here at once, and whole packages first: one that began with a part of urllib3
    # would wait for the whole, which another is importing and which waits for that part.
    import urllib3  # noqa: F401

    pace = pace or Pace()
    retries, backoff = setting("http.retries", as_int), setting("http.backoff", as_float)
    longest = setting("http.longest_wait", as_float)

    def growing(number: int) -> float:
        """Return how long all wait after a failure, the first being number 1."""
        return min(backoff * 2.0 ** min(number - 1, 60), longest)

    began, unreached = time.monotonic(), 0
    for tries in range(1, retries + 2):
        asked_at = time.monotonic()
        try:
            result = attempt()
        except (TryError, ValueError) as error:
            # No local name outlives this block with an error in it: through the error's traceback
            # it would keep this frame, and with it sockets and bodies, until the collector comes.
            failure = error if isinstance(error, TryError) else TryError(str(error))
            in_a_row = pace.failed() if failure.again else 0
            unreached += failure.is_unreachable
            is_slow = time.monotonic() - asked_at > _SILENT  # as resolvers without network are
            is_gone = failure.is_unreachable and (unreached > 1 or pace.is_gone or is_slow)
            if is_gone or tries > retries or not failure.again:
                pace.is_gone = is_gone
                raise _final(failure, address, tries - 1) from error
            asked = _seconds(failure.retry_after)
            if asked or failure.status == 429 or in_a_row >= _ALL_FAIL:
                wait = min(asked, longest) or growing(tries) + random.uniform(0, backoff / 4)
                pace.pause(wait)
            elif failure.is_unreachable:
                wait = min(2 * backoff, longest)
            else:
                wait = growing(tries) / 10 * random.uniform(0.5, 1)
            more = math.fsum(map(growing, range(tries + 1, retries + 1)))
            is_long = time.monotonic() - began + wait > _SILENT and pace.may_tell()
            _log.log(
                logging.WARNING if is_long else logging.INFO,
                "%s: %s; this was try %d of %d, the next is in %.1f s, others within %.0f s more",
                *(address, failure.reason, tries, retries + 1, wait, 0 if unreached else more),
            )
            del failure
        else:
            pace.came()
            return result
        time.sleep(wait)
    raise AssertionError  # the last try returns or raises


def _final(failure: TryError, address: str, retried: int) -> TransportError:
    advice = _WITHOUT_NETWORK if failure.is_unreachable else ""
    return TransportError(
        failure.reason, address, retried, failure.status, failure.body, advice=advice
    )


def _seconds(retry_after: str | None) -> float:
    """Return the seconds that a Retry-After header asks for, 0 if it asks for none."""
    import urllib3

    try:
        return urllib3.Retry().parse_retry_after(retry_after) if retry_after else 0.0
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return 0.0
