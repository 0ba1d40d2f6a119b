"""The query language of the Allen service (RMA), and the envelope of its answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.foreign_json import InvalidJsonError, parse_json
from atldld_xr.messages.repeating import short
from atldld_xr.messages.words import one_line

T = TypeVar("T")

MOST_ROWS = 25_000
"""Rows that the service returns at most, whatever is asked for; 50 where nothing is."""

SEARCH_INCLUDE = (
    *("genes", "products", "treatments", "plane_of_section"),
    "specimen(donor(age,transgenic_mouse(transgenic_lines)),"
    "injections(primary_injection_structure,structure))",
    "section_images",
)
"""What comes with each data set of a search: its images too, of which the sections are counted."""

# Of the values in one query: addresses of more than some 8000 bytes are refused by web servers,
# and what is not ASCII takes three times its bytes there.
_MOST_BYTES = 1500
_LARGEST_ID = 2**63 - 1
_LONGEST = 200  # characters of a value: no name in Allen's records has so many


def parse_envelope(body: bytes) -> dict[str, Any]:
    """Return the service's answer: whether it succeeded, and the records in ``msg``.

    Raises
    ------
    ValueError
        If the bytes are no such answer: cut short, or not from the service.
    """
    try:
        envelope = parse_json(body)
    except InvalidJsonError as error:
        start = body[:40].decode("utf-8", "replace").split("\n")[0]
        raise ValueError(f"the answer is no good: {error}; it starts with {start!r}") from None
    return check_envelope(envelope)


def check_envelope(envelope: object) -> dict[str, Any]:
    """Return a decoded answer; raises ValueError if it is JSON of another shape."""
    if not isinstance(envelope, dict) or "success" not in envelope or "msg" not in envelope:
        raise ValueError("the answer is JSON, but none of the service's answers")
    return envelope


def failure_message(answer: bytes | Mapping[str, Any]) -> str:
    """Return what an answer, or the body of an error, says of a failure; "" if nothing.

    The message is free text that takes the place of the records.
    """
    if isinstance(answer, bytes):
        try:
            answer = parse_envelope(answer)
        except ValueError:
            return ""
    said = answer["msg"] or ""
    return one_line(said if isinstance(said, str) else short(said))


def count(envelope: Mapping[str, Any], key: str) -> int:
    """Return one of an envelope's counts, 0 where it has none."""
    value = envelope.get(key)
    return value if isinstance(value, int) and value > 0 else 0


def records(envelope: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the records in an answer, each with its id.

    Raises
    ------
    ValueError
        If it holds something else; says what, of "the answer".
    """
    msg = envelope.get("msg")
    if not isinstance(msg, list):
        raise ValueError("the answer holds no records")
    for record in msg:
        found = record.get("id") if isinstance(record, Mapping) else None
        if not isinstance(found, int) or isinstance(found, bool) or not 0 < found <= _LARGEST_ID:
            raise ValueError(f"the answer has a record without an id: {short(record)}")
    return msg


def stages(
    model: str,
    *,
    criteria: str,
    include: Sequence[str],
    order: str,
    start: int,
    rows: int,
) -> str:
    """Return one page's query: ``model::M,rma::criteria,...,rma::include,...,rma::options[...]``.

    Parameters
    ----------
    model : str
        The kind of record, for instance "SectionDataSet".
    criteria : str
        Filters and joins, for instance ``[failed$eqfalse],products[id$eq1]``; may be empty.
    include : sequence of str
        Associations to return with each record.
    order : str
        The field that pages are cut along; without one, pages may overlap or leave records out.
    start, rows : int
        The page.

    Raises
    ------
    InvalidArgumentError
        If the model is no name.
    """
    if not model.isidentifier():
        raise InvalidArgumentError(f"{short(model)} is not the name of a model")
    parts = [f"model::{model}"]
    if criteria:
        parts.append(f"rma::criteria,{criteria}")
    if include:
        parts.append(f"rma::include,{','.join(include)}")
    parts.append(f"rma::options[num_rows$eq{rows}][start_row$eq{start}][order$eq'{order}']")
    return ",".join(parts)


def quoted(value: str) -> str:
    """Return a text as a value that is a value, whatever is in it.

    Between single quotes nothing has a meaning but the next one, and a ``*`` of ``$li`` and
    ``$il``. There is no way known to write a quote there; a backslash may be one to take the
    closing quote's meaning away.

    Raises
    ------
    InvalidArgumentError
        If it cannot be written so: it has a quote, a backslash or what cannot be printed, or is
        empty, or too long to be in a record.
    """
    if not value.strip():
        raise InvalidArgumentError("an empty text names nothing")
    if len(value) > _LONGEST:
        raise InvalidArgumentError(
            f"{short(value)} has {len(value):,} characters; names have at most {_LONGEST}"
        )
    for character in value:
        if character in "'\\" or not character.isprintable():
            raise InvalidArgumentError(
                f"{short(value)} cannot be asked for: the service's query language has no way to "
                f"write {character!r} in a name"
            )
    return f"'{value}'"


def equals(field: str, values: Sequence[str | float]) -> str:
    """Return the filter of a field that is one of some values.

    Raises
    ------
    InvalidArgumentError
        If a text cannot be written, see `quoted`.
    """
    written = [quoted(v) if isinstance(v, str) else str(v) for v in values]
    return f"[{field}${'eq' if len(written) == 1 else 'in'}{','.join(written)}]"


def batches(values: Sequence[T]) -> list[list[T]]:
    """Return values in groups, each of which one query can ask for."""
    out: list[list[T]] = []
    length = 0
    for value in values:
        added = len(str(value).encode()) + 3
        if not out or length + added > _MOST_BYTES:
            out.append([])
            length = 0
        out[-1].append(value)
        length += added
    return out


def is_like(field: str, pieces: Sequence[str]) -> str:
    """Return the filter of a field in which these pieces follow each other, whatever is between.

    Capital letters and small ones are the same in it. To the service, characters of a piece may
    be wildcards too (``_`` and ``%`` are in databases), so more may be found than is meant.

    Raises
    ------
    InvalidArgumentError
        If a piece cannot be written, see `quoted`, or has a ``*``.
    """
    if any("*" in piece for piece in pieces):
        raise InvalidArgumentError(
            f"{short('*'.join(pieces))} cannot be asked for: an asterisk that is meant as such "
            "cannot be beside one that stands for anything"
        )
    return f"[{field}$il{quoted('*'.join(pieces))}]"
