"""What others do for a volume: pixels are put where they belong, and holes filled by neighbours.

NumPy and SciPy, written for speed; Allen's matrices are taken from this project.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

NEIGHBOURS = 5


def scatter(
    data: Any,
    tiers: Mapping[int, tuple[NDArray[np.uint8], int]],
    where: NDArray[np.bool_],
    first: int,
    resolution: float,
    threads: int,
) -> NDArray[np.uint8]:
    """Return a volume of sections' pixels, uint8 (p, i, r, channel).

    Parameters
    ----------
    data : SectionDataset
        The data set.
    tiers : mapping
        By image id, its pixels at some tier, and that tier. Others are not needed.
    where : ndarray of bool, shape (p, i, r)
        The voxels wanted: those without any pixel get the mean of five that have, by one over the
        distance.
    first : int
        What plane along p these begin with.
    resolution : float
        Size of the voxels, in micrometres.
    threads : int
        That look for neighbours.
    """
    shape, size = where.shape, where.size
    count = np.zeros(size)
    sums = np.zeros((3, size))
    tvr = np.asarray(data.tvr)
    for image in data.images:
        if image.id not in tiers:
            continue
        pixels, tier = tiers[image.id]
        height, width = pixels.shape[:2]
        # From pixels of the tier to the reference space: one affine of (x, y).
        tsv = np.asarray(image.tsv)
        linear = tvr[:, :2] @ tsv[:, :2] * (2**tier / resolution)
        depth = image.section_number * data.section_thickness
        shift = tvr[:, :2] @ (tsv[:, :2] @ np.full(2, 2**tier / 2 - 0.5) + tsv[:, 2])
        shift = (shift + tvr[:, 2] * depth + tvr[:, 3]) / resolution - [first, 0, 0]
        rows, columns = np.arange(height), np.arange(width)
        voxel = np.zeros((height, width), np.int64)
        inside = np.ones((height, width), bool)
        for axis, length in enumerate(shape):
            (along_x, along_y), start = linear[axis], shift[axis]
            at = np.add.outer(along_y * rows + start, along_x * columns)
            index = np.floor(at).astype(np.int64)
            inside &= (index >= 0) & (index < length)
            voxel = voxel * length + index
        voxel = voxel[inside]
        count += np.bincount(voxel, minlength=size)
        for channel in range(3):
            values = pixels[..., channel][inside]
            sums[channel] += np.bincount(voxel, values, minlength=size)
    seen = count > 0
    out = np.full((size, 3), 255, np.uint8)
    means = (sums[:, seen] / count[seen]).T
    out[seen] = np.rint(means)
    holes = ~seen & where.ravel()
    known, wanted = (
        np.stack(np.unravel_index(np.flatnonzero(which), shape), axis=1) for which in (seen, holes)
    )
    away, nearest = cKDTree(known).query(wanted, k=NEIGHBOURS, workers=threads)
    weights = 1 / away
    weights /= weights.sum(axis=1, keepdims=True)
    out[holes] = np.rint(np.einsum("vk,vkc->vc", weights, means[nearest]))
    return out.reshape(*shape, 3)
