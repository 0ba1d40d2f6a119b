"""Getting bytes over HTTP: one set of connections per process, and a cap on its connections.

The caller's check of a body is part of each try, since the service does answer 200 with bodies
that are cut short or not what was asked for.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.files.proxies import MALFORMED, environ_proxies, environment
from atldld_xr.forks import PerProcess
from atldld_xr.messages.repeating import hide_credentials, short
from atldld_xr.settings import as_float, as_int, setting
from atldld_xr.sources.retry import TransportError, TryError, persist

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter
    from urllib3 import BaseHTTPResponse, HTTPConnectionPool

__all__ = ["TransportError", "check_address", "get"]

T = TypeVar("T")

_MOST_REDIRECTS = 5  # the service's downloads take one
_PIECE = 1 << 16
_ERROR_BODY = 1 << 16  # as much of an error's body is kept: it may hold the service's message
_PATIENCE = 5  # a whole answer may take this many times the time allowed without a byte


def get(
    url: str,
    *,
    params: Mapping[str, str | int] | None = None,
    check: Callable[[bytes], T],
    limit: int,
) -> T:
    """Return what `check` makes of the body at an address, retrying what may pass.

    Retried are 408, 429, 5xx, connection failures, timeouts, bodies cut short or too long, and
    bodies that `check` refuses; see `atldld_xr.sources.retry`.

    Parameters
    ----------
    url : str
        The address, without its query.
    params : mapping, optional
        The query.
    check : callable
        Takes the body; raises ValueError, with a reason in words, for one that is no good.
    limit : int
        Bytes that the body can have at most. More are refused before memory is spent on them.

    Raises
    ------
    TransportError
        If the body cannot be had.
    InvalidArgumentError
        If a setting has no value that it can have.
    """
    address = f"{url}?{urlencode(params, safe=_PLAIN)}" if params else url
    transport = _transport()
    return persist(lambda: check(_download(transport, address, limit)), address)


def check_address(url: str) -> str:
    """Return the base address of a service, without slashes at its end.

    Raises
    ------
    InvalidArgumentError
        If it is no plain http(s) address.
    """
    if not isinstance(url, str):
        raise InvalidArgumentError(f"a service's address is a string, not {short(url)}")
    shown = hide_credentials(url)
    if any(c.isspace() or not c.isprintable() for c in url):
        raise InvalidArgumentError(f"the address {short(shown)} has blanks or control characters")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # port raises for one that is no port
    except ValueError as error:
        raise InvalidArgumentError(f"the address {short(shown)} is malformed: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise InvalidArgumentError(
            f"the address {short(shown)} does not start with http:// or https://"
        )
    if not host or host.strip(".") == "":
        raise InvalidArgumentError(f"the address {short(shown)} names no host")
    if "@" in parts.netloc:
        # It would end up in attributes, stores and pickles.
        raise InvalidArgumentError(
            f"the address {short(shown)} holds a user name or password; sources keep no secrets"
        )
    if parts.query or parts.fragment:
        raise InvalidArgumentError(f"the address {short(shown)} has a query or a fragment")
    return url.rstrip("/")


# RMA's grammar and lists of numbers stay readable in addresses; the service takes both forms.
_PLAIN = "$[]',:()*"


@dataclass(frozen=True)
class _Transport:
    """One process's connections, the places on them, and how long to wait for them."""

    adapter: HTTPAdapter
    places: threading.BoundedSemaphore = field(repr=False)
    connect: float
    read: float


_ADAPTERS: PerProcess[dict[int, tuple[HTTPAdapter, threading.BoundedSemaphore]]] = PerProcess(dict)


def _transport() -> _Transport:
    """Return this process's transport: a forked child must not share its parent's sockets."""
    connections = setting("http.connections", as_int)
    timeouts = setting("http.connect_timeout", as_float), setting("http.read_timeout", as_float)
    adapters = _ADAPTERS()
    # Of two threads that come here first, both go on with the same connections.
    found = adapters.get(connections) or adapters.setdefault(
        connections, (_new_adapter(connections), threading.BoundedSemaphore(connections))
    )
    return _Transport(*found, *timeouts)


def _new_adapter(connections: int) -> HTTPAdapter:
    import requests

    return requests.adapters.HTTPAdapter(pool_maxsize=connections)


@lru_cache(maxsize=16)
def _site(
    adapter: HTTPAdapter, site: str, certificates: str | bool, known: tuple[str | None, ...]
) -> tuple[HTTPConnectionPool, str]:
    """Return the connections to a site, and what precedes a path in requests to it.

    requests finds the way there, through the environment's proxies and with its certificates. It
    takes longer for that, and for its sessions, than a request does: so it is asked once a site,
    and anew when what is `known` of proxies changes, and requests go straight to the connections.
    Nothing of ``~/.netrc`` and no cookie is sent.
    """
    import requests

    from atldld_xr._version import __version__

    request = requests.Request("GET", site).prepare()
    proxies = dict(environ_proxies(site))
    pool: Any  # the stubs know less of it than urllib3 does
    try:
        pool = adapter.get_connection_with_tls_context(request, certificates, proxies)
    except requests.exceptions.InvalidSchema:
        reason = "the environment names a SOCKS proxy, which needs the package PySocks"
        raise TryError(reason, again=False) from None
    except (TypeError, ValueError):  # either, and with its password in it
        raise TryError(MALFORMED, again=False) from None
    adapter.cert_verify(pool, site, certificates, None)  # type: ignore[no-untyped-call]
    headers = requests.utils.default_headers()
    pool.headers = {**headers, "User-Agent": f"atldld-xr/{__version__}"}
    return pool, adapter.request_url(request, proxies).removesuffix("/")


