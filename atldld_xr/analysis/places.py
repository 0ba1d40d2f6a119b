"""Where pixels of sections truly lie, and how large they are, by a Dataset's coordinates. Pure."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.allen.poses import POSE
from atldld_xr.allen.reference import PLANES, SAGITTAL, change_space, check_adult
from atldld_xr.datasets.shown import shown
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.planes.sides import find_sides

Lines = NDArray[np.float64]
"""Of each section (a, b, c): a coordinate is a + b * y + c * x, in micrometres."""

_R = 2


def across_lines(dataset: xr.Dataset, dim: str) -> Lines:
    """Return where the coordinate across sections truly is on each of them.

    Raises
    ------
    InvalidArgumentError
        If the Dataset does not tell their tilt any more.
    """
    names = (dim, "tilt_y", "tilt_x", "detection_y", "detection_x")
    lost = [name for name in names if name not in dataset.coords or dataset[name].dims != (dim,)]
    if lost:
        raise InvalidArgumentError(
            f"the Dataset has no {', '.join(lost)} of its sections any more, by which they lie"
        )
    at, tilt_y, tilt_x, y, x = (np.asarray(dataset[name].values, np.float64) for name in names)
    return np.stack([at - tilt_y * y - tilt_x * x, tilt_y, tilt_x], axis=1)


def r_lines(dataset: xr.Dataset, dim: str, *, needed: bool = True) -> Lines:
    """Return where r is on each section, in the space in which left is at low r.

    Parameters
    ----------
    dataset : xarray.Dataset
        Registered sections; no pixels are read.
    dim : str
        Name of the dimension across sections.
    needed : bool
        Whether it is an error that nothing tells it any more; else r is anything.

    Raises
    ------
    InvalidArgumentError
        If nothing tells it any more, or it is told in two ways.
    """
    if not needed:
        return np.zeros((dataset.sizes[dim], 3))
    check_adult(dataset.attrs, "the midline that tells left from right")
    mirrored = find_sides(dataset, dim).mirrored
    if mirrored is None:
        raise InvalidArgumentError(
            "on which side this Dataset shows left is told by nothing any more: neither by its "
            "attributes nor by those of its coordinate along r"
        )
    if POSE in dataset.coords or dim == SAGITTAL.dim:
        return true_places(dataset, dim)[:, _R]
    out = np.tile([0.0, 0.0, 1.0], (dataset.sizes[dim], 1))  # also of grids
    return unmirrored(out) if mirrored else out


def true_places(dataset: xr.Dataset, dim: str) -> NDArray[np.float64]:
    """Return where what is shown truly lies, in the space in which left is at low r: (N, 3, 3).

    Of each section the lines of p, i and r. What is projected on a section along its normal also
    lies off its y and x; of Datasets without poses, of earlier versions, these are taken.

    Raises
    ------
    InvalidArgumentError
        If the Dataset does not tell how its sections lie any more.
    """
    if POSE in dataset.coords:
        out = shown(dataset).matrices[..., [2, 0, 1]]
    else:
        plane = next(plane for plane in PLANES.values() if plane.dim == dim)
        out = np.zeros((dataset.sizes[dim], 3, 3))
        out[:, plane.section_axis] = across_lines(dataset, dim)
        out[:, plane.y_axis, 1] = out[:, plane.x_axis, 2] = 1.0
    if find_sides(dataset, dim).mirrored:
        out[:, _R] = unmirrored(out[:, _R])
    return out


def unmirrored(lines: Lines) -> Lines:
    """Return lines of r in Allen's mirror image of the space that they are in."""
    flip = change_space(9, 10)
    out: Lines = lines * flip[_R, _R]
    out[:, 0] += flip[_R, 3]
    return out


def pixel_areas(dataset: xr.Dataset, dim: str) -> tuple[NDArray[np.float64], float]:
    """Return a pixel's area: in full-resolution pixels of each section, and in um2.

    Raises
    ------
    InvalidArgumentError
        If nothing tells it any more.
    """
    if "affine" not in dataset.coords or dataset["affine"].dims[:1] != (dim,):
        raise InvalidArgumentError(
            "the Dataset has no coordinate affine any more, which tells how large its pixels are"
        )
    area = step_of(dataset, "y") * step_of(dataset, "x")
    affine = np.asarray(dataset["affine"].values, np.float64)
    # Not by LAPACK, whose rounding is the machine's.
    determinant = affine[:, 0, 0] * affine[:, 1, 1] - affine[:, 0, 1] * affine[:, 1, 0]
    out: NDArray[np.float64] = np.abs(determinant) * area
    return out, area


def step_of(dataset: xr.Dataset, name: str) -> float:
    """Return how far apart pixels, or voxels, are along an axis; of a single one by the resolution.

    Raises
    ------
    InvalidArgumentError
        If they are not in equal steps, or nothing tells.
    """
    at = np.asarray(dataset[name].values, np.float64)
    if at.size < 2:
        step = float(dataset.attrs.get("resolution", np.nan))
    else:
        steps = np.abs(np.diff(at))
        step = float(abs(at[-1] - at[0]) / (at.size - 1))
        if not np.allclose(steps, step, rtol=1e-6):
            step = np.nan
    if not step > 0:
        raise InvalidArgumentError(f"what is counted is not in equal steps along {name}")
    return step
