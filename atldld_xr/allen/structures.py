"""The structures of the brain: Allen's ontology, in which each is part of another. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atldld_xr.allen.values import integer, items
from atldld_xr.errors import InvalidArgumentError, MetadataError
from atldld_xr.messages.repeating import short
from atldld_xr.messages.words import one_line

if TYPE_CHECKING:
    import pandas as pd

_LARGEST_ID = 2**63 - 1
# The mouse ontology has 1327 structures in 11 levels, the human one 1839, the developing one 3317.
_MOST = 20_000
_DEEPEST = 40
_LONGEST_ACRONYM, _LONGEST_NAME = 60, 300  # characters; of Allen's, 23 and 104
_NO_COLOUR = "#ffffff"
_MOST_NEAR = 3


@dataclass(frozen=True)
class Structure:
    """One structure of the brain.

    Attributes
    ----------
    id : int
        Allen's ``Structure.id``: the label of its voxels.
    acronym, name : str
        What it is called.
    parent : int or None
        What it is part of; None of the root.
    path : tuple of int
        From the root to itself.
    graph_order : int
        Its place in the ontology as Allen lists it.
    level : int or None
        Allen's ``st_level``: how fine a division it is, which differs from how deep it is nested.
        None where the ontology does not tell.
    colour : str
        As "#rrggbb"; white where the ontology has none.
    """

    id: int
    acronym: str
    name: str
    parent: int | None
    path: tuple[int, ...]
    graph_order: int
    level: int | None
    colour: str


@dataclass(frozen=True)
class Structures:
    """An ontology. Wherever a structure is asked for, its acronym does as well as its id.

    Parameters
    ----------
    rows : tuple of Structure
        In graph order, parents before their parts; the first is the root.
    """

    rows: tuple[Structure, ...]
    _by_id: dict[int, Structure] = field(init=False, repr=False, compare=False)
    _by_acronym: dict[str, int] = field(init=False, repr=False, compare=False)
    _children: dict[int, list[int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        children: dict[int, list[int]] = {row.id: [] for row in self.rows}
        for row in self.rows:
            if row.parent is not None:
                children[row.parent].append(row.id)
        object.__setattr__(self, "_by_id", {row.id: row for row in self.rows})
        object.__setattr__(self, "_by_acronym", {row.acronym: row.id for row in self.rows})
        object.__setattr__(self, "_children", children)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        root = self.rows[0]
        return f"<Structures: {len(self):,}, of {root.name} ({root.acronym}, {root.id})>"

    @property
    def ids(self) -> tuple[int, ...]:
        """Of all structures, in graph order."""
        return tuple(self._by_id)

    @property
    def leaves(self) -> tuple[int, ...]:
        """Ids of the structures without parts, in graph order."""
        return tuple(row.id for row in self.rows if not self._children[row.id])

    @property
    def levels(self) -> tuple[int, ...]:
        """Allen's levels (``st_level``) that some structure has, ascending."""
        return tuple(sorted({row.level for row in self.rows if row.level is not None}))

    def at_level(self, level: int) -> tuple[int, ...]:
        """Return the ids of the structures that Allen has at a level, in graph order.

        They need not cover the brain: what is part of a coarser structure only is in none of them.

        Raises
        ------
        InvalidArgumentError
            If there is none.
        """
        found = tuple(row.id for row in self.rows if row.level is not None and row.level == level)
        if not found:
            known = ", ".join(map(str, self.levels[:40])) or "none"
            raise InvalidArgumentError(
                f"no structure has level {short(level)}; the levels of this ontology: {known}"
            )
        return found

    def id_of(self, structure: str | int) -> int:
        """Return the id of a structure, given as its acronym or as its id.

        Raises
        ------
        InvalidArgumentError
            If there is none; says which are called much the same.
        """
        return self[structure].id

    def __getitem__(self, structure: object) -> Structure:
        """Return a structure by its acronym, in its own upper and lower case, or by its id."""
        if isinstance(structure, str):
            if structure in self._by_acronym:
                return self._by_id[self._by_acronym[structure]]
        elif isinstance(structure, int | np.integer) and not isinstance(structure, bool):
            if structure in self._by_id:
                return self._by_id[int(structure)]
        else:
            raise InvalidArgumentError(
                f"a structure is given as its acronym or its id, not as {short(structure)}"
            )
        kind = "acronym" if isinstance(structure, str) else "id"
        near = self._near(structure) if isinstance(structure, str) else ""
        raise InvalidArgumentError(f"no structure has the {kind} {short(structure)}{near}")

    def acronym(self, structure: str | int) -> str:
        """Return the acronym of a structure."""
        return self[structure].acronym

    def name(self, structure: str | int) -> str:
        """Return the name of a structure."""
        return self[structure].name

    def colour(self, structure: str | int) -> str:
        """Return the colour that Allen draws a structure in, as "#rrggbb"."""
        return self[structure].colour

    def parent(self, structure: str | int) -> int | None:
        """Return the id of what a structure is part of; None of the root."""
        return self[structure].parent

    def path(self, structure: str | int) -> tuple[int, ...]:
        """Return the ids from the root to a structure, which is the last."""
        return self[structure].path

    def ancestors(self, structure: str | int) -> tuple[int, ...]:
        """Return the ids of all that a structure is part of, from the root on, without itself."""
        return self[structure].path[:-1]

    def descendants(self, structure: str | int) -> tuple[int, ...]:
        """Return the ids of a structure and of all its parts, in graph order."""
        out, waiting = [], [self.id_of(structure)]
        while waiting:
            out.append(waiting.pop())
            waiting += reversed(self._children[out[-1]])
        return tuple(out)

    def is_in(
        self, labels: ArrayLike, structure: str | int | Iterable[str | int]
    ) -> NDArray[np.bool_]:
        """Return where labels are of a structure, or of several, or of any of their parts.

        Parameters
        ----------
        labels : array of int
            Ids, of any shape; 0 and ids that are not in the ontology are in no structure.
        structure : str, int, or iterable of these
            Acronyms or ids.
        """
        labels = np.asarray(labels)
        if labels.dtype.kind not in "ui":
            raise InvalidArgumentError(f"labels are whole numbers, not {labels.dtype}")
        some = [structure] if isinstance(structure, str | int | np.integer) else structure
        parts = {part for one in some for part in self.descendants(one)}
        wanted = np.array(sorted(p for p in parts if p <= np.iinfo(labels.dtype).max), labels.dtype)
        if not wanted.size:
            return np.zeros(labels.shape, bool)
        # numpy's isin sorts all labels, which are many, where here few are looked up in.
        places = np.searchsorted(wanted, labels)
        return np.asarray(wanted[np.minimum(places, wanted.size - 1)] == labels)

    def table(self) -> pd.DataFrame:
        """Return a row for each structure, in graph order.

        Columns are id, acronym, name, parent (missing of the root), path (ids from the root,
        between slashes, as Allen writes it: "/997/8/"), graph_order, level and colour.
        """
        import pandas as pd

        rows = self.rows
        return pd.DataFrame(
            {
                "id": np.array([row.id for row in rows], np.int64),
                "acronym": [row.acronym for row in rows],
                "name": [row.name for row in rows],
                "parent": pd.array([row.parent for row in rows], "Int64"),
                "path": ["".join(f"/{n}" for n in row.path) + "/" for row in rows],
                "graph_order": np.array([row.graph_order for row in rows], np.int64),
                "level": pd.array([row.level for row in rows], "Int64"),
                "colour": [row.colour for row in rows],
            }
        )

    def _near(self, word: str) -> str:
        """Return in words which structures are called about so: by acronym, or by name."""
        word = word[:_LONGEST_ACRONYM].casefold().strip()
        names: dict[str, list[str]] = {}
        for row in self.rows:
            for called in (row.acronym, row.name[:_LONGEST_ACRONYM]):
                names.setdefault(called.casefold(), []).append(row.acronym)
        found = get_close_matches(word, names, _MOST_NEAR, 0.75)
        near = list(dict.fromkeys(acronym for called in found for acronym in names[called]))
        if not near:
            return ""
        told = [f"{self.acronym(one)} ({self.name(one)})" for one in near[:_MOST_NEAR]]
        return f"; did you mean {' or '.join(told)}?"


