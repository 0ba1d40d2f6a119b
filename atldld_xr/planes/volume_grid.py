"""The voxels of a volume of the whole reference space, and the planes that sections go to. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.reference import FINEST_RESOLUTION, Grid, Plane, mirror
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

_MM = 1000.0  # micrometres
_NAMED = 4  # collisions written out, at most


@dataclass(frozen=True)
class VolumeGrid:
    """Voxels along (p, i, r), of which voxel k is centred at ``(k + 0.5) * spacing``.

    Attributes
    ----------
    sections : Grid
        The pixels of the sections.
    step : float
        From one plane to the next, in micrometres.
    mirrored : bool
        Whether the voxels show the mirror image of the brain, left tissue at high r.

    Raises
    ------
    InvalidArgumentError
        For a step that is no number from 0.1 um to the extent of the space.
    """

    sections: Grid
    step: float
    mirrored: bool = False

    def __post_init__(self) -> None:
        largest = self.sections.space.extent[self.section_axis]
        real = int | float | np.integer | np.floating
        if not isinstance(self.step, real) or isinstance(self.step, bool):
            raise InvalidArgumentError(
                f"step must be a number of micrometres, not {short(self.step)}"
            )
        if not FINEST_RESOLUTION <= self.step <= largest:
            raise InvalidArgumentError(
                f"step={self.step} is out of range: planes can be from {FINEST_RESOLUTION} to "
                f"{largest:g} micrometres apart"
            )
        object.__setattr__(self, "step", float(self.step))

    @property
    def plane(self) -> Plane:
        """The plane of section."""
        return self.sections.plane

    @property
    def section_axis(self) -> int:
        """Which of (p, i, r) runs across the sections."""
        return self.plane.section_axis

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along (p, i, r): the whole ones that fit the reference space."""
        out = [0, 0, 0]
        out[self.plane.y_axis], out[self.plane.x_axis] = self.sections.shape
        extent = self.sections.space.extent[self.section_axis]
        # The tolerance of `Grid`: it keeps 8000 / 0.1 and the like from losing one to rounding.
        out[self.section_axis] = math.floor(extent / self.step + 1e-9)
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
        """
        to_reference = np.diag([*self.spacing, 1.0])
        to_reference[:3, 3] = np.divide(self.spacing, 2)
        p, i, r, one = (mirror() if self.mirrored else np.eye(4)) @ to_reference
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

    @property
    def name(self) -> str:
        """What it is called in messages."""
        image = self.facts.get("section_image_id")
        known = f"section image {image}" if image is not None else f"section {self.index}"
        return f"{known} ({self.coordinate:.1f} um)"


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
    if not np.isfinite(coordinates).all():
        raise InvalidArgumentError("a section's coordinate is no finite number")
    placed = [
        PlacedSection(index, _nearest(at, grid.step, grid.planes), float(at), known)
        for index, (at, known) in enumerate(zip(coordinates, facts, strict=True))
    ]
    placed.sort(key=lambda section: section.coordinate)
    collisions = list(_collisions(placed))
    if collisions:
        raise InvalidArgumentError(_explain(collisions, grid, placed))
    if all(section.plane is None for section in placed):
        raise InvalidArgumentError("no section lies inside the reference space")
    return placed


def _nearest(coordinate: float, step: float, count: int) -> int | None:
    """Return the plane whose centre, ``(k + 0.5) * step``, is nearest; None for outside."""
    plane = math.floor(coordinate / step) if coordinate >= 0 else -1  # not of rounding
    return plane if 0 <= plane < count else None


def _collisions(
    placed: Sequence[PlacedSection],
) -> Iterator[tuple[PlacedSection, PlacedSection]]:
    """Yield neighbours, in order of coordinate, that have the same plane."""
    for one, other in pairwise(placed):
        if one.plane is not None and one.plane == other.plane:
            yield one, other


def _explain(
    collisions: Sequence[tuple[PlacedSection, PlacedSection]],
    grid: VolumeGrid,
    placed: Sequence[PlacedSection],
) -> str:
    named = [f"{a.name} and {b.name} in plane {a.plane}" for a, b in collisions[:_NAMED]]
    if len(collisions) > _NAMED:
        named.append(f"and {len(collisions) - _NAMED} more")
    step = _separating(grid, [section.coordinate for section in placed])
    advice = (
        "no step separates them: leave one out with .isel()"
        if step is None
        else f"step={step:g} separates them, or leave one out with .isel()"
    )
    return f"two sections lie in one plane at step={grid.step:g} um: {'; '.join(named)}. {advice}"


def _separating(grid: VolumeGrid, coordinates: Sequence[float]) -> float | None:
    """Return about the largest whole part of the step at which no two sections share a plane."""
    extent = grid.sections.space.extent[grid.section_axis]
    inside = np.array([c for c in coordinates if 0 <= c < extent])
    gap = float(np.diff(inside).min())
    if gap <= FINEST_RESOLUTION:
        return None
    # At a step below the smallest gap none do.
    for part in range(2, math.ceil(grid.step / gap) + 2):
        step = float(f"{grid.step / part:g}")  # as it is written in the message
        if step >= FINEST_RESOLUTION and np.diff(np.floor(inside / step)).all():
            return step
    return None
