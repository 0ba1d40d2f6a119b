"""Connections over HTTP: one set per process, by the environment's proxies and certificates."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from atldld_xr._version import __version__
from atldld_xr.files.proxies import MALFORMED, environ_proxies, environment
from atldld_xr.forks import PerProcess
from atldld_xr.settings import as_float, as_int, as_rate, setting
from atldld_xr.sources.pace import Pace
from atldld_xr.sources.retry import TryError
from atldld_xr.sources.token_bucket import TokenBucket

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter
    from urllib3 import BaseHTTPResponse, HTTPConnectionPool

_MOST_HOSTS = 64
# With an address, for who wonders about our requests.
USER_AGENT = f"atldld-xr/{__version__} (+https://github.com/atldld-xr/atldld_xr)"
"""What all requests to a service say of who asks."""


@dataclass(frozen=True)
class Transport:
    """One process's connections, the places on them, and how long to wait for them.

    Attributes
    ----------
    adapter : HTTPAdapter
        The connections.
    places : BoundedSemaphore
        One for each.
    pace : Pace
        How fast the service is asked.
    connect, read, least_rate : float
        The settings ``http.connect_timeout``, ``http.read_timeout`` and ``http.least_rate``.
    most_a_second : float, optional
        The setting ``http.requests_per_second``.
    """

    adapter: HTTPAdapter
    places: threading.BoundedSemaphore = field(repr=False)
    pace: Pace
    connect: float
    read: float
    least_rate: float
    most_a_second: float | None


_ADAPTERS: PerProcess[dict[int, tuple[HTTPAdapter, threading.BoundedSemaphore]]] = PerProcess(dict)
_TOKENS: PerProcess[TokenBucket] = PerProcess(TokenBucket)
_PACES: PerProcess[dict[str, Pace]] = PerProcess(dict)


def open_transport(url: str) -> Transport:
    """Return this process's transport: a forked child must not share its parent's sockets.

    Parameters
    ----------
    url : str
        An address of the service, whose pace is kept wherever it redirects to.
    """
    connections = setting("http.connections", as_int)
    adapters = _ADAPTERS()
    # Of two threads that come here first, both go on with the same connections.
    found = adapters.get(connections) or adapters.setdefault(
        connections, (_new_adapter(connections), threading.BoundedSemaphore(connections))
    )
    return Transport(
        *found,
        _pace(urlsplit(url).netloc),
        connect=setting("http.connect_timeout", as_float),
        read=setting("http.read_timeout", as_float),
        least_rate=setting("http.least_rate", as_float),
        most_a_second=setting("http.requests_per_second", as_rate),
    )


def is_gone(url: str) -> bool:
    """Tell whether the service of an address could not be reached the last time it was asked."""
    return _pace(urlsplit(url).netloc).is_gone


def _pace(host: str) -> Pace:
    paces = _PACES()
    if len(paces) >= _MOST_HOSTS and host not in paces:
        paces.pop(next(iter(paces)), None)
    return paces.get(host) or paces.setdefault(host, Pace())


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
    # requests' stubs leave this one of its public methods untyped.
    adapter.cert_verify(pool, site, certificates, None)  # type: ignore[no-untyped-call]
    headers = requests.utils.default_headers()
    pool.headers = {**headers, "User-Agent": USER_AGENT}
    return pool, adapter.request_url(request, proxies).removesuffix("/")


def ask(transport: Transport, address: str, more: Mapping[str, str]) -> BaseHTTPResponse:
    """Send one request and return the answer, of which only the headers have been read.

    Parameters
    ----------
    transport : Transport
        The connections.
    address : str
        Where to ask.
    more : mapping
        Headers of this request alone.
    """
    from urllib3 import Timeout

    if transport.most_a_second is not None:
        take_token(transport.most_a_second)
    scheme, site, path, query, _ = urlsplit(address)
    pool, before = _site(transport.adapter, f"{scheme}://{site}", _certificates(), environment())
    return pool.urlopen(
        "GET",
        f"{before}{path or '/'}{'?' if query else ''}{query}",
        headers={**pool.headers, **more},
        timeout=Timeout(connect=transport.connect, read=transport.read),
        redirect=False,
        retries=False,
        assert_same_host=False,
        preload_content=False,
    )


def take_token(rate: float) -> None:
    """Wait until this process may make one more request, of so many a second."""
    _TOKENS().take(rate)


def _certificates() -> str | bool:
    """Return the certificate bundle that the environment names, as requests would take it."""
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    return next((os.environ[name] for name in names if os.environ.get(name)), True)
