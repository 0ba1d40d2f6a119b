"""Anchors: where a picture of a section lies in an atlas, as QuickNII and DeepSlice say it. Pure.

Three vectors, in voxels of an atlas whose axes lead right, anterior and superior: the picture's top
left corner `o`, and its upper and left edges `u` and `v`, from edge to edge. They need not be
perpendicular, nor of one scale: each section has an affine of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.poses import SectionPose
from atldld_xr.allen.reference import get_space
from atldld_xr.errors import RegistrationError
from atldld_xr.messages.repeating import short

Array = NDArray[np.float64]
Vector = tuple[float, float, float]

VOXELS = (456, 528, 320)
"""Of the atlas at 25 um, along right, anterior and superior."""

VOXEL = 25.0
"""Size of its voxels, in micrometres."""

_FARTHEST = 1e6  # um from the atlas' corner, and a picture's largest side


@dataclass(frozen=True)
class Anchors:
    """Where a picture lies.

    Attributes
    ----------
    o, u, v : tuple of float
        The top left corner, and the edges that lead to the right and down from it, in voxels.
    voxel : float
        Size of a voxel, in micrometres.
    """

    o: Vector
    u: Vector
    v: Vector
    voxel: float = VOXEL

    @classmethod
    def of(cls, numbers: object, voxel: float = VOXEL) -> Anchors:
        """Return the anchors of nine numbers, o, u and v.

        Raises
        ------
        RegistrationError
            If they are no nine numbers, or none that a picture of a brain can have.
        """
        if not isinstance(numbers, Sequence) or isinstance(numbers, str) or len(numbers) != 9:
            raise RegistrationError(f"anchoring is {short(numbers)}, not nine numbers")
        found = [_number(value, _FARTHEST / voxel) for value in numbers]
        o, u, v = (tuple(found[k : k + 3]) for k in (0, 3, 6))
        return cls(o, u, v, voxel)  # type: ignore[arg-type]  # of three each

    @property
    def numbers(self) -> list[float]:
        """The nine numbers."""
        return [*self.o, *self.u, *self.v]

    def pose(self, image: SectionImage, like: SectionPose) -> SectionPose:
        """Return the pose of a section image that the whole picture is of, at whatever size.

        Parameters
        ----------
        image : SectionImage
            Its full resolution is what the pose's pixels are.
        like : SectionPose
            Whose distances grow to the same side.

        Returns
        -------
        SectionPose
            In the space in which the data set is registered, where left lies left.

        Raises
        ------
        RegistrationError
            If the edges span no plane.
        """
        right = _directions(self.u) * self.voxel / image.width
        down = _directions(self.v) * self.voxel / image.height
        normal = np.cross(right, down)
        length = float(np.linalg.norm(normal))
        # Of edges of no length, or on one line.
        if not length > 1e-6 * float(np.linalg.norm(right) * np.linalg.norm(down)) > 0:
            raise RegistrationError("its u and v span no plane")
        normal /= length
        if normal @ like.across[:3] < 0:
            normal = -normal
        first = _point(self.o, self.voxel) + (right + down) / 2  # the centre of pixel 0
        back = np.linalg.inv(np.column_stack([right, down, normal]))
        back[2] = normal  # as it is, but for rounding
        return SectionPose.of(np.column_stack([back, -back @ first]))

    @classmethod
    def from_pose(cls, pose: SectionPose, image: SectionImage) -> Anchors:
        """Return the anchors of a picture of a whole section image, in voxels of 25 um.

        The distance across sections plays no part in them.
        """
        to_reference = pose.to_reference
        right, down = to_reference[:, 0] * image.width, to_reference[:, 1] * image.height
        corner = to_reference @ [-0.5, -0.5, 1.0]
        return cls(_voxels(corner), _along(right), _along(down))


def voxel_of(resolution: object, target: str) -> float:
    """Return the size of the voxels of an atlas, in micrometres.

    Parameters
    ----------
    resolution : object
        Its voxels along three axes, if the file tells.
    target : str
        Its name, in which the size may be.

    Raises
    ------
    RegistrationError
        If it is not the Allen atlas of the mouse, in whichever resolution.
    """
    import re

    if resolution is not None:
        if not isinstance(resolution, list | tuple) or len(resolution) != 3:
            raise RegistrationError(f"target-resolution is {short(resolution)}, not three numbers")
        counts = [_number(count, 1e6) for count in resolution]
        # Other sizes of voxels have whole numbers of them, nearly as many as fit.
        voxel = VOXELS[0] * VOXEL / max(counts[0], 1)
        sides = zip(counts, VOXELS, strict=True)
        if any(abs(count * voxel - whole * VOXEL) >= voxel for count, whole in sides):
            raise RegistrationError(
                f"target-resolution is {short(resolution)}, which is not that of the Allen atlas "
                f"of the mouse, {list(VOXELS)} at {VOXEL:g} um"
            )
        return voxel
    if re.search(r"rat|whs|waxholm|human|macaque", target, re.IGNORECASE):
        raise RegistrationError(
            f"its target is {short(target)}, and not the Allen atlas of the mouse"
        )
    named = re.search(r"(?<!\d)(10|20|25|50|100)[ _]?um", target)
    return float(named[1]) if named else VOXEL


def _number(value: object, most: float) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= most:
        return float(value)
    raise RegistrationError(f"{short(value)} is not a number of at most {most:g}")


def _directions(voxels: Vector) -> Array:
    """Return (p, i, r) of a direction: right, anterior and superior are +r, -p and -i."""
    right, anterior, superior = voxels
    return np.array([-anterior, -superior, right])


def _point(voxels: Vector, voxel: float) -> Array:
    p, i, _ = get_space(9).extent
    return np.array([p, i, 0.0]) + _directions(voxels) * voxel


def _along(pir: Array) -> Vector:
    p, i, r = (pir / VOXEL).tolist()
    return r, -p, -i


def _voxels(pir: Array) -> Vector:
    p, i, _ = get_space(9).extent
    return _along(pir - np.array([p, i, 0.0]))