def parse_structures(record: Any) -> Structures:
    """Check an ontology as ``structure_graph_download`` gives it: structures within structures.

    Parameters
    ----------
    record : mapping or list
        The root's record with its ``children``, alone, in a list or in the service's envelope.

    Raises
    ------
    MetadataError
        If it is no such tree: without a root, with ids or acronyms missing or used twice, deeper or
        larger than any ontology is.
    """
    rows: list[Structure] = []
    taken: dict[int | str, int] = {}
    waiting: list[tuple[Any, tuple[int, ...]]] = [(_find_root(record), ())]
    while waiting:
        found, above = waiting.pop()
        if len(rows) >= _MOST:
            raise MetadataError(f"the ontology has more than {_MOST:,} structures")
        if len(above) >= _DEEPEST:
            raise MetadataError(f"the ontology is nested more than {_DEEPEST} levels deep")
        row = _parse_structure(found, above, len(rows))
        for key in (row.id, row.acronym):
            if key in taken:
                raise MetadataError(
                    f"the ontology has two structures {short(key)}: {taken[key]} and {row.id}"
                )
            taken[key] = row.id
        rows.append(row)
        children = items(found, "children", f"structure {row.id}")
        waiting += [(child, row.path) for child in reversed(sorted(children, key=_order))]
    return Structures(tuple(rows))


