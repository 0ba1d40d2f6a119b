"""A phantom in a reference space of its own, like Allen's data sets of the developing mouse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from atldld_xr.allen.reference import ReferenceSpace
from atldld_xr.phantom.alignment import alignment3d
from atldld_xr.phantom.grid import SPACING
from atldld_xr.phantom.phantom import Phantom

DEVELOPING_ID = 900000004

DEVELOPING_SPACE = ReferenceSpace(910, "Phantom P4", (12000.0, 7600.0, 9000.0))
"""Smaller than the adult's along each axis. None of Allen's has such an id."""

_AGE = {"id": 7, "name": "P4", "days": 4.0, "embryonic": False}


@dataclass(frozen=True)
class DevelopingPhantom(Phantom):
    """Thin sagittal sections through the phantom brain, registered to another space.

    Parameters
    ----------
    space : ReferenceSpace
        Where they are registered to. Its record says nothing of the extent, but the grid does.
    thickness : float
        Of a section, in micrometres.
    """

    id: int = DEVELOPING_ID
    plane: Literal["coronal", "sagittal"] = "sagittal"
    count: int = 8
    spacing: int = 20
    first: int = 11
    space: ReferenceSpace = DEVELOPING_SPACE
    thickness: float = 20.0

    @property
    def reference_space_id(self) -> int:
        """Where its ``tvr`` leads."""
        return self.space.id

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """Voxels of its grid along (p, i, r)."""
        p, i, r = (round(side / SPACING) + 1 for side in self.space.extent)
        return p, i, r

    def _record(self) -> dict[str, Any]:
        phantom = super()._record()
        ends = self.section_number(0), self.section_number(self.count - 1)
        aligned = phantom["alignment3d"] | alignment3d(self.plane, ends, self.thickness)
        donor = phantom["specimen"]["donor"] | {"age": _AGE}
        space = {"id": self.space.id, "name": self.space.name, "age_id": _AGE["id"], "age": _AGE}
        return phantom | {
            "section_thickness": self.thickness,
            "alignment3d": aligned,
            "specimen": phantom["specimen"] | {"donor": donor},
            "reference_space": space,
        }


DEVELOPING = DevelopingPhantom()
