"""Which labels make up a structure: its own and those of its descendants. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.structures import Structures
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short


@dataclass(frozen=True, eq=False)
class Chosen:
    """Structures that are rows of a table.

    Attributes
    ----------
    ids : list of int
        Of Allen's.
    acronyms, names : list of str
        What they are called.
    members : list of ndarray
        The labels that each is made of.
    known : ndarray
        The labels of all structures of the ontology.
    """

    ids: list[int]
    acronyms: list[str]
    names: list[str]
    members: list[NDArray[np.int64]]
    known: NDArray[np.int64]


def choose(ontology: Structures, structures: object) -> Chosen:
    """Return structures by their ids or acronyms, each once; all of them for None.

    Raises
    ------
    InvalidArgumentError
        If there are none, or the ontology has not one of them.
    """
    known = list(ontology.ids)
    if structures is None:
        ids = known
    else:
        ids = list(dict.fromkeys(ontology.id_of(one) for one in _listed(structures)))
    return Chosen(
        ids,
        [ontology.acronym(one) for one in ids],
        [ontology.name(one) for one in ids],
        [np.fromiter(ontology.descendants(one), np.int64) for one in ids],
        np.asarray(known, np.int64),
    )


def _listed(structures: object) -> Sequence[Any]:
    if isinstance(structures, str | int | np.integer):
        return [structures]
    if isinstance(structures, Iterable) and (found := list(structures)):
        return found
    raise InvalidArgumentError(
        f"structures are ids or acronyms, or None for all, not {short(structures)}"
    )