def _find_root(record: Any) -> Mapping[str, Any]:
    if isinstance(record, Mapping) and "id" in record and "msg" in record:
        record = record["msg"]
    if isinstance(record, list | tuple) and len(record) == 1:
        record = record[0]
    if not isinstance(record, Mapping):
        raise MetadataError("this is no ontology: it holds no root of structures")
    return record


def _order(record: Any) -> int:
    """Return what structures are sorted by; of those that do not tell, the order stays."""
    with suppress(MetadataError):
        if isinstance(record, Mapping):
            return integer(record, "graph_order", "", 0, _LARGEST_ID)
    return _LARGEST_ID


def _parse_structure(record: Any, above: tuple[int, ...], position: int) -> Structure:
    if not isinstance(record, Mapping):
        raise MetadataError(f"expected a structure's record, got {short(record)}")
    found = integer(record, "id", "structure", 1, _LARGEST_ID)
    name = f"structure {found}"
    parent = above[-1] if above else None
    said = record.get("parent_structure_id", parent)
    if said != parent and above:  # a root may be part of what is left out
        raise MetadataError(f"{name} is among the parts of {parent}, and says {short(said)}")
    order, level = (
        None if record.get(key) is None else integer(record, key, name, 0, _LARGEST_ID)
        for key in ("graph_order", "st_level")
    )
    return Structure(
        id=found,
        acronym=_text(record, "acronym", name, _LONGEST_ACRONYM),
        name=_text(record, "name", name, _LONGEST_NAME),
        parent=parent,
        path=(*above, found),
        graph_order=position if order is None else order,
        level=level,
        colour=_colour(record.get("color_hex_triplet"), name),
    )


def _text(record: Mapping[str, Any], key: str, name: str, most: int) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        raise MetadataError(f"{name}: its {key} is {short(value)}, not a word")
    if len(value) > most:
        raise MetadataError(f"{name}: its {key} has {len(value):,} characters, more than {most}")
    return one_line(value, 10 * most)  # what cannot be printed takes up to ten


def _colour(value: Any, name: str) -> str:
    if value is None or value == "":
        return _NO_COLOUR
    # A colour of digits alone is a number in some records.
    digits = f"{value:06d}" if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(digits, str) or not re.fullmatch("#?[0-9A-Fa-f]{6}", digits):
        raise MetadataError(f"{name}: its color_hex_triplet is {short(value)}, not six digits")
    return f"#{digits.removeprefix('#').lower()}"
