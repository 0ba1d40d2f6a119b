"""The voxels of a volume of the whole reference space, and the planes that sections go to. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.reference import Grid, Plane, mirror
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.planes.placing import check_step, count_planes, place
from atldld_xr.planes.sides import TRUE_SIDES, Sides

_MM = 1000.0  # micrometres


@dataclass(frozen=True)
class VolumeGrid:
    """Voxels along (p, i, r), of which voxel k is centred at ``(k + 0.5) * spacing``.

    Attributes
    ----------
    sections : Grid
        The pixels of the sections.
    step : float
        From one plane to the next, in micrometres.
    sides : Sides
        On which side the voxels show left.

    Raises
    ------
    InvalidArgumentError
        For a step that is no number from 0.1 um to the extent of the space.
    """

    sections: Grid
    step: float
    sides: Sides = TRUE_SIDES

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", check_step(self.step, self.extent))

    @property
    def plane(self) -> Plane:
        """The plane of section."""
        return self.sections.plane

    @property
    def section_axis(self) -> int:
        """Which of (p, i, r) runs across the sections."""
        return self.plane.section_axis

    @property
    def extent(self) -> float:
        """How far the reference space reaches across the sections, in micrometres."""
        return self.sections.space.extent[self.section_axis]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along (p, i, r): the whole ones that fit the reference space."""
        out = [0, 0, 0]
        out[self.plane.y_axis], out[self.plane.x_axis] = self.sections.shape
        out[self.section_axis] = count_planes(self.extent, self.step)
        return out[0], out[1], out[2]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Size of a voxel along (p, i, r), in micrometres."""
        out = [self.sections.resolution] * 3
        out[self.section_axis] = self.step
        return out[0], out[1], out[2]

    @property
    def planes(self) -> int:
        """How many planes there are across the sections."""
        return self.shape[self.section_axis]

    @property
    def affine(self) -> NDArray[np.float64]:
        """The (4, 4) affine from indices (p, i, r) to (right, anterior, superior) in millimetres.

        World zero is the corner of the space that the data set is registered to; index 0 is a
        voxel's centre. A voxel leads to where its tissue is in the brain: of mirrored ones the
        third axis leads to the left.

        Raises
        ------
        InvalidArgumentError
            If it is not known on which side they show left.
        """
        if self.sides.mirrored is None:
            raise InvalidArgumentError(
                "this format says which side of the brain is left, and of this Dataset that is not "
                'known: its attributes are lost. Write NRRD with header="allen", or set the '
                "attributes reference_space_id and registered_to_reference_space_id to what "
                "open_dataset gives them"
            )
        to_reference = np.diag([*self.spacing, 1.0])
        to_reference[:3, 3] = np.divide(self.spacing, 2)
        p, i, r, one = (mirror() if self.sides.mirrored else np.eye(4)) @ to_reference
        return np.array([r / _MM, -p / _MM, -i / _MM, one])


@dataclass(frozen=True)
class PlacedSection:
    """A section, and the plane of the volume that it goes to.

    Attributes
    ----------
    index : int
        Its place in the Dataset.
    plane : int or None
        Its plane, None where the section lies outside the volume.
    coordinate : float
        Where it truly is, in micrometres.
    facts : mapping
        What else is known of it: its id, its tilt.
    """

    index: int
    plane: int | None
    coordinate: float
    facts: Mapping[str, Any]


def place_sections(
    grid: VolumeGrid, coordinates: Sequence[float], facts: Sequence[Mapping[str, Any]]
) -> list[PlacedSection]:
    """Return each section with its nearest plane, in order of coordinate.

    Parameters
    ----------
    grid : VolumeGrid
        The volume.
    coordinates : sequence of float
        Of the sections, in micrometres.
    facts : sequence of mapping
        What else is known of each.

    Raises
    ------
    InvalidArgumentError
        If a coordinate is no number, two sections have the same plane, or none has any.
    """
    planes = place(
        coordinates,
        grid.step,
        dim=grid.plane.dim,
        image_ids=[known.get("section_image_id") for known in facts],
        extent=grid.extent,
    )
    if all(plane is None for plane in planes):
        raise InvalidArgumentError("no section lies inside the reference space")
    placed = [
        PlacedSection(index, plane, float(coordinate), known)
        for index, (plane, coordinate, known) in enumerate(
            zip(planes, coordinates, facts, strict=True)
        )
    ]
    return sorted(placed, key=lambda section: section.coordinate)
