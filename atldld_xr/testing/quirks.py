"""Ways in which a service may differ from what is known of Allen's. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

Tiers = Literal["floor", "ceiling", "short"]
Offsets = Literal["floor", "nearest", "exact"]
Sampling = Literal["444", "422", "420"]
_WINDOW = ("left", "top", "width", "height")


@dataclass(frozen=True)
class Quirks:
    """What a server does otherwise than Allen's is taken to do; the default is nothing.

    Parameters
    ----------
    tiers : {"floor", "ceiling", "short"}
        How a side is halved: rounded down, up, or down to a pixel less.
    offsets : {"floor", "nearest", "exact"}
        Where on a tier of the slide a section starts: at the pixel that its corner is in, at the
        pixel whose corner is nearest to its own, or at its corner, as if each section had tiers
        of its own.
    windows : bool
        Whether windows are cut; else the whole image comes.
    redirect_status : int
        What downloads are led on with: 301, 302, 303, 307 or 308.
    chunked : bool
        Whether answers come in chunks, and without a Content-Length.
    ipv6 : bool
        Whether it listens on ::1.
    grey_filter : bool
        Whether a grey mask is grey; else it comes in colour.
    sampling : {"444", "422", "420"}
        At what resolution JPEGs hold colours.
    joined_rows : bool
        Whether pages of data sets are cut by the rows of their join with section images.

    Raises
    ------
    ValueError
        For what no server does.
    """

    tiers: Tiers = "floor"
    offsets: Offsets = "floor"
    windows: bool = True
    redirect_status: int = 302
    chunked: bool = False
    ipv6: bool = False
    grey_filter: bool = True
    sampling: Sampling = "444"
    joined_rows: bool = False

    def __post_init__(self) -> None:
        kinds = (("tiers", Tiers), ("offsets", Offsets), ("sampling", Sampling))
        for name, kind in kinds:
            if getattr(self, name) not in get_args(kind):
                raise ValueError(f"{name} is one of {', '.join(get_args(kind))}")
        if self.redirect_status not in (301, 302, 303, 307, 308):
            raise ValueError(f"{self.redirect_status} is no redirect")

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return "::1" if self.ipv6 else "127.0.0.1"

    def size(self, side: int, tier: int) -> int:
        """Return a full-resolution side's length at a tier."""
        if self.tiers == "ceiling":
            return -(-side >> tier)
        return max((side >> tier) - (self.tiers == "short" and tier > 0), 1)

    def offset(self, at: int, tier: int) -> int:
        """Return which pixel of a slide's tier a full-resolution position on the slide leads to."""
        half = 1 << tier >> 1 if self.offsets == "nearest" else 0
        return (at + half) >> tier

    def asked(self, params: Mapping[str, str]) -> dict[str, str]:
        """Return those parameters of a request for pixels that are heeded."""
        ignored: tuple[str, ...] = () if self.windows else _WINDOW
        if not self.grey_filter:
            ignored += ("filter", "filterVals")
        return {name: value for name, value in params.items() if name not in ignored}


def read_quirks(pairs: Iterable[str]) -> Quirks:
    """Return quirks as a command line gives them, ``name=value`` each; truths are "true", "false".

    Raises
    ------
    ValueError
        For what is none.
    """
    defaults: dict[str, Any] = {field.name: field.default for field in fields(Quirks)}
    given: dict[str, Any] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name not in defaults:
            raise ValueError(f"{name!r} is no quirk; there are {', '.join(defaults)}")
        kind = type(defaults[name])
        if kind is bool and value not in ("true", "false"):
            raise ValueError(f"{name} is true or false")
        given[name] = value == "true" if kind is bool else kind(value)
    return Quirks(**given)
