"""The environment's proxies, as requests reads them: one rule for all that is asked over HTTP."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from atldld_xr.errors import StoreError

_NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_VARIABLES = (*_NAMES, *map(str.upper, _NAMES), "REQUEST_METHOD")  # with which HTTP_PROXY is none

MALFORMED = "the environment names a proxy with a malformed address"


def environment() -> tuple[str | None, ...]:
    """Return what of the environment tells of proxies: what is found by it is good for as long."""
    return tuple(map(os.environ.get, _VARIABLES))


def environ_proxies(site: str) -> Mapping[str, str]:
    """Return the proxies on the way to a site, by scheme, as they are now."""
    return _environ_proxies(site, environment())


def with_proxy(url: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of fsspec's file system for an address, with the proxy on the way there.

    aiohttp looks for none by itself; what it then finds differs from the rule of the service's
    requests, and it would send what is in ``~/.netrc``.

    Parameters
    ----------
    url : str
        The address.
    options : mapping
        Given by the user: a ``proxy``, or ``client_kwargs`` with one or ``trust_env``, is theirs.

    Raises
    ------
    StoreError
        If the environment names a proxy that cannot be used.
    """
    own = dict(options)
    client = own.get("client_kwargs")
    is_theirs = isinstance(client, Mapping) and {"proxy", "trust_env"} & set(client)
    if not url.startswith(("http://", "https://")) or "proxy" in own or is_theirs:
        return own
    parts = urlsplit(url)
    proxy = _proxy(f"{parts.scheme}://{parts.netloc}", environment())
    return own if proxy is None else {**own, "proxy": proxy}


@lru_cache(maxsize=64)
def _environ_proxies(site: str, variables: tuple[str | None, ...]) -> Mapping[str, str]:
    import requests

    return dict(requests.utils.get_environ_proxies(site))


@lru_cache(maxsize=64)
def _proxy(site: str, variables: tuple[str | None, ...]) -> str | None:
    """Return the one proxy to a site, None where there is none."""
    import requests

    proxy = requests.utils.select_proxy(site, dict(_environ_proxies(site, variables)))
    if not proxy:
        return None
    try:
        address = proxy if "://" in proxy else f"http://{proxy}"
        parts = urlsplit(address)
        is_good, _ = bool(parts.hostname), parts.port
    except ValueError:  # with its password in it
        is_good = False
    if not is_good:
        raise StoreError(MALFORMED) from None
    if parts.scheme not in ("http", "https"):
        raise StoreError(
            f"the environment names a {parts.scheme.upper()} proxy, through which no files on web "
            "servers can be read: name one of HTTP, or exempt the server (no_proxy)"
        )
    return address
