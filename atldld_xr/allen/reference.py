"""The reference space, its planes and the pixel grids laid over them. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

Anchor = Literal["center", "edge"]

FINEST_RESOLUTION = 0.1
"""Finest resolution taken, in micrometres: the sharpest Allen images have 0.35 um pixels."""


@dataclass(frozen=True)
class ReferenceSpace:
    """An Allen reference space.

    Attributes
    ----------
    id : int
        Allen's ``ReferenceSpace.id``.
    name : str
        Allen's name of it.
    extent : tuple of float
        Size along (p, i, r) = (posterior, inferior, right), in micrometres.
    """

    id: int
    name: str
    extent: tuple[float, float, float]


# Extent: 528 x 320 x 456 voxels of 25 um, the Allen mouse brain reference volume.
_P56_EXTENT = (13200.0, 8000.0, 11400.0)
REFERENCE_SPACES = {
    9: ReferenceSpace(9, "P56 Brain", _P56_EXTENT),
    10: ReferenceSpace(10, "P56 Brain, L/R Flipped", _P56_EXTENT),
}

# Allen's ReferenceToReferenceTransform record from 10 to 9: p and i stay, r9 = 11350 - r10
# (11350, not the extent of 11400). It is its own inverse.
_LEFT_RIGHT_FLIP = 11350.0

MIDLINE = 5700.0
"""The r between the halves of the brain, in micrometres: the annotation is symmetric about it."""


@dataclass(frozen=True)
class Plane:
    """A plane of section, and how its sections are laid out as arrays.

    Attributes
    ----------
    dim : str
        Name of the dimension across sections.
    section_axis, y_axis, x_axis : int
        Which of (p, i, r) runs across sections, down the rows and along the columns.
    """

    dim: str
    section_axis: int
    y_axis: int
    x_axis: int


CORONAL = Plane("coronal", 0, 1, 2)
SAGITTAL = Plane("sagittal", 2, 1, 0)
PLANES = {1: CORONAL, 2: SAGITTAL}
"""By Allen's ``plane_of_section_id``. The other ids are transverse, tangential or variable."""

SECTION_DIMS = tuple(plane.dim for plane in PLANES.values())
"""The dimension across sections, by the plane in which a data set was cut."""


def get_space(reference_space: int) -> ReferenceSpace:
    """Return a known reference space.

    Raises
    ------
    InvalidArgumentError
        For any other than 9 and 10, the adult (P56) mouse brain and its mirror image.
    """
    try:
        return REFERENCE_SPACES[reference_space]
    except (KeyError, TypeError):  # of what cannot be a key
        raise InvalidArgumentError(
            f"reference space {short(reference_space)} is not known; the ones supported are "
            + ", ".join(f"{s.id} ({s.name})" for s in REFERENCE_SPACES.values())
        ) from None


def change_space(source: int, target: int) -> NDArray[np.float64]:
    """Return the (4, 4) affine that takes (p, i, r, 1) in one reference space to another."""
    get_space(source), get_space(target)
    matrix = np.eye(4)
    if source != target:
        matrix[2, 2], matrix[2, 3] = -1.0, _LEFT_RIGHT_FLIP
    return matrix


def mirror() -> NDArray[np.float64]:
    """Return the (4, 4) affine that takes (p, i, r, 1) to Allen's mirror image of it, and back."""
    return change_space(9, 10)


@dataclass(frozen=True)
class Grid:
    """The pixels of every registered section of a data set.

    Attributes
    ----------
    plane : Plane
        Coronal or sagittal.
    space : ReferenceSpace
        What the coordinates are in.
    resolution : float
        Pixel size, in micrometres.
    anchor : {"center", "edge"}
        Whether pixel k is centred at ``(k + 0.5) * resolution`` or at ``k * resolution``.

    Raises
    ------
    InvalidArgumentError
        For a resolution that is no number from 0.1 um to the extent, or an unknown anchor.
    """

    plane: Plane
    space: ReferenceSpace
    resolution: float
    anchor: Anchor = "center"

    def __post_init__(self) -> None:
        largest = min(self.space.extent[self.plane.y_axis], self.space.extent[self.plane.x_axis])
        real = int | float | np.integer | np.floating
        if not isinstance(self.resolution, real) or isinstance(self.resolution, bool):
            raise InvalidArgumentError(
                f"resolution must be a number of micrometres, not {short(self.resolution)}"
            )
        if not FINEST_RESOLUTION <= self.resolution <= largest:
            raise InvalidArgumentError(
                f"resolution={self.resolution} is out of range: pixels can be from "
                f"{FINEST_RESOLUTION} to {largest:g} micrometres"
            )
        object.__setattr__(self, "resolution", float(self.resolution))
        # An array would be compared element by element.
        if not isinstance(self.anchor, str) or self.anchor not in ("center", "edge"):
            raise InvalidArgumentError(
                f'anchor must be "center" or "edge", not {short(self.anchor)}'
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns: the whole pixels that fit the reference space."""
        return self._count(self.plane.y_axis), self._count(self.plane.x_axis)

    @property
    def offset(self) -> float:
        """Where the centre of pixel 0 is, in pixels: the only half of the output grid."""
        return 0.5 if self.anchor == "center" else 0.0

    @property
    def y(self) -> NDArray[np.float64]:
        """Coordinates of the rows' centres, in micrometres."""
        return self._centres(self.shape[0])

    @property
    def x(self) -> NDArray[np.float64]:
        """Coordinates of the columns' centres, in micrometres."""
        return self._centres(self.shape[1])

    @property
    def to_index(self) -> NDArray[np.float64]:
        """The (3, 3) affine that takes (y, x, 1) in micrometres to (row, column, 1)."""
        step = 1 / self.resolution
        return np.array([[step, 0, -self.offset], [0, step, -self.offset], [0, 0, 1]])

    def _centres(self, count: int) -> NDArray[np.float64]:
        return (np.arange(count, dtype=np.float64) + self.offset) * self.resolution

    def _count(self, axis: int) -> int:
        # The tolerance keeps 8000 / 0.1 and the like from losing a pixel to rounding.
        return math.floor(self.space.extent[axis] / self.resolution + 1e-9)
