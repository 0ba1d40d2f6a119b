"""The colour that a structure is drawn in. Pure."""

from __future__ import annotations

from atldld_xr.allen.structures import Structures
from atldld_xr.errors import InvalidArgumentError

_UNKNOWN = "#808080"


def colour_of(ontology: Structures | None, structure: str | int) -> str:
    """Return Allen's colour of a structure, as "#rrggbb"; grey of what an ontology has not.

    Parameters
    ----------
    ontology : Structures or None
        Where it is looked for.
    structure : str or int
        Its acronym or id.
    """
    if ontology is None:
        return _UNKNOWN
    try:
        return ontology.colour(structure)
    except InvalidArgumentError:
        return _UNKNOWN
