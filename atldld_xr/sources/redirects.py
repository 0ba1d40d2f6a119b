"""Where redirects lead, and what they have shown of where the next ones will lead.

The service answers each request for an image by a redirect, which costs as much time as the
image. An image's windows are redirected to one place with other numbers: once that has been seen
to be so, windows are asked for there at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import parse_qsl, quote_plus, urljoin, urlsplit

from atldld_xr.forks import PerProcess
from atldld_xr.messages.repeating import hide_credentials, short
from atldld_xr.settings import as_bool, setting
from atldld_xr.sources.retry import TryError

K = TypeVar("K")
V = TypeVar("V")
Params = Mapping[str, str | int]

_PROOFS = 2  # redirects that have to be foretold, with other numbers than those they are learnt of
_GUILTY = 5  # addresses in a row that failed where the front door did not: none is learnt any more
_MOST_TEMPLATES = 1024  # of images and views
_MOST_SITES = 64


def target_of(address: str, location: str) -> str:
    """Return the address that a redirect leads to.

    Raises
    ------
    TryError
        If it is none that may be followed.
    """
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
    if _is_downgrade(address, target) and not setting("http.allow_downgrade", as_bool):
        raise TryError(
            f"the service redirects from https to {short(target)}, which is not encrypted and "
            "which the setting http.allow_downgrade=False does not allow",
            again=False,
        )
    return target


def _is_downgrade(address: str, target: str) -> bool:
    return address.startswith("https:") and target.startswith("http:")


@dataclass(frozen=True)
class _Template:
    """An address in which numbers are to be replaced, and those that were there.

    Attributes
    ----------
    before : str
        The address to the question mark, with it.
    query : tuple of (str, str)
        Each part of the query as it was, and the number that it is the value of, or "".
    numbers : mapping
        The numbers of the request that was redirected there.
    """

    before: str
    query: tuple[tuple[str, str], ...]
    numbers: Mapping[str, int]

    def fill(self, numbers: Mapping[str, int]) -> str:
        """Return the address for other numbers."""
        parts = (f"{text}{numbers[name]}" if name else text for text, name in self.query)
        return self.before + "&".join(parts)

    def changed(self, numbers: Mapping[str, int]) -> set[str]:
        """Return which numbers are others."""
        return {name for name, number in numbers.items() if number != self.numbers[name]}


@dataclass
class _Proof:
    """What a service's redirects have shown.

    Attributes
    ----------
    foretold : int
        How many redirects were as they were foretold.
    names : set of str
        The numbers that were others in these than in the redirect they were foretold by.
    guilty : int
        Addresses in a row that failed where the front door did not.
    """

    foretold: int = 0
    names: set[str] = field(default_factory=set)
    guilty: int = 0


class LearntRedirects:
    """What the redirects of this process have shown; bounded, for any number of threads.

    A redirect is learnt if each number of the request is in the target's query, by its name. What
    was learnt of one request is used for the next only if `_PROOFS` redirects of the same
    service would have been foretold to the letter, and every number that is another now was
    another in one of these.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._templates: OrderedDict[tuple[object, ...], _Template] = OrderedDict()
        self._proofs: OrderedDict[tuple[object, ...], _Proof] = OrderedDict()

    def foretell(self, url: str, params: Params) -> str | None:
        """Return where a request will be redirected to, None where that is not known for sure."""
        numbers = _numbers(params)
        if not numbers or not setting("http.learn_redirects", as_bool):
            return None
        key, kind = _key(url, params), _kind(url, params)
        with self._lock:
            template, proof = self._templates.get(key), self._proofs.get(kind)
            if template is None or proof is None or proof.guilty >= _GUILTY:
                return None
            if proof.foretold < _PROOFS or not template.changed(numbers) <= proof.names:
                return None
            self._templates.move_to_end(key)
            target = template.fill(numbers)
        if _is_downgrade(url, target) and not setting("http.allow_downgrade", as_bool):
            return None
        return target

    def learn(self, url: str, params: Params, target: str) -> None:
        """Take note of where a request was redirected to, and of whether that was foreseeable."""
        numbers = _numbers(params)
        if not numbers or not setting("http.learn_redirects", as_bool):
            return
        key, kind, template = _key(url, params), _kind(url, params), _template(target, numbers)
        with self._lock:
            proof = _touch(self._proofs, kind, self._proofs.get(kind) or _Proof(), _MOST_SITES)
            earlier = self._templates.get(key)
            changed = earlier.changed(numbers) if earlier else set()
            if earlier and earlier.fill(numbers) != target:
                # Not a place with other numbers, whatever has been seen so far.
                proof.foretold, proof.names = 0, set()
            elif earlier and changed:
                proof.foretold += 1
                proof.names |= changed
            if template is None:
                self._templates.pop(key, None)
            else:
                _touch(self._templates, key, template, _MOST_TEMPLATES)

    def worked(self, url: str, params: Params) -> None:
        """Take note that what was asked for where it was foretold came from there."""
        with self._lock:
            proof = self._proofs.get(_kind(url, params))
            if proof and proof.guilty < _GUILTY:
                proof.guilty = 0

    def forget(self, url: str, params: Params) -> None:
        """Forget where an image is, as what was asked for there did not come."""
        with self._lock:
            self._templates.pop(_key(url, params), None)

    def blame(self, url: str, params: Params) -> None:
        """Take note that the front door had what a foretold address had not."""
        with self._lock:
            if proof := self._proofs.get(_kind(url, params)):
                proof.guilty += 1


LEARNT: PerProcess[LearntRedirects] = PerProcess(LearntRedirects)
"""What this process's redirects have shown."""


def _numbers(params: Params) -> dict[str, int]:
    return {name: value for name, value in params.items() if isinstance(value, int)}


def _key(url: str, params: Params) -> tuple[object, ...]:
    """Return what tells an image and view from others: the address, and the query's words."""
    words = ((name, "" if isinstance(value, int) else value) for name, value in params.items())
    return url, *sorted(words)


def _kind(url: str, params: Params) -> tuple[object, ...]:
    """Return what tells requests of one kind from others: the service, and the query's names.

    Requests with a window and without one may be redirected by other rules.
    """
    parts = urlsplit(url)
    return parts.scheme, parts.netloc, *sorted(params)


def _template(target: str, numbers: Mapping[str, int]) -> _Template | None:
    """Take a target apart; None if a number is not in its query, or is there twice."""
    before, mark, query = target.partition("?")
    if not mark or "#" in query:
        return None
    parts: list[tuple[str, str]] = []
    for part in query.split("&"):
        [(name, value)] = parse_qsl(part, keep_blank_values=True) or [("", "")]
        if name in numbers:
            if value != str(numbers[name]):
                return None
            parts.append((f"{quote_plus(name)}=", name))
        else:
            parts.append((part, ""))
    found = [name for _, name in parts if name]
    if sorted(found) != sorted(numbers):
        return None
    template = _Template(f"{before}?", tuple(parts), numbers)
    return template if template.fill(numbers) == target else None


def _touch(table: OrderedDict[K, V], key: K, value: V, most: int) -> V:
    """Put a value where it is forgotten last, and forget the first of too many."""
    table[key] = value
    table.move_to_end(key)
    while len(table) > most:
        table.popitem(last=False)
    return value
