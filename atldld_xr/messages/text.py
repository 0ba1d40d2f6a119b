"""Facts as text for people: sizes, ranges, counts and aligned rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from atldld_xr.messages.words import printable

_MOST_NAMED = 10


def format_bytes(count: int) -> str:
    """Return a number of bytes with its unit, in powers of 1000."""
    if count == 1:
        return "1 byte"
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB" if size < 999.5 else f"{size:,.0f} TB"


def format_duration(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours."""
    if seconds < 99.5:
        return f"{seconds:.2g} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 99.5 else f"{minutes / 60:.3g} h"


def format_range(values: Iterable[float], unit: str) -> str:
    """Return the range of some numbers, or the number if all are the same."""
    values = list(values)
    low, high = min(values), max(values)
    return f"{low:g} {unit}" if low == high else f"{low:g} to {high:g} {unit}"


def format_count(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number with what is counted: "1 section", "1,200 sections"."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def name_of(failure: Mapping[str, Any]) -> str:
    """Return what of a section could not be read."""
    name = f"section image {failure['section_image_id']}"
    mask = failure.get("variable")
    return f"the {mask} mask of {name}" if mask in ("expression", "projection") else name


def without_masks(ids: Sequence[int | None]) -> str:
    """Return in words which sections the service has no expression mask of."""
    if len(ids) == 1:
        return f"1 section has no expression mask: section image {ids[0]}"
    named = ", ".join(map(str, ids[:_MOST_NAMED]))
    more = f" and {len(ids) - _MOST_NAMED:,} more" if len(ids) > _MOST_NAMED else ""
    return f"{len(ids):,} sections have no expression mask: section images {named}{more}"


def format_rows(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and values in two columns; a row without a name goes on with the one above."""
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(printable(f"{name:<{width}}  {value}".rstrip()) for name, value in rows)
