"""Whether sections can lie where a registration has them: one after the other, by their numbers.

Pure. Sections of one brain do not cross within it, and follow one another as they were cut. What is
otherwise is told for each two neighbours that are anchored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from atldld_xr.allen.cuts import plane_of
from atldld_xr.allen.metadata import SectionDataset, SectionImage
from atldld_xr.allen.poses import SectionPose, allen_pose
from atldld_xr.errors import MetadataError, RegistrationError

_CENTRE = (6600.0, 4000.0, 5700.0)
_RADII = (6000.0, 3500.0, 5000.0)
"""An ellipsoid within the brain, in (p, i, r): what crosses beside it is no matter."""

_SAME = 1.0  # um: two planes that are nowhere farther apart are one

_MOST_TURNED = 0.5  # of a section's normal, the least part across sections: 60 degrees
_MOST_STRETCH = 10.0  # as of Allen's own matrices


def check_pose(data: SectionDataset, image: SectionImage, pose: SectionPose) -> None:
    """Raise a RegistrationError for what cannot be a section's pose.

    Parameters
    ----------
    data, image : SectionDataset, SectionImage
        The data set and its section image.
    pose : SectionPose
        In the space that the data set is registered to.
    """
    matrix = np.asarray(pose.matrix)
    what = f"section image {image.id}"
    if matrix.shape != (3, 4) or not np.isfinite(matrix).all():
        raise RegistrationError(f"{what}: its pose is no (3, 4) matrix of numbers")
    length = float(np.linalg.norm(matrix[2, :3]))
    if not math.isclose(length, 1.0, rel_tol=1e-6):
        raise RegistrationError(
            f"{what}: the third row of its pose is no distance in micrometres: it grows by "
            f"{length:g} in each"
        )
    if not abs(np.linalg.det(matrix[:, :3])) > 1e-6 * np.prod(
        np.linalg.norm(matrix[:, :3], axis=1)
    ):
        raise RegistrationError(f"{what}: its pose cannot be inverted")
    sides = np.linalg.norm(pose.to_reference[:, :2], axis=0) / image.resolution
    if sides.min() < 1 / _MOST_STRETCH or sides.max() > _MOST_STRETCH:
        raise RegistrationError(
            f"{what}: its pixels of {image.resolution:g} um are taken for {sides[0]:.3g} x "
            f"{sides[1]:.3g} times as large"
        )
    share = abs(float(pose.across[data.plane.section_axis]))
    if share < _MOST_TURNED:
        degrees = math.degrees(math.acos(min(share, 1.0)))
        raise RegistrationError(
            f"{what}: it lies {degrees:.0f} degrees off the {data.plane.dim} plane, in which its "
            "data set was cut"
        )


def find_anomalies(data: SectionDataset, poses: Mapping[int, SectionPose]) -> list[str]:
    """Return in words what cannot be of some poses of a data set; nothing if all can.

    Parameters
    ----------
    data : SectionDataset
        The data set, whose section numbers and own registration say how sections follow.
    poses : mapping of SectionPose
        By the image's id, each as `check_pose` has it.
    """
    images = [image for image in data.images if image.id in poses]  # by section number
    out = []
    for image in images:
        by_allen, pose = (
            np.linalg.det(np.asarray(some.matrix)[:, :3])
            for some in (allen_pose(data, image), poses[image.id])
        )
        if by_allen * pose < 0:
            out.append(f"section image {image.id} is the mirror image of how Allen has it")
    for one, next_one in pairwise(images):
        found = _between(data, one, next_one, poses)
        if found:
            out.append(
                f"section images {one.id} and {next_one.id} (numbers {one.section_number} and "
                f"{next_one.section_number}) {found}"
            )
    return out


def _between(
    data: SectionDataset,
    one: SectionImage,
    next_one: SectionImage,
    poses: Mapping[int, SectionPose],
) -> str | None:
    plane = data.plane
    try:
        apart = plane_of(poses[next_one.id], plane) - plane_of(poses[one.id], plane)
        by_allen = plane_of(allen_pose(data, next_one), plane) - plane_of(
            allen_pose(data, one), plane
        )
    except MetadataError:  # of Allen's: nothing to compare with
        return None
    axes = [plane.y_axis, plane.x_axis]
    centre = np.array([*(_CENTRE[axis] for axis in axes), 1.0])
    # An affine function on an ellipse is off its value at the centre by at most this.
    radii = np.array([_RADII[axis] for axis in axes])
    middle, most = float(apart @ centre), float(np.linalg.norm(apart[:2] * radii))
    if abs(middle) + most < _SAME:
        return "lie at one place"
    middle = math.copysign(1.0, float(by_allen @ centre)) * middle
    if middle <= 0:
        return f"lie in the wrong order, by {-middle:.0f} um"
    if middle < most:
        return "cross within the brain"
    return None
