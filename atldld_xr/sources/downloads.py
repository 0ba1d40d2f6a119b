"""One try to have the body at an address, with redirects followed and all of it in bounds."""

from __future__ import annotations

import errno
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING

from atldld_xr.sources.connections import Transport, ask
from atldld_xr.sources.partial_body import PartialBody
from atldld_xr.sources.redirects import target_of
from atldld_xr.sources.retry import TryError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_NOBODY_THERE = (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH)
_MOST_REDIRECTS = 5  # the service's downloads take one
_PIECE = 1 << 16
_ERROR_BODY = 1 << 16  # as much of an error's body is kept: it may hold the service's message


def download(
    transport: Transport, address: str, limit: int, partial: PartialBody
) -> tuple[bytes, str]:
    """Make one try, holding one of the process's connections and no longer.

    A body may take as long as it comes at the least rate, looked at after each piece. Headers that
    come a byte at a time are ended by the time without a byte and by their length alone.

    Parameters
    ----------
    transport : Transport
        The connections.
    address : str
        What to ask for.
    limit : int
        Bytes that the body can have at most.
    partial : PartialBody
        What came of it in earlier tries; what comes now is added.

    Returns
    -------
    tuple of bytes and str
        The body, and the address that it came from, after redirects.

    Raises
    ------
    TryError
        If it did not come.
    """
    with transport.pace.place() as began, transport.places:
        try:
            return _follow(transport, address, limit, partial)
        except TryError as error:
            if error.starved:
                transport.pace.starved(began)
            raise


def _follow(
    transport: Transport, address: str, limit: int, partial: PartialBody
) -> tuple[bytes, str]:
    import urllib3

    asked = partial.headers()
    try:
        for _ in range(_MOST_REDIRECTS + 1):
            # A connection whose answer was read whole is back among the others by the end.
            with closing(ask(transport, address, asked)) as response:
                location = response.get_redirect_location()
                if not location:
                    return _answer(transport, response, limit, partial), address
                address = target_of(address, location)
                # Read, if short, as the connection can then serve the next request; its other
                # end has mostly gone through a TLS handshake.
                _start(transport, response)
        raise TryError(f"more than {_MOST_REDIRECTS} redirects", again=False)
    except (urllib3.exceptions.HTTPError, OSError) as error:  # requests' own are OSErrors
        raise _failure(error, transport) from error


def _answer(
    transport: Transport, response: BaseHTTPResponse, limit: int, partial: PartialBody
) -> bytes:
    status = response.status
    if status in (200, 206):
        partial.begin(response)
        try:
            _read(transport, response, limit, partial.content)
        except TryError as error:
            if not error.starved:
                partial.forget()  # there is too much of it
            raise
        return bytes(partial.content)
    if is_beyond := status == 416 and bool(partial.content):
        partial.forget()  # the body is shorter now than what came of it
    raise TryError(
        f"the service answered {status} {response.reason or ''}".rstrip(),
        again=status >= 500 or status in (408, 429) or is_beyond,
        status=status,
        body=_start(transport, response),
        retry_after=response.headers.get("Retry-After"),
    )


def _read(transport: Transport, response: BaseHTTPResponse, limit: int, body: bytearray) -> None:
    """Add an answer's body to what has come of it."""
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and len(body) + int(announced) > limit:
        total = len(body) + int(announced)
        raise TryError(f"the answer announces {total} bytes where at most {limit} can be")
    since, had, window = time.monotonic(), len(body), transport.read
    # read1 returns what has come, where read would wait for all of a piece: a server that drips
    # would keep it, and the rate from being looked at, for hours.
    while piece := response.read1(_PIECE, decode_content=True):
        body += piece
        if len(body) > limit:
            raise TryError(f"the answer has more than the {limit} bytes that it can have")
        passed = time.monotonic() - since
        if passed >= window:
            if len(body) - had < transport.least_rate * passed:
                raise TryError(
                    f"the answer is too slow: {(len(body) - had) / passed:.3g} bytes/s, where the "
                    f"setting http.least_rate asks for {transport.least_rate:g} over each "
                    f"{window:g} s (http.read_timeout); {len(body)} bytes had come",
                    starved=True,
                )
            since, had = since + passed, len(body)


def _start(transport: Transport, response: BaseHTTPResponse) -> bytes:
    """Return a body that is not asked for, such as an error's message, as far as it can be had."""
    import urllib3

    body = bytearray()
    try:
        _read(transport, response, _ERROR_BODY, body)
    except (TryError, urllib3.exceptions.HTTPError, OSError):
        return b""
    return bytes(body)


def _failure(error: BaseException, transport: Transport) -> TryError:
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
            reason = f"no connection within {transport.connect:g} s (http.connect_timeout)"
            return TryError(reason, starved=True)
        if isinstance(link, exceptions.ReadTimeoutError | TimeoutError):
            return TryError(f"no byte for {transport.read:g} s (http.read_timeout)", starved=True)
        if isinstance(link, exceptions.IncompleteRead):
            return TryError(f"the answer is truncated: {link.expected} of its bytes did not come")
        if isinstance(link, exceptions.DecodeError):
            return TryError("the answer's compression is damaged")
    root = chain[-1]
    detail = root.strerror if isinstance(root, OSError) and root.strerror else None
    return TryError(
        f"the connection failed: {detail or type(root).__name__}",
        # Those that are ValueErrors are about a malformed address, which no retry mends.
        again=not isinstance(error, ValueError),
        is_unreachable=isinstance(root, socket.gaierror)
        or getattr(root, "errno", None) in _NOBODY_THERE,
    )