def _ask(transport: _Transport, address: str) -> BaseHTTPResponse:
    """Send one request and return the answer, of which only the headers have been read."""
    from urllib3 import Timeout

    scheme, site, path, query, _ = urlsplit(address)
    pool, before = _site(transport.adapter, f"{scheme}://{site}", _certificates(), environment())
    return pool.urlopen(
        "GET",
        f"{before}{path or '/'}{'?' if query else ''}{query}",
        timeout=Timeout(connect=transport.connect, read=transport.read),
        redirect=False,
        retries=False,
        assert_same_host=False,
        preload_content=False,
    )


def _download(transport: _Transport, address: str, limit: int) -> bytes:
    """Make one try, holding one of the process's connections and no longer.

    Its one deadline is looked at after each piece of a body and at each redirect. Headers that come
    a byte at a time can outlast it: only the time without a byte, and their length, end those.
    """
    import urllib3

    connect, read = transport.connect, transport.read
    with transport.places:
        deadline = time.monotonic() + connect + _PATIENCE * read
        try:
            for _ in range(_MOST_REDIRECTS + 1):
                # A connection whose answer was read whole is back among the others by the end.
                with closing(_ask(transport, address)) as response:
                    location = response.get_redirect_location()
                    if not location:
                        return _answer(response, limit, deadline)
                    address = _target(address, location)
                    # Read, if short, as the connection can then serve the next request; its other
                    # end has mostly gone through a TLS handshake.
                    _start(response, deadline)
                if time.monotonic() > deadline:
                    raise TryError("the answer is too slow: time was up at a redirect")
            raise TryError(f"more than {_MOST_REDIRECTS} redirects", again=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:  # requests' own are OSErrors
            # Those that are ValueErrors are about a malformed address, which no retry mends.
            again = not isinstance(error, ValueError)
            raise TryError(_in_words(error, connect, read), again=again) from error


def _certificates() -> str | bool:
    """Return the certificate bundle that the environment names, as requests would take it."""
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    return next((os.environ[name] for name in names if os.environ.get(name)), True)


def _target(address: str, location: str) -> str:
    """Return the address that a redirect leads to."""
    # http.client takes headers as Latin-1, while the addresses in them are UTF-8.
    location = location.encode("latin-1", "replace").decode("utf-8", "replace")
    try:
        target = urljoin(address, location)
        parts = urlsplit(target)
    except ValueError:
        raise TryError("the service redirects to a malformed address", again=False) from None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise TryError(
            f"the service redirects to {short(hide_credentials(target))}, where it is not followed",
            again=False,
        )
    return target


def _answer(response: BaseHTTPResponse, limit: int, deadline: float) -> bytes:
    status = response.status
    if status == 200:
        return _body(response, limit, deadline)
    raise TryError(
        f"the service answered {status} {response.reason or ''}".rstrip(),
        again=status >= 500 or status in (408, 429),
        status=status,
        body=_start(response, deadline),
        retry_after=response.headers.get("Retry-After"),
    )


def _body(response: BaseHTTPResponse, limit: int, deadline: float) -> bytes:
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise TryError(f"the answer announces {announced} bytes where at most {limit} can be")
    body = bytearray()
    # read1 returns what has come, where read would wait for all of a piece: a server that drips
    # would keep it, and the deadline from being looked at, for hours.
    while piece := response.read1(_PIECE, decode_content=True):
        body += piece
        if len(body) > limit:
            raise TryError(f"the answer has more than the {limit} bytes that it can have")
        if time.monotonic() > deadline:
            raise TryError(f"the answer is too slow: {len(body)} bytes had come when time was up")
    return bytes(body)


def _start(response: BaseHTTPResponse, deadline: float) -> bytes:
    """Return a body that is not asked for, such as an error's message, as far as it can be had."""
    import urllib3

    try:
        return _body(response, _ERROR_BODY, deadline)
    except (TryError, urllib3.exceptions.HTTPError, OSError):
        return b""


def _in_words(error: BaseException, connect: float, read: float) -> str:
    """Say what failed, without the library's object names, and without addresses of proxies."""
    from urllib3 import exceptions

    chain: list[BaseException] = []
    link: object = error
    while isinstance(link, BaseException) and link not in chain:
        chain.append(link)
        link = getattr(link, "reason", None) or next(
            (a for a in link.args if isinstance(a, BaseException)), link.__cause__
        )
    for link in chain:
        if isinstance(link, exceptions.NewConnectionError):
            continue  # a kind of ConnectTimeoutError that is no timeout; its cause says more
        if isinstance(link, exceptions.ConnectTimeoutError):
            return f"no connection within {connect:g} s"
        if isinstance(link, exceptions.ReadTimeoutError | TimeoutError):
            return f"no byte for {read:g} s"
        if isinstance(link, exceptions.IncompleteRead):
            return f"the answer is truncated: {link.expected} of its bytes did not come"
        if isinstance(link, exceptions.DecodeError):
            return "the answer's compression is damaged"
    root = chain[-1]
    detail = root.strerror if isinstance(root, OSError) and root.strerror else None
    return f"the connection failed: {detail or type(root).__name__}"
