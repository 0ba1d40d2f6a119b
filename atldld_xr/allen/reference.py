"""The reference space, its planes and the pixel grids laid over them. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

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

    Parameters
    ----------
    id : int
        Allen's ``ReferenceSpace.id``.
    name : str
        Allen's name of it.
    extent : tuple of float
        Size along (p, i, r) = (posterior, inferior, right), in micrometres.

    Raises
    ------
    InvalidArgumentError
        If the id is no positive whole number, or the extent not three lengths from 100 to 100 000.

    Examples
    --------
    >>> from atldld_xr import ReferenceSpace
    >>> ReferenceSpace(2, "E13.5 Brain", (8900.0, 10900.0, 6900.0)).extent
    (8900.0, 10900.0, 6900.0)
    """

    id: int
    name: str
    extent: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not isinstance(self.id, int | np.integer) or isinstance(self.id, bool) or self.id < 1:
            raise InvalidArgumentError(
                f"the id of a reference space is a positive whole number, not {short(self.id)}"
            )
        if not isinstance(self.name, str):
            raise InvalidArgumentError(f"a reference space's name is text, not {short(self.name)}")
        object.__setattr__(self, "id", int(self.id))
        object.__setattr__(self, "extent", check_extent(self.extent))

    @property
    def is_adult(self) -> bool:
        """Whether it is one of the two of the adult mouse, which the annotation is of."""
        return self.id in REFERENCE_SPACES


def check_extent(extent: object) -> tuple[float, float, float]:
    """Return an extent as three numbers.

    Raises
    ------
    InvalidArgumentError
        If it is not three lengths from 100 to 100 000 micrometres: an embryo's brain has 5000.
    """
    values = extent.tolist() if isinstance(extent, np.ndarray) else extent
    real = int | float | np.integer | np.floating
    if (
        isinstance(values, list | tuple)
        and len(values) == _AXES
        and all(isinstance(v, real) and not isinstance(v, bool) for v in values)
        and all(_LEAST_EXTENT <= v <= _MOST_EXTENT for v in values)
    ):
        p, i, r = map(float, values)
        return p, i, r
    raise InvalidArgumentError(
        "extent is the size of the reference space along (p, i, r), three numbers of micrometres "
        f"from {_LEAST_EXTENT:g} to {_MOST_EXTENT:g}, not {short(extent)}"
    )


_AXES = 3
_LEAST_EXTENT, _MOST_EXTENT = 100.0, 100_000.0

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
    dim : {"coronal", "sagittal"}
        Name of the dimension across sections.
    section_axis, y_axis, x_axis : int
        Which of (p, i, r) runs across sections, down the rows and along the columns.
    """

    dim: Literal["coronal", "sagittal"]
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
        For any other than 9 and 10, the adult (P56) mouse brain and its mirror image: of these
        alone the extent is known.
    """
    try:
        return REFERENCE_SPACES[reference_space]
    except (KeyError, TypeError):  # of what cannot be a key
        raise InvalidArgumentError(
            f"the extent of reference space {short(reference_space)} is not known, only those of "
            f"{known_spaces()}: give a ReferenceSpace, or extent=(p, i, r)"
        ) from None


def known_spaces() -> str:
    """Return in words the spaces whose extent is known."""
    return " and ".join(f"{s.id} ({s.name})" for s in REFERENCE_SPACES.values())


EXTENT = "reference_space_extent"
"""The attribute of a Dataset that says how large another space than the adult's is."""


def extent_attribute(space: ReferenceSpace) -> dict[str, list[float]]:
    """Return what is said of a space whose id does not tell how large it is."""
    return {} if space.is_adult else {EXTENT: list(space.extent)}


def space_told(attributes: Mapping[Any, Any], default: int) -> ReferenceSpace:
    """Return the space that the attributes of a Dataset name.

    Raises
    ------
    InvalidArgumentError
        If they do not say how large it is.
    """
    space_id = attributes.get("reference_space_id", default)
    if EXTENT not in attributes:
        return get_space(space_id)
    return ReferenceSpace(space_id, "", check_extent(attributes[EXTENT]))


def check_adult(attributes: Mapping[Any, Any], what: str) -> None:
    """Refuse what is of the adult mouse for a Dataset whose attributes name another space.

    Raises
    ------
    InvalidArgumentError
        Then; it says which space.
    """
    own = attributes.get("registered_to_reference_space_id")
    if own is not None and own not in REFERENCE_SPACES:
        raise InvalidArgumentError(
            f"{what} is of the adult mouse, reference spaces {known_spaces()}; this is registered "
            f"to reference space {short(own)}"
        )


def change_space(source: int, target: int) -> NDArray[np.float64]:
    """Return the (4, 4) affine that takes (p, i, r, 1) in one reference space to another.

    Raises
    ------
    InvalidArgumentError
        If none is known: of the two of the adult mouse it is.
    """
    matrix = np.eye(4)
    if source != target:
        if not {source, target} <= REFERENCE_SPACES.keys():
            raise InvalidArgumentError(
                f"no way from reference space {short(source)} to reference space {short(target)} "
                f"is known, only between {known_spaces()}: leave it out for the data set's own"
            )
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
