"""The sections of a data set in their places: where each lies, and what its pixels show. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen import transforms
from atldld_xr.allen.cuts import (
    OBLIQUE,
    Viewed,
    oblique_affine,
    plane_of,
    projected_affine,
    projected_tilt,
)
from atldld_xr.allen.matrices import product
from atldld_xr.allen.metadata import SectionDataset, SectionImage
from atldld_xr.allen.poses import SectionPose, allen_pose
from atldld_xr.allen.reference import Grid
from atldld_xr.errors import MetadataError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Placed:
    """A section of a data set, where it belongs.

    Attributes
    ----------
    image : SectionImage
        The section image.
    point : ndarray
        The (p, i, r) of its detection point, in micrometres; the section's coordinate is of these.
    affine : ndarray
        The (2, 3) matrix from output index (row, column, 1) to full-resolution pixels (x, y).
    tilt : ndarray
        How the true coordinate of what is shown changes along (y, x), in um per um.
    pose : SectionPose
        How it lies.
    """

    image: SectionImage
    point: Array
    affine: Array
    tilt: Array
    pose: SectionPose


def place_images(
    data: SectionDataset,
    grid: Grid,
    *,
    plane: Viewed,
    detection_xy: tuple[float, float] | None = None,
    poses: Mapping[int, SectionPose] | None = None,
) -> list[Placed]:
    """Return the sections of a data set in order of their coordinate.

    Parameters
    ----------
    data : SectionDataset
        The data set.
    grid : Grid
        The output pixels.
    plane : {"projected", "oblique"}
        Which plane a section's pixels are read on.
    detection_xy : tuple of float, optional
        The point whose coordinate is the section's, in full-resolution pixels. Default: its centre.
    poses : mapping of SectionPose, optional
        How sections lie in the space that the data set is registered to, by the image's id.
        Default, and for those that are not in it: by Allen's matrices.

    Raises
    ------
    MetadataError
        If a section cannot be shown so: it lies along the axis across sections.
    """
    space, axis = grid.space.id, grid.plane.section_axis
    out = []
    for image in data.images:
        own = None if poses is None else poses.get(image.id)
        if own is None:
            pose = allen_pose(data, image, reference_space=space)
            point = transforms.detect(data, image, reference_space=space, detection_xy=detection_xy)
        else:
            pose = own.in_space(data.reference_space_id, space)
            x, y = transforms.detection_point(image, detection_xy)
            point = product(pose.to_reference, [[x], [y], [1.0]])[:, 0]
        coordinate = float(point[axis])
        if plane == OBLIQUE:
            affine, tilt = _on_its_plane(image, pose, grid)
        elif own is None:
            affine = transforms.grid_to_image(data, image, grid, coordinate)
            tilt = transforms.tilt(data, [image], grid, [affine])[0]
        else:
            affine = projected_affine(pose, grid, coordinate)
            tilt = projected_tilt(pose, grid, affine)
        out.append(Placed(image, point, affine, tilt, pose))
    return sorted(out, key=lambda placed: float(placed.point[axis]))


def _on_its_plane(image: SectionImage, pose: SectionPose, grid: Grid) -> tuple[Array, Array]:
    try:
        return oblique_affine(pose, grid), plane_of(pose, grid.plane)[:2]
    except MetadataError as error:
        raise MetadataError(
            f"section image {image.id} cannot be shown on its own plane: {error}"
        ) from None
