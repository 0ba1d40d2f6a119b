"""What others do for a volume: pixels are put where they belong, and holes filled by neighbours."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree


def forward_scatter(data, tiers, shape, resolution, *, neighbours=5, where=None):
    """Return a volume of the pixels of sections, float32 (p, i, r, channel).

    Parameters
    ----------
    data : SectionDataset
        The data set.
    tiers : mapping
        By image id, its pixels at some tier, (height, width, channel), and that tier.
    shape : tuple of int
        Voxels along p, i and r.
    resolution : float
        Their size, in micrometres.
    neighbours : int
        A voxel without any pixel gets the mean of so many that have, by one over the distance.
    where : ndarray of bool, optional
        The voxels that are to be filled. Default: all.
    """
    count = np.zeros(int(np.prod(shape)))
    sums = np.zeros((len(count), 3))
    tvr = np.asarray(data.tvr)
    for image in data.images:
        pixels, tier = tiers[image.id]
        y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]].reshape(2, -1)
        at = np.stack([x, y]).astype(np.float64)
        at = (at + 0.5) * 2**tier - 0.5
        tsv = np.asarray(image.tsv)
        volume = np.empty((3, at.shape[1]))
        volume[:2] = tsv[:, :2] @ at + tsv[:, 2:]
        volume[2] = image.section_number * data.section_thickness
        index = np.floor((tvr[:, :3] @ volume + tvr[:, 3:]) / resolution).astype(int)
        inside = ((index >= 0) & (index < np.array(shape)[:, None])).all(axis=0)
        voxel = np.ravel_multi_index(tuple(index[:, inside]), shape)
        count += np.bincount(voxel, minlength=len(count))
        for channel in range(3):
            weights = pixels[..., channel].ravel()[inside]
            sums[:, channel] += np.bincount(voxel, weights, minlength=len(count))
    seen = count > 0
    out = np.full((len(count), 3), 255.0, dtype=np.float32)
    out[seen] = sums[seen] / count[seen, None]
    holes = ~seen if where is None else ~seen & where.ravel()
    known = np.stack(np.unravel_index(np.flatnonzero(seen), shape), axis=1)
    wanted = np.stack(np.unravel_index(np.flatnonzero(holes), shape), axis=1)
    away, which = cKDTree(known).query(wanted, k=neighbours)
    weights = 1 / away
    weights /= weights.sum(axis=1, keepdims=True)
    out[holes] = np.einsum("vk,vkc->vc", weights, out[seen][which])
    return out.reshape(*shape, 3)
