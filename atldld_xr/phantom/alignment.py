"""How the phantom's sections lie in the reference space: matrices like those the service stores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.matrices import product

Matrix = NDArray[np.float64]

THICKNESS = 25.0
"""Of a section, in micrometres."""

_LAYOUT_2D = ((0, 1, 4), (2, 3, 5))
_LAYOUT_3D = ((0, 1, 2, 9), (3, 4, 5, 10), (6, 7, 8, 11))
# A volume is the reference space, seen through these: degrees about (p, i, r), and scales.
_TILTS = {"coronal": (2.2, 1.3, -1.1), "sagittal": (-1.0, 1.2, 2.2)}
_SCALES = (1.027, 0.991, 1.013)

# The centre of the brain, and where it lies along both axes of a section's plane in the volume.
_BRAIN_CENTRE = (6600.0, 4000.0, 5700.0)
_VOLUME_CENTRE = (8731.0, 6127.0)
_HEMISPHERE_CENTRE = 3700.0


def alignment3d(
    plane: str, numbers: tuple[int, int], thickness: float = THICKNESS
) -> dict[str, float]:
    """Return the affines between volume and reference space: oblique and a little stretched.

    Parameters
    ----------
    plane : {"coronal", "sagittal"}
        Coronal sections are counted from the back, P to A; sagittal ones along r.
    numbers : tuple of int
        The first and the last section number; what is midway goes through the brain's centre.
    thickness : float
        Of a section, in micrometres.
    """
    turn = np.eye(3)
    for axis, degrees in enumerate(_TILTS[plane]):
        turn = product(turn, _rotation(axis, math.radians(degrees)))
    axes = [[0, 0, -1], [0, 1, 0], [1, 0, 0]] if plane == "coronal" else np.eye(3)
    linear = product(product(turn, np.diag(_SCALES)), axes)
    target = np.array(_BRAIN_CENTRE)
    if plane == "sagittal":  # the left hemisphere, as of most of Allen's
        target[2] = _HEMISPHERE_CENTRE
    shift = target - linear @ np.array([*_VOLUME_CENTRE, sum(numbers) / 2 * thickness])
    return pack_affines(linear, shift)


def pack_affines(linear: Matrix, shift: Matrix) -> dict[str, float]:
    """Return the affine from volume to reference space and back, as the service stores them."""
    back = np.linalg.inv(linear)
    trv, tvr = np.column_stack([back, -back @ shift]), np.column_stack([linear, shift])
    return _pack("trv", trv, _LAYOUT_3D) | _pack("tvr", tvr, _LAYOUT_3D)


def alignment2d(index: int, width: int, height: int, resolution: float) -> dict[str, float]:
    """Return the affines between a section's pixels and the volume.

    They turn by a few degrees, shear and are off centre, each section another way.

    Parameters
    ----------
    index : int
        The section's place in its data set.
    width, height : int
        Its size, in pixels.
    resolution : float
        Pixel size, in micrometres.
    """
    angle = math.radians(3.4 * math.sin(1.3 * index + 0.4) - 0.6)
    linear = _rotation(2, angle)[:2, :2] @ np.array([[1.0, 0.003], [0.0, 1.002]]) * resolution
    drift = 130.0 * np.array([math.sin(2.1 * index + 1), math.cos(1.7 * index)])
    middle = linear @ [(width - 1) / 2, (height - 1) / 2]
    shift = np.array(_VOLUME_CENTRE) + drift - middle
    back = np.linalg.inv(linear)
    tsv, tvs = np.column_stack([linear, shift]), np.column_stack([back, -back @ shift])
    return _pack("tsv", tsv, _LAYOUT_2D) | _pack("tvs", tvs, _LAYOUT_2D)


def pixel_to_pir(dataset: Mapping[str, Any], image: Mapping[str, Any]) -> Matrix:
    """Return the (3, 3) affine from full-resolution pixels (x, y, 1) to the brain's (p, i, r).

    Those are the coordinates of the space that the data set is registered to.

    Parameters
    ----------
    dataset, image : mapping
        Their records.
    """
    volume = np.eye(4)[:, [0, 1, 3]]  # (x, y, 1) -> (v0, v1, v2, 1)
    volume[:2] = _unpack("tsv", image["alignment2d"], _LAYOUT_2D)
    volume[2] = [0.0, 0.0, image["section_number"] * dataset["section_thickness"]]
    tvr = np.vstack([_unpack("tvr", dataset["alignment3d"], _LAYOUT_3D), [0, 0, 0, 1]])
    return product(tvr, volume)[:3]


def _pack(name: str, matrix: Matrix, layout: Any) -> dict[str, float]:
    """Return a matrix as the service stores it: every number by itself, rounded to six digits."""
    return {
        f"{name}_{number:02d}": float(f"{matrix[row, column]:.6g}")
        for row, numbers in enumerate(layout)
        for column, number in enumerate(numbers)
    }


def _unpack(name: str, record: Mapping[str, Any], layout: Any) -> Matrix:
    return np.array([[record[f"{name}_{n:02d}"] for n in row] for row in layout])


def _rotation(axis: int, angle: float) -> Matrix:
    out = np.eye(3)
    a, b = (k for k in range(3) if k != axis)
    out[a, a] = out[b, b] = math.cos(angle)
    out[a, b], out[b, a] = -math.sin(angle), math.sin(angle)
    return out
