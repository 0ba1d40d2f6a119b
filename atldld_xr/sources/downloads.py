"""One try to have the body at an address, with redirects followed and all of it in bounds."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from atldld_xr.sources.connections import Transport, ask
from atldld_xr.sources.redirects import target_of
from atldld_xr.sources.retry import TryError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_MOST_REDIRECTS = 5  # the service's downloads take one
_PIECE = 1 << 16
_ERROR_BODY = 1 << 16  # as much of an error's body is kept: it may hold the service's message
_PATIENCE = 5  # a whole answer may take this many times the time allowed without a byte


def download(transport: Transport, address: str, limit: int) -> tuple[bytes, str]:
    """Make one try, holding one of the process's connections and no longer.

    Returns the body and the address that it came from, after redirects.

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
                with closing(ask(transport, address)) as response:
                    location = response.get_redirect_location()
                    if not location:
                        return _answer(response, limit, deadline), address
                    address = target_of(address, location)
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
