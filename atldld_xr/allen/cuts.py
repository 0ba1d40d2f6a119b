"""Where the pixels of a grid meet sections: by projection, or on a section's own plane. Pure.

Each output pixel is a column of the reference space, along the axis across sections, at its (y, x).
"projected": one coordinate is taken for all, and its points are projected on the section along its
normal. "oblique": each pixel is read where its column meets the section, so that what is shown at
(y, x) truly lies at (y, x), and the coordinate changes from pixel to pixel.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.matrices import product
from atldld_xr.allen.poses import SectionPose
from atldld_xr.allen.reference import Grid, Plane
from atldld_xr.errors import MetadataError

Array = NDArray[np.float64]

Viewed = Literal["projected", "oblique"]

VIEWED: tuple[Viewed, ...] = ("projected", "oblique")

PROJECTED, OBLIQUE = VIEWED

LEAST_NORMAL = 0.1
"""Of the normal, the part across sections: with less, a section is within 6 degrees of the axis."""


def plane_of(pose: SectionPose, plane: Plane) -> Array:
    """Return the (3,) row from (y, x, 1), in micrometres, to the coordinate of a section there.

    Parameters
    ----------
    pose : SectionPose
        How the section lies.
    plane : Plane
        The plane of section, in which y and x are.

    Raises
    ------
    MetadataError
        If the section is so nearly parallel to the axis across sections that it has no coordinate
        at (y, x).
    """
    across = pose.across
    normal = across[plane.section_axis]
    if not abs(normal) >= LEAST_NORMAL * np.linalg.norm(across[:3]):  # also of what is no number
        raise MetadataError(
            f"it lies along the axis across sections ({plane.dim}), and is no {plane.dim} section"
        )
    row: Array = -across[[plane.y_axis, plane.x_axis, 3]] / normal
    return row


def projected_affine(pose: SectionPose, grid: Grid, coordinate: float) -> Array:
    """Return the (2, 3) affine from output index (row, column, 1) to full-resolution pixels (x, y).

    Parameters
    ----------
    pose : SectionPose
        How the section lies.
    grid : Grid
        The output pixels.
    coordinate : float
        Where the output plane lies across sections, in micrometres.
    """
    return _affine(pose, grid, np.array([0.0, 0.0, coordinate]))


def oblique_affine(pose: SectionPose, grid: Grid) -> Array:
    """Return the (2, 3) affine from output index (row, column, 1) to full-resolution pixels (x, y).

    Each is the pixel of what truly lies at the output pixel's (y, x).

    Raises
    ------
    MetadataError
        As `plane_of`.
    """
    return _affine(pose, grid, plane_of(pose, grid.plane))


def projected_tilt(pose: SectionPose, grid: Grid, affine: Array) -> Array:
    """Return how the true coordinate of what is shown changes along (y, x), by an affine."""
    shown = pose.to_reference[grid.plane.section_axis, :2]
    tilt: Array = product(shown[None], affine[:, :2])[0] / grid.resolution
    return tilt


def _affine(pose: SectionPose, grid: Grid, row: Array) -> Array:
    """Return the affine to pixels of points whose coordinate is a row of (y, x, 1)."""
    plane = grid.plane
    point = np.zeros((4, 3))  # (y, x, 1) -> (p, i, r, 1)
    point[plane.section_axis] = row
    point[plane.y_axis, 0] = point[plane.x_axis, 1] = point[3, 2] = 1.0
    return product(product(pose.to_image, point), _to_micrometres(grid))


def _to_micrometres(grid: Grid) -> Array:
    """Return the (3, 3) affine from (row, column, 1) to (y, x, 1): that of `Grid.to_index` back."""
    step, first = grid.resolution, grid.offset * grid.resolution
    return np.array([[step, 0.0, first], [0.0, step, first], [0.0, 0.0, 1.0]])
