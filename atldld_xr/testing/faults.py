"""Faults that a server makes on demand, each as the service or a network has shown it. Pure."""

from __future__ import annotations

import random
from collections.abc import Set
from dataclasses import dataclass
from typing import Literal, get_args

from atldld_xr.testing.pictures import decode, encode

Kind = Literal["429", "503", "reset", "truncated", "html", "corrupt", "short", "wrong_size", "slow"]
KINDS: tuple[Kind, ...] = get_args(Kind)

HTML = b"<html><body><h1>An error has occurred</h1></body></html>"


@dataclass(frozen=True)
class Faults:
    """Which requests go wrong, and how.

    Parameters
    ----------
    rate : float
        The share of requests with a fault, from 0 to 1. Which ones follows from `seed` and the
        order in which requests arrive.
    kinds : tuple of str
        What may go wrong, each as often. "429" (with Retry-After) and "503" are statuses; "reset"
        drops the connection amid the body; "truncated" ends it there in good order, short of its
        Content-Length; "html" is a 200 with a page in place of the data; "corrupt" has a JPEG's
        first and last bytes and garbage between; "short" is the first half of the data, as though
        whole; "wrong_size" is a good JPEG with half the rows; "slow" is right, but late.
    first : int
        So many requests at the beginning all have a fault.
    never : set of int
        Images that cannot be had, however often they are asked for.
    never_kind : str
        What goes wrong with those.
    missing : set of int
        Images answered with 404.
    metadata : bool
        Whether requests for metadata have faults too.
    retry_after : float
        What a 429 tells clients to wait, in seconds.
    delay : float
        How late "slow" is, in seconds.
    seed : int
        Another seed makes other requests fail.

    Raises
    ------
    ValueError
        For an unknown kind, or a rate that is no share.

    Examples
    --------
    >>> from atldld_xr.testing import Faults
    >>> Faults(rate=0.2, kinds=("503", "reset")).never_kind
    'html'
    """

    rate: float = 0.0
    kinds: tuple[Kind, ...] = ("503",)
    first: int = 0
    never: Set[int] = frozenset()
    never_kind: Kind = "html"
    missing: Set[int] = frozenset()
    metadata: bool = False
    retry_after: float = 0.0
    delay: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = {*self.kinds, self.never_kind} - {*KINDS}
        if unknown or not self.kinds:
            raise ValueError(f"kinds of faults are {', '.join(KINDS)}; not {unknown or 'none'}")
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate is a share from 0 to 1, not {self.rate}")

    def pick(self, count: int, image_id: int | None) -> Kind | None:
        """Return what goes wrong with a request.

        Parameters
        ----------
        count : int
            How many requests came before it.
        image_id : int, optional
            The section image it is for, None for metadata.
        """
        if image_id is None and not self.metadata:
            return None
        if image_id in self.never:
            return self.never_kind
        draw = random.Random(self.seed * 1_000_003 + count)
        if count < self.first or draw.random() < self.rate:
            return draw.choice(self.kinds)
        return None


def spoil(kind: Kind | None, body: bytes) -> bytes:
    """Return the body of an answer with a fault, where the fault is in the body.

    Parameters
    ----------
    kind : str
        The fault.
    body : bytes
        What the answer should have been.
    """
    if kind == "html":
        return HTML
    if kind == "short":
        return body[: len(body) // 2]
    if kind == "corrupt":
        # No marker survives: a decoder that forgives much still finds no header.
        return body[:2] + bytes(b ^ 0x5A for b in body[2:-2]) + body[-2:]
    if kind == "wrong_size":
        return _halved(body)
    return body


def _halved(body: bytes) -> bytes:
    if not body.startswith(b"\xff\xd8"):
        return HTML
    pixels = decode(body)
    rows = pixels.shape[0] // 2 or 2  # of a single row, two
    return encode(pixels.repeat(2, axis=0)[:rows], 90)
