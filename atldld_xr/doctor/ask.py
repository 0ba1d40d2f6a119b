"""Asking a service, one request at a time, and keeping all that an answer shows.

Not by `atldld_xr.sources.http`: that hides from its callers what is looked at here.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from atldld_xr.errors import AtldldError
from atldld_xr.messages.repeating import hide_credentials, short
from atldld_xr.messages.words import one_line
from atldld_xr.settings import as_float, as_rate, setting
from atldld_xr.sources.connections import USER_AGENT, take_token

_MOST_REDIRECTS = 5
_MOST_BYTES = 30_000_000
_PIECE = 1 << 16
_PATIENCE = 5  # a whole answer may take this many times the time allowed without a byte
_WAIT = 1.0  # before the one retry of what may pass
_LONGEST = 180.0  # seconds that all requests of an asker may take


class AskError(AtldldError):
    """A request without an answer; the message says why."""


@dataclass(frozen=True)
class Hop:
    """A redirect.

    Attributes
    ----------
    status : int
        Its status.
    target : str
        The address that it leads to.
    """

    status: int
    target: str


@dataclass(frozen=True)
class Exchange:
    """A request and its answer.

    Attributes
    ----------
    status : int
        The last answer's.
    headers : mapping of str to str
        The last answer's; their names in small letters.
    body : bytes
        All of it.
    hops : tuple of Hop
        The redirects on the way.
    seconds : float
        From the request to the first byte of the first answer.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    hops: tuple[Hop, ...]
    seconds: float


class Asker:
    """Asks one service, for three minutes at most. Use it as a context manager.

    Parameters
    ----------
    url : str
        The base address.

    Attributes
    ----------
    exchanges : list of Exchange
        All so far.
    requests, nbytes : int
        How many were made, and how much came.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.exchanges: list[Exchange] = []
        self.requests = self.nbytes = 0
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"{USER_AGENT} (doctor)"
        # Else requests would send what ~/.netrc has for the host, which nothing else here does.
        self._session.auth = _with_nothing
        self._connect = setting("http.connect_timeout", as_float)
        self._read = setting("http.read_timeout", as_float)
        self._most_a_second = setting("http.requests_per_second", as_rate)
        self._ends = time.monotonic() + _LONGEST

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def ask(self, path: str, **params: str | int) -> Exchange:
        """Return the answer at a path under the base address; what may pass is tried once more.

        Raises
        ------
        AskError
            If none comes.
        """
        for is_last in (False, True):
            try:
                exchange = self._ask(f"{self.url}/{path}", params)
            except requests.exceptions.SSLError as error:
                raise AskError(f"the certificate is not good: {_cause(error)}") from error
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                if is_last:
                    raise AskError(_in_words(error)) from error
            else:
                if is_last or (exchange.status < 500 and exchange.status != 429):
                    self.exchanges.append(exchange)
                    return exchange
            time.sleep(_WAIT)
        raise AssertionError

    def address(self) -> str:
        """Return the family and number of the address that its name leads to first."""
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except OSError:  # behind a proxy, which knows it
            return "an address that a proxy knows"
        family = "IPv6" if found[0][0] == socket.AF_INET6 else "IPv4"
        return f"{family} {found[0][4][0]}"

    def _ask(self, address: str, params: Mapping[str, str | int]) -> Exchange:
        hops: list[Hop] = []
        seconds = 0.0
        asked: Mapping[str, str | int] | None = params
        while True:
            if self._most_a_second is not None:
                waiting = time.monotonic()
                take_token(self._most_a_second)
                self._ends += time.monotonic() - waiting  # that is no fault of the service
            left = self._ends - time.monotonic()
            if left <= 0:
                raise AskError(f"it is not asked any more, as all has taken {_LONGEST:g} s")
            timeout = min(self._connect, left), min(self._read, left)
            begun = time.perf_counter()
            self.requests += 1
            with self._session.get(
                address, params=asked, timeout=timeout, stream=True, allow_redirects=False
            ) as answer:
                seconds = seconds or time.perf_counter() - begun
                body = self._body(answer)
                location = answer.headers.get("Location")
                if not answer.is_redirect or not location:
                    headers = {name.lower(): value for name, value in answer.headers.items()}
                    return Exchange(answer.status_code, headers, body, tuple(hops), seconds)
                address, asked = urljoin(answer.url, location), None
                hops.append(Hop(answer.status_code, address))
            if len(hops) > _MOST_REDIRECTS:
                raise AskError(f"more than {_MOST_REDIRECTS} redirects")
            parts = urlsplit(address)
            if parts.scheme not in ("http", "https") or "@" in parts.netloc:
                raise AskError(f"it redirects to {short(hide_credentials(address))}")

    def _body(self, answer: requests.Response) -> bytes:
        body = bytearray()
        deadline = min(time.monotonic() + _PATIENCE * self._read, self._ends)
        # What has come, not a whole piece: of a server that drips that would take hours.
        while piece := answer.raw.read1(_PIECE, decode_content=True):
            body += piece
            self.nbytes += len(piece)
            if len(body) > _MOST_BYTES:
                raise AskError(f"the answer has more than {_MOST_BYTES} bytes")
            if time.monotonic() > deadline:
                raise AskError(f"the answer is too slow: {len(body)} bytes had come")
        return bytes(body)


def _with_nothing(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _in_words(error: BaseException) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.Timeout | urllib3.exceptions.ReadTimeoutError):
        return "no answer in time"
    return one_line(f"the connection failed: {_cause(error)}", 200)


def _cause(error: BaseException) -> str:
    """Return what the first error in a chain says of itself, without objects and addresses."""
    while True:
        inner = getattr(error, "reason", None) or next(
            (a for a in error.args if isinstance(a, BaseException)), error.__cause__
        )
        if not isinstance(inner, BaseException):
            break
        error = inner
    said = error.strerror if isinstance(error, OSError) and error.strerror else ""
    return one_line(said or getattr(error, "verify_message", "") or type(error).__name__, 200)
