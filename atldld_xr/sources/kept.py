"""The service's answers in the cache: until when each is taken as current."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from atldld_xr.allen import rma
from atldld_xr.foreign_json import parse_json
from atldld_xr.settings import as_float, setting

_DAY, _MINUTE = 86_400, 60


@dataclass(frozen=True)
class KeptAnswer:
    """An answer of the service, as it is in the cache.

    Attributes
    ----------
    answer : mapping
        Its envelope.
    fetched : float
        When it came, in seconds since the epoch.
    is_complete : bool
        Whether nothing is missing from it that may be there the next time.
    """

    answer: Mapping[str, Any]
    fetched: float
    is_complete: bool

    @property
    def is_current(self) -> bool:
        """Whether it is young enough, by the settings, to be taken in place of a request."""
        unit = _DAY if self.is_complete else _MINUTE
        return 0 <= time.time() - self.fetched < unit * setting(self._setting, as_float)

    @property
    def advice(self) -> str:
        """What to do where no other answer can be had."""
        day = time.strftime("%Y-%m-%d %H:%M", time.gmtime(self.fetched))
        way = "refresh=False" if self.is_current else f"the setting {self._setting}=inf"
        return f"the cache has an answer of {day} UTC, which {way} takes"

    @property
    def _setting(self) -> str:
        return f"cache.{'metadata_days' if self.is_complete else 'incomplete_minutes'}"


def read_kept(content: bytes | None) -> KeptAnswer | None:
    """Return the answer in a file of the cache; None where there is none, or not a whole one."""
    if content is None:
        return None
    try:
        kept = parse_json(content)
        answer, fetched = rma.check_envelope(kept["answer"]), float(kept["fetched"])
        time.gmtime(fetched)
        # Those of earlier versions do not say it: they are asked for again once.
        return KeptAnswer(answer, fetched, kept.get("complete") is True)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, AttributeError):
        return None


def read_kept_page(content: bytes | None) -> KeptAnswer | None:
    """Return as `read_kept` does, None also of an answer that is no page of records."""
    kept = read_kept(content)
    try:
        return kept if kept is not None and rma.records(kept.answer) is not None else None
    except ValueError:
        return None


def to_keep(answer: Mapping[str, Any], *, is_complete: bool) -> bytes:
    """Return the file of an answer that has just come."""
    return json.dumps({"fetched": time.time(), "complete": is_complete, "answer": answer}).encode()
