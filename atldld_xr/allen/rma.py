"""The query language of the Allen service (RMA), and the envelope of its answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.foreign_json import InvalidJsonError, parse_json
from atldld_xr.messages.repeating import short
from atldld_xr.messages.words import one_line

MOST_ROWS = 25_000
"""Rows that the service returns at most, whatever is asked for; 50 where nothing is."""


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
