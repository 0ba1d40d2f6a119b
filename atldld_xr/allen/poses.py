"""SectionPose: where one section truly lies in the reference space. Pure, float64.

Sections are cut obliquely and each is a plane of its own: by Allen's matrices those of a data set
are parallel, by a refined registration they need not be. A pose says both of what is needed to read
a point of the reference space from a section: the pixel that it comes from, and how far from the
section it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atldld_xr.allen.matrices import product
from atldld_xr.allen.metadata import SectionDataset, SectionImage
from atldld_xr.allen.reference import change_space
from atldld_xr.allen.transforms import affines_in_space

Array = NDArray[np.float64]
Row = tuple[float, float, float, float]

POSE = "pose"
"""The coordinate of a Dataset that has the poses of its sections."""

POSE_DIMS = ("pose_component", "pose_term")
"""Its dimensions beside that of sections: (x, y, distance), and (p, i, r, 1)."""


@dataclass(frozen=True)
class SectionPose:
    """How a section image lies in the reference space.

    Attributes
    ----------
    matrix : tuple
        The (3, 4) matrix from (p, i, r, 1), in micrometres, to (x, y, distance): full-resolution
        pixels of the section image, and micrometres from the section's plane along its normal.
        Distances of one data set grow in one direction, the same for all of its sections.
    """

    matrix: tuple[Row, Row, Row]

    @classmethod
    def of(cls, matrix: ArrayLike) -> SectionPose:
        """Return the pose of a (3, 4) array."""
        x, y, distance = (tuple(row) for row in np.asarray(matrix, dtype=np.float64).tolist())
        return cls((x, y, distance))

    @property
    def to_image(self) -> Array:
        """The (2, 4) matrix from (p, i, r, 1) to full-resolution pixels (x, y), by projection."""
        return np.asarray(self.matrix[:2])

    @property
    def across(self) -> Array:
        """The (4,) row from (p, i, r, 1) to the distance from the section's plane."""
        return np.asarray(self.matrix[2])

    @property
    def to_reference(self) -> Array:
        """The (3, 3) matrix from full-resolution pixels (x, y, 1) to (p, i, r) on the section.

        It is the inverse of what pixels are read by, so that forward then back returns. Allen
        stores that direction too, rounded by itself: it is up to some 0.03 um elsewhere.
        """
        return inverses(self.matrix)

    def in_space(self, own: int, space: int) -> SectionPose:
        """Return the pose for points of another reference space than the one it is of.

        Parameters
        ----------
        own, space : int
            The reference space of this pose, and the one that is wanted.
        """
        return SectionPose.of(product(self.matrix, change_space(space, own)))


def allen_pose(
    dataset: SectionDataset, image: SectionImage, *, reference_space: int | None = None
) -> SectionPose:
    """Return how a section lies by Allen's own matrices, ``trv`` and ``tvs`` as stored.

    Parameters
    ----------
    dataset, image : SectionDataset, SectionImage
        The data set and one of its section images.
    reference_space : int, optional
        The space of the coordinates. Default: the data set's own.

    Returns
    -------
    SectionPose
        The distance is ``(v3 - z) / |row 3 of trv|``, for the volume's third coordinate ``v3`` and
        the section's own, ``z = section_number * section_thickness``: a volume is stretched against
        the reference space, by 0.81 to 1.24 on record.
    """
    _, trv = affines_in_space(dataset, reference_space)
    tvs = np.asarray(image.tvs)
    to_image = product(tvs[:, :2], trv[:2])
    to_image[:, 3] += tvs[:, 2]
    across = trv[2].copy()
    across[3] -= image.section_number * dataset.section_thickness
    length = np.sqrt(product(trv[2:, :3], trv[2, :3, None])[0, 0])
    return SectionPose.of(np.vstack([to_image, across / length]))


def inverses(matrices: ArrayLike) -> Array:
    """Return the (..., 3, 3) matrices from (x, y, 1) to (p, i, r) of poses, (..., 3, 4).

    By cofactors: LAPACK rounds by the processor, and stores hold what comes of these.
    """
    all_of = np.asarray(matrices, dtype=np.float64)
    a, b, c = (all_of[..., row, :3] for row in range(3))
    cofactors = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=-1)
    determinant = product(a[..., None, :], cofactors[..., :1])
    back = cofactors / determinant
    return np.concatenate([back[..., :2], -product(back, all_of[..., 3:])], axis=-1)
