"""What is a credential, by the name it is given under: such values are told to nobody. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"

# A name is a credential's if one of its words is one of these, or it ends with one of _ENDINGS, as
# names in one word do; unless its last word says that it only tells of one.
_WORDS = frozenset(
    (
        "auth", "authorization", "bearer", "cookie", "cookies", "credential", "credentials",
        "creds", "jwt", "key", "keys", "pass", "passcode", "passphrase", "passwd", "password",
        "passwords", "pin", "pwd", "sas", "secret", "secrets", "session", "sig", "signature",
        "token", "tokens",
    )
)  # fmt: skip
_ENDINGS = (
    "accesskey", "accountkey", "apikey", "authkey", "credential", "credentials", "keyid",
    "passphrase", "passwd", "password", "privatekey", "secret", "secretkey", "signature",
    "sharedkey", "token",
)  # fmt: skip
_TELLING = frozenset(
    (
        "algorithm", "class", "count", "encoding", "endpoint", "expiry", "file", "filename",
        "format", "kwargs", "length", "method", "mode", "name", "path", "prefix", "profile",
        "provider", "region", "scope", "scopes", "size", "timeout", "ttl", "type", "uri", "url",
        "version",
    )
)  # fmt: skip
# What stands beside the secret in a mapping that is one as a whole, such as a service account's.
_BESIDE = _TELLING | {"domain", "email", "project", "user", "username"}

# What gcsfs takes as a token, and is none: its ways to log in.
_WAYS = frozenset(("anon", "browser", "cache", "cloud", "google_default"))

_SHORT = 4  # characters: a shorter credential is only found as a word of its own
_PART = 8  # characters of a part of a credential that is one too

_USER = re.compile(r"(https?:)?//([^\s/?#'\"]+)@")
_PAIR = re.compile(r"([A-Za-z][\w.-]*)=([^;&\s'\"<>,)\]}]+)")
_CONNECTION = re.compile(r"([A-Za-z]\w*)=([^;\s]+)")


def is_credential(name: str) -> bool:
    """Whether a value of this name is to be told to nobody, as of ``key`` or ``account_key``."""
    words = _words(name)
    if not words or words[-1] in _TELLING:
        return False
    return not _WORDS.isdisjoint(words) or "".join(words).endswith(_ENDINGS)


def credentials_in(options: Any) -> set[str]:
    """Return every text in options that is a credential, however deep, or a part of one.

    Parameters
    ----------
    options : mapping
        Nested as it may be. Whatever has the name of a credential is one; of all else, only the
        passwords and signatures in addresses, and the credentials in lists such as ``a=b;key=c``.
    """
    return {text for text in _find(options, "", within=False) if text.strip()}


def hide(text: str, credentials: set[str]) -> str:
    """Return a text without some credentials, in whatever form it has them, nor any in addresses.

    Parameters
    ----------
    text : str
        For instance a library's message.
    credentials : set of str
        As `credentials_in` returns them.
    """
    forms = {form(text) for text in credentials for form in _FORMS}
    # The longest first: one may be a part of another.
    for form in sorted(filter(str.strip, forms), key=len, reverse=True):
        if len(form) < _SHORT:
            text = re.sub(rf"(?<![^\W_]){re.escape(form)}(?![^\W_])", HIDDEN, text)
        else:
            text = text.replace(form, HIDDEN)
    return hide_in_addresses(text)


def hide_in_addresses(text: str) -> str:
    """Return a text without the passwords, and the signatures and tokens of queries, in it."""
    if "@" in text:
        text = _USER.sub(_without_password, text)
    if "=" in text:
        text = _PAIR.sub(lambda m: f"{m[1]}={HIDDEN}" if is_credential(m[1]) else m[0], text)
    return text


def holds_credentials(address: str) -> bool:
    """Whether an address has a password, a token or a signature in it."""
    return hide_in_addresses(address) != address


def _without_password(match: re.Match[str]) -> str:
    scheme, user = match[1] or "", match[2]
    name, colon, _ = user.partition(":")
    if colon:
        return f"{scheme}//{name}:{HIDDEN}@"
    return f"{scheme}//{HIDDEN}@" if scheme else match[0]  # a token, where no user has a name alone


def _find(value: Any, name: str, *, within: bool) -> Iterator[str]:
    """Yield the credentials in a value of a name, which may itself be `within` one."""
    if isinstance(value, Mapping):
        inside = within or is_credential(name)
        for key, item in value.items():
            yield from _find(item, str(key), within=inside)
        return
    if isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _find(item, name, within=within)
        return
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        return
    words = _words(name)
    beside = within and bool(words) and words[-1] in _BESIDE
    if (is_credential(name) or within) and not beside:
        if name != "token" or text not in _WAYS:
            yield from _parts(text)
    else:
        yield from _in_text(text)


def _parts(text: str) -> Iterator[str]:
    """Yield a credential, and what of it libraries tell alone: values, lines, what follows a word.

    "Bearer TOKEN", "?sv=2024&sig=SIGNATURE", "AccountName=me;AccountKey=KEY", a key in lines.
    """
    yield text
    yield from re.findall(rf"=([^;&?\s]{{{_PART},}})", text)
    lines = text.split("\n")
    yield from (line for line in lines if len(lines) > 1 and len(line) >= _PART)
    words = text.split()
    yield from (word for word in words if len(words) > 1 and len(word) >= _PART)


def _in_text(text: str) -> Iterator[str]:
    """Yield the credentials in a value that is none: an address, a list of pairs."""
    for scheme, user in _USER.findall(text):
        _, colon, password = user.partition(":")
        if colon or scheme:
            yield password or user
    for pairs in (_PAIR, _CONNECTION):
        yield from (value for name, value in pairs.findall(text) if is_credential(name))


def _words(name: str) -> list[str]:
    """Return the words of a name: of account_key, AccountKey, X-Amz-Signature."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return re.findall(r"[a-z]+", apart.lower())


def _quote_all(text: str) -> str:
    return quote(text, safe="")


def _as_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _as_repr(text: str) -> str:
    return repr(text)[1:-1]


def _as_it_is(text: str) -> str:
    return text


_FORMS: tuple[Callable[[str], str], ...] = (
    quote, quote_plus, unquote, unquote_plus, _quote_all, _as_json, _as_repr, _as_it_is,
)  # fmt: skip
