"""How sections are cut, by Allen's numbers and names. Pure."""

from __future__ import annotations

import re

from atldld_xr.catalogue.values import number_of
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

PLANE_NAMES = {
    1: "coronal",
    2: "sagittal",
    4: "variable",
    5: "n/a",
    6: "transverse",
    7: "lateral to medial",
    8: "medial to lateral",
    9: "ventral to dorsal",
    10: "dorsal to ventral",
    11: "coronal (caudal to rostral)",
    531107579: "coronal (rostral to caudal)",
    1082279372: "tangential",
}
"""By Allen's ``plane_of_section_id``."""


def plane_id(plane: object) -> int:
    """Return the id of a plane that is given by id or by name, whatever capitals and commas.

    Raises
    ------
    InvalidArgumentError
        If there is none such.
    """
    number = number_of(plane)
    if isinstance(plane, str):
        words = _words(plane)
        number = next((key for key, name in PLANE_NAMES.items() if _words(name) == words), None)
    if number not in PLANE_NAMES:
        raise InvalidArgumentError(
            f"plane {short(plane)} is none that there is: {', '.join(PLANE_NAMES.values())}"
        )
    return int(number)


def _words(name: str) -> list[str]:
    return re.findall(r"\w+", name.casefold())
