"""What stores know functions and classes by, wherever these have moved to since. Pure.

A store says what its arrays are made of by Dask's tokens. Dask knows a function, and the class of
an object, by the module that it is imported from: with that in the token, a file that is moved
would have every export begun before refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from hashlib import sha1
from typing import Any, TypeVar

_PARAMETERS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
_Known = TypeVar("_Known", bound=Callable[..., Any])


def known_as(module: str, **renamed: str) -> Callable[[_Known], _Known]:
    """Decorate a function or a dataclass, which Dask is to know as one of a module.

    Parameters
    ----------
    module : str
        Where it was when stores were first made with it.
    **renamed : str
        Of a dataclass: what its fields were called then, by what they are called now.
    """

    def known(this: _Known) -> _Known:
        name = this.__qualname__
        if not is_dataclass(this):
            this.__dask_tokenize__ = lambda: _token(module, name)  # type: ignore[attr-defined]  # Dask asks it
            return this

        def of_object(self: Any) -> Any:
            from dask.base import normalize_token

            # As Dask's own of a dataclass is with Python 3.11: newer ones have more parameters.
            params = self.__dataclass_params__
            return (
                _token(module, name),
                [(attribute, getattr(params, attribute)) for attribute in _PARAMETERS],
                [
                    (renamed.get(f.name, f.name), normalize_token(getattr(self, f.name, None)))
                    for f in fields(self)
                ],
            )

        this.__dask_tokenize__ = of_object  # type: ignore[attr-defined]  # as above
        return this

    return known


def _token(module: str, name: str) -> tuple[Any, list[Any]]:
    """Return Dask's token of what can be imported: a hash of its pickle, which says from where.

    Dask takes the fastest hash that is installed, and this one if none is: always.
    """
    texts = (b"\x8c" + bytes([len(t)]) + t.encode() + b"\x94" for t in (module, name))
    body = b"".join(texts) + b"\x93\x94."
    pickled = b"\x80\x05\x95" + len(body).to_bytes(8, "little") + body
    return sha1(pickled, usedforsecurity=False).hexdigest(), []
