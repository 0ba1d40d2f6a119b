"""Structures as users name them, where something was injected: with all their parts. Pure."""

from __future__ import annotations

from atldld_xr.allen.structures import Structures
from atldld_xr.catalogue.patterns import Pattern, parse_pattern
from atldld_xr.catalogue.values import id_of, number_of
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

_WHAT = "injection_structure"


def parse_injection(value: object) -> Pattern | int:
    """Return the structures that are meant, by acronym or name, with wildcards, or by id.

    Raises
    ------
    InvalidArgumentError
        If it is neither.
    """
    number = number_of(value)
    if number is not None:
        return id_of(number, f"{_WHAT}: an id")
    return parse_pattern(value, _WHAT)


def injection_ids(structures: Structures, wanted: Pattern | int) -> list[int]:
    """Return the ids of the structures that are meant and of all their parts, ascending.

    Raises
    ------
    InvalidArgumentError
        If there is none; says which are called much the same.
    """
    meant = [wanted] if isinstance(wanted, int) else _called(structures, wanted)
    return sorted({part for one in meant for part in structures.descendants(one)})


def _called(structures: Structures, wanted: Pattern) -> list[int]:
    rows = structures.rows
    if not wanted.is_name:
        found = [r.id for r in rows if wanted.matches(r.acronym) or wanted.matches(r.name)]
        if not found:
            raise InvalidArgumentError(
                f"no structure has an acronym or a name like {short('*'.join(wanted.pieces))}"
            )
        return found
    (name,) = wanted.pieces
    by_name = [row.id for row in rows if row.name.casefold() == name.casefold()]
    if any(row.acronym == name for row in rows) or not by_name:
        return [structures.id_of(name)]
    return by_name
