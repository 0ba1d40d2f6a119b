"""Getting bytes over HTTP, as often as it takes.

The caller's check of a body is part of each try, since the service does answer 200 with bodies
that are cut short or not what was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import hide_credentials, short
from atldld_xr.sources.connections import open_transport
from atldld_xr.sources.downloads import download
from atldld_xr.sources.partial_body import PartialBody
from atldld_xr.sources.redirects import LEARNT
from atldld_xr.sources.retry import TransportError, TryError, persist

__all__ = ["TransportError", "check_address", "get"]

T = TypeVar("T")


def get(
    url: str,
    *,
    params: Mapping[str, str | int] | None = None,
    check: Callable[[bytes], T],
    limit: int,
    offline: bool = False,
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
    offline : bool
        Whether it must not be asked for, and so cannot be had.

    Raises
    ------
    TransportError
        If the body cannot be had.
    InvalidArgumentError
        If a setting has no value that it can have.
    """
    address = f"{url}?{urlencode(params, safe=_PLAIN)}" if params else url
    if offline:
        raise TransportError("it is not in the cache, and not asked for, as offline is on", address)
    transport, learnt, params = open_transport(url), LEARNT(), params or {}
    partial = PartialBody()

    def ask(address: str) -> tuple[T, str]:
        """Return what is made of a body, and where it came from."""
        body, origin = download(transport, address, limit, partial)
        try:
            return check(body), origin
        except ValueError:
            partial.forget()
            raise

    def ask_where_it_leads(foretold: str) -> tuple[T] | None:
        """Return what is had without a redirect, None if the front door is to be asked."""
        try:
            made, _ = ask(foretold)
        except (TryError, ValueError) as error:
            learnt.forget(url, params)
            if isinstance(error, TryError) and (error.status == 429 or error.retry_after):
                raise  # it is asked to wait, and the front door is the same service
            return None
        learnt.worked(url, params)
        return (made,)

    def attempt() -> T:
        foretold = learnt.foretell(url, params)
        if foretold and (had := ask_where_it_leads(foretold)):
            return had[0]
        made, origin = ask(address)
        if foretold:
            learnt.blame(url, params)
        if origin != address:
            learnt.learn(url, params, origin)
        return made

    return persist(attempt, address, transport.pace)


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
