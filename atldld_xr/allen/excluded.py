"""Sections of a data set that cannot be registered, and so are not in its Dataset: which, and why.

Pure. A Dataset, and every store of it, says how many there are in words, and has the record of each
as JSON: a string is what all formats take.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from atldld_xr.allen.metadata import FAILED, UNALIGNED, ExcludedSection, SectionDataset
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.messages.text import format_count

if TYPE_CHECKING:
    import pandas as pd

WORDS = "excluded_sections"
"""Attribute: how many there are, in words. It was the records in earlier versions."""

RECORDS = "excluded_section_records"
"""Attribute: each of them, as JSON."""

# By what a reason says, the first that fits.
_KINDS = (
    (FAILED, "failed"),
    (UNALIGNED, "without alignment2d"),
    ("tsv", "with an unusable alignment2d"),
    ("tvs", "with an unusable alignment2d"),
    ("section number ", "with the number of another"),
    ("it belongs to data set ", "of another data set"),
)


def excluded_attributes(data: SectionDataset) -> dict[str, str]:
    """Return the attributes that say which sections of a data set are not in its Dataset."""
    total = len(data.images) + len(data.excluded)
    words = f"{len(data.excluded) or 'none'} of {format_count(total, 'section')}"
    if not data.excluded:
        return {WORDS: words}
    counts = count_reasons(section.reason for section in data.excluded)
    records = [
        {"id": e.id, "section_number": e.section_number, "reason": e.reason} for e in data.excluded
    ]
    return {WORDS: f"{words}: {reasons_in_words(counts)}", RECORDS: json.dumps(records)}


def count_reasons(reasons: Iterable[str]) -> dict[str, int]:
    """Return how many sections are excluded, by reason in short words; the most frequent first."""
    return dict(Counter(map(_kind, reasons)).most_common())


def _kind(reason: str) -> str:
    return next((kind for said, kind in _KINDS if said in reason), "with unusable metadata")


def reasons_in_words(counts: Mapping[str, int]) -> str:
    """Return counts by reason as words: "5 failed, 2 without alignment2d"."""
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())


def say_excluded(counts: Mapping[str, int]) -> str:
    """Return in a line that sections are not there, and why; counts are not empty."""
    total = sum(counts.values())
    are = "is" if total == 1 else "are"
    return (
        f"{format_count(total, 'section')} of the data set cannot be registered, and {are} left "
        f"out: {reasons_in_words(counts)}"
    )


def read_excluded(attributes: Mapping[Any, Any]) -> tuple[ExcludedSection, ...]:
    """Return the excluded sections that a Dataset's attributes tell of; none if they tell of none.

    Those of earlier versions are read, too.

    Raises
    ------
    InvalidArgumentError
        If the attribute is no such record.
    """
    text = attributes.get(RECORDS)
    words = attributes.get(WORDS)
    if text is None and isinstance(words, str) and words.startswith("["):
        text = words
    if text is None:
        return ()
    try:
        return tuple(_section(entry) for entry in json.loads(text))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InvalidArgumentError(
            f"the attribute {RECORDS} is no record of sections: {short(text)}"
        ) from None


def _section(entry: Any) -> ExcludedSection:
    number = entry["section_number"]
    known = None if number is None else int(number)
    return ExcludedSection(int(entry["id"]), known, str(entry["reason"]))


def count_excluded(attributes: object) -> dict[str, int]:
    """Return `count_reasons` of what attributes tell of, as they are in a store; {} if of nothing.

    What is damaged there is told by others: it is nothing here.
    """
    if not isinstance(attributes, Mapping):
        return {}
    try:
        return count_reasons(section.reason for section in read_excluded(attributes))
    except InvalidArgumentError:
        return {}


def excluded_table(attributes: Mapping[Any, Any]) -> pd.DataFrame:
    """Return the excluded sections as a table: section_image_id, section_number, reason.

    Raises
    ------
    InvalidArgumentError
        As `read_excluded`.
    """
    import pandas as pd

    sections = read_excluded(attributes)
    ids = [section.id if section.id > 0 else None for section in sections]
    numbers = [section.section_number for section in sections]
    return pd.DataFrame(
        {
            "section_image_id": pd.array(ids, dtype="Int64"),
            "section_number": pd.array(numbers, dtype="Int64"),
            "reason": pd.Series([section.reason for section in sections], dtype=object),
        }
    )
