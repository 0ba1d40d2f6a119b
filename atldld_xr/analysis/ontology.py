"""Which labels make up a structure: its own and those of its descendants. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short


class Ontology(Protocol):
    """What is asked of an ontology, as `atldld_xr.allen.structures.Structures` has it."""

    @property
    def ids(self) -> Iterable[int]:
        """The ids of all structures, in the order of the ontology."""

    def id_of(self, structure: Any) -> int:
        """Return the id of a structure, from it or an acronym."""

    def acronym(self, structure: int) -> str:
        """Return the acronym of a structure."""

    def name(self, structure: int) -> str:
        """Return the name of a structure."""

    def descendants(self, structure: int) -> Collection[int]:
        """Return the ids of a structure and of all below it."""


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


def choose(ontology: Ontology, structures: object) -> Chosen:
    """Return structures by their ids or acronyms, each once; all of them for None.

    Raises
    ------
    InvalidArgumentError
        If there are none, or the ontology has not one of them.
    """
    known = [int(structure) for structure in ontology.ids]
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
