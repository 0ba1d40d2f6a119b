"""Storage options, which may hold credentials: shared by processes, carried by nothing.

What travels in graphs, pickles and Dask's names is a `StorageOptionsRef`: a random token. The
mapping itself stays in a table of this process; `atldld_xr.cluster.ship` puts it on a cluster's
workers. Credentials that come from environment variables, files or cloud roles need none of this.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from atldld_xr.errors import AtldldError, InvalidArgumentError, StoreError
from atldld_xr.files.credentials import credentials_in, hide
from atldld_xr.forks import PerProcess

_KNOWN: dict[str, dict[str, Any]] = {}
"""The options that this process knows, by token."""

_LOCK = PerProcess(Lock)

# Options that say which store an address means, and so are part of what a name stands for.
_PLACE = frozenset(
    (
        "account_host", "account_name", "base_url", "endpoint", "endpoint_url", "fo", "host",
        "port", "project", "target_protocol",
    )
)  # fmt: skip
_PLACE_OF_CONNECTION = frozenset(("accountname", "blobendpoint", "endpointsuffix"))

_LONGEST = 500  # characters of a reason


@dataclass(frozen=True, slots=True, repr=False)
class StorageOptionsRef:
    """Storage options that can be sent anywhere, as they are not in it.

    Two are equal, and have the same Dask token, when they lead to the same store: endpoint and
    account count, credentials do not. So a Dataset that is opened again with fresh credentials
    has the same names.

    Parameters
    ----------
    token : str
        What this process, and others that have been told, know the options by; "" for none.
    place : str
        A digest of the options that say which store is meant.
    """

    token: str = field(default="", compare=False)
    place: str = ""

    def options(self) -> dict[str, Any]:
        """Return the options, as a copy of one's own.

        Raises
        ------
        StoreError
            If they were shared in another process, and not with this one.
        """
        if not self.token:
            return {}
        try:
            found: dict[str, Any] = _copied(_KNOWN[self.token])
            return found
        except KeyError:
            raise StoreError(
                "this process does not know the storage options, which are never sent with tasks "
                "or pickles: on a cluster, open the Dataset when the client is connected, or call "
                "atldld_xr.cluster.ship(client); elsewhere use threads, or give the credentials "
                "by environment variables or files"
            ) from None

    def describe(self, error: BaseException) -> str:
        """Return an error's message as one line in which no credential is left."""
        text = (isinstance(error, OSError) and error.strerror) or str(error)
        return " ".join(self._redact(text).split())[:_LONGEST] or type(error).__name__

    def cause(self, error: BaseException) -> BaseException | None:
        """Return an error to raise another from; None if it, or what led to it, tells a secret."""
        told = " ".join(f"{e} {e!r}" for e in _chain(error))
        return error if self._redact(told) == told else None

    def _redact(self, text: str) -> str:
        return hide(text, credentials_in(_KNOWN.get(self.token, {})))

    def __bool__(self) -> bool:
        return bool(self.token)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'...' if self else ''})"

    def __dask_tokenize__(self) -> object:
        return "SharedOptions", self.place  # as stores know it, by its first name


def register(options: Mapping[str, Any] | StorageOptionsRef | None) -> StorageOptionsRef:
    """Enter storage options in this process's table, and return what may stand for them anywhere.

    Parameters
    ----------
    options : mapping, StorageOptionsRef or None
        For fsspec. Equal mappings are entered once.

    Raises
    ------
    InvalidArgumentError
        If it is no mapping of names.
    """
    if isinstance(options, StorageOptionsRef):
        return options
    if options is not None and not isinstance(options, Mapping):
        raise InvalidArgumentError(
            f"storage_options are a mapping of names to values, not a {type(options).__name__}"
        )
    if not options:
        return StorageOptionsRef()
    if not all(isinstance(name, str) for name in options):
        raise InvalidArgumentError("the names of storage_options are strings")
    own = _copied(options)
    place = _place(own)
    with _LOCK():
        for token, registered in _KNOWN.items():
            if _equal(registered, own):
                return StorageOptionsRef(token, place)
        token = secrets.token_hex(16)
        _KNOWN[token] = own
    return StorageOptionsRef(token, place)


def receive(token: str, options: Mapping[str, Any]) -> None:
    """Enter options that another process has shared under a token."""
    with _LOCK():
        _KNOWN[token] = _copied(options)


def registered() -> tuple[StorageOptionsRef, ...]:
    """Return all options that this process knows."""
    with _LOCK():
        return tuple(StorageOptionsRef(token, _place(own)) for token, own in _KNOWN.items())


def redact(text: str) -> str:
    """Return a text without the credentials of all options that this process knows."""
    return hide(text, credentials_in([*_KNOWN.values()]))


def told(error: Exception) -> str:
    """Return why something failed, without credentials: with its kind where it says little."""
    text = redact(str(error))
    if text and isinstance(error, AtldldError | OSError):
        return text
    return f"{type(error).__name__}: {text}".rstrip(": ")


@contextmanager
def store_errors(
    what: str, options: StorageOptionsRef, *, of: type[Exception] = Exception
) -> Iterator[None]:
    """Turn whatever a file system raises into a StoreError that tells no secret.

    Parameters
    ----------
    what : str
        What cannot be done, to what: "the mirror s3://a/b cannot be read".
    options : StorageOptionsRef
        The file system's.
    of : type
        What it raises: each of fsspec's file systems has its own kinds. Other errors are passed on
        as they are, and so are this package's own.

    Raises
    ------
    StoreError
        `what` and the reason in one line, from the error itself where that holds no secret.
    """
    try:
        yield
    except of as error:
        if isinstance(error, AtldldError):
            raise
        failure = StoreError(f"{what}: {options.describe(error)}")
        cause = options.cause(error)
        try:
            raise failure from cause
        finally:
            if cause is None:
                failure.__context__ = None  # `raise` has put the error there, with what it tells


def _copied(value: Any) -> Any:
    """Return a value with its mappings and lists copied: callers may change theirs."""
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _equal(one: object, other: object) -> bool:
    try:
        return bool(one == other)
    except Exception:  # of objects that cannot be compared, such as arrays
        return False


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value that is no container, with the name nearest to it."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, str(key))
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _leaves(item, name)
    else:
        yield name, value


def _place(options: Mapping[str, Any]) -> str:
    """Return a digest of the options that say which store is meant; "" if none does."""
    found = set()
    for name, value in _leaves(options):
        if name in _PLACE and isinstance(value, str | int):
            # An address may hold a password, or a signature.
            found.add((name, re.sub(r"//[^/@]*@|\?.*", "//", str(value))))
        elif name == "connection_string":
            for part, text in re.findall(r"(\w+)=([^;]*)", str(value)):
                if part.lower() in _PLACE_OF_CONNECTION:
                    found.add((part.lower(), text))
    return hashlib.sha256(json.dumps(sorted(found)).encode()).hexdigest()[:16] if found else ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all that it came from, however it says so."""
    waiting, seen = [error], set()
    while waiting:
        cause = waiting.pop()
        if cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__]
