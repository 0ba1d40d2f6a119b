"""What a voxel of a volume is, in a plain loop: the oracle of `open_volume`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

import atldld_xr
from atldld_xr.arrays.fetch import fetch_tile
from atldld_xr.sources.phantom import PhantomSource
from turned import turned

PHANTOMS = {
    # Few and coarse, and as oblique as any on record: 5.5 and 10 degrees, and then some.
    "coronal": turned(resolution=64.0, count=15, spacing=24, first=60, turn=(1.0, 4.0, -4.0)),
    "sagittal": turned("sagittal", resolution=64.0, count=7, spacing=16, first=10, turn=(9, 5, 1)),
}
RESOLUTION = 200


def open_volume(plane, method="nearest", **more):
    phantom = PHANTOMS[plane]
    more = {"resolution": RESOLUTION, "source": PhantomSource((phantom,))} | more
    return atldld_xr.open_volume(phantom.id, method=method, **more)


def voxel(data, point, far, method, planned, sections, tiers):
    """Return the colour, distance and section of one voxel; None, None and 0 where it has none."""
    read = [
        (abs(d), image, sample(data, image, point, sections, tiers))
        for d, image in zip(far, data.images, strict=True)
    ]
    before = [n for n, d in enumerate(far) if d >= 0]
    if method == "linear":
        if not before or len(before) == len(far):
            return None, None, 0
        lower, upper = read[before[-1]], read[before[-1] + 1]
        gap = lower[0] + upper[0]
        if lower[2] is not None and upper[2] is not None and gap <= planned.max_gap * (1 + 1e-9):
            weight = lower[0] / gap
            nearest = min(lower, upper, key=lambda one: one[0])
            return (1 - weight) * lower[2] + weight * upper[2], nearest[0], nearest[1].id
        read = [one for one in (lower, upper) if one[2] is not None]
    if not read:
        return None, None, 0
    distance, image, pixel = min(read, key=lambda one: one[0])
    if pixel is None or distance > planned.max_distance * (1 + 1e-9):
        return None, None, 0
    return pixel, distance, image.id


def sample(data, image, point, sections, tiers):
    """Return the mean of a section's samples at a point, None outside of the image."""
    section = sections[image.id]
    n = section.subsamples
    steps = ((np.arange(n) + 0.5) / n - 0.5) * RESOLUTION
    a, b = np.meshgrid(steps, steps, indexing="ij")
    at = np.repeat(point[None], n * n, axis=0)
    at[:, data.plane.y_axis] += a.ravel()
    at[:, data.plane.x_axis] += b.ravel()
    (x, y), (x0, y0) = (to_image(data, image, p) for p in (at.T, point))
    if not (-0.5 <= x0 < image.width - 0.5 and -0.5 <= y0 < image.height - 0.5):
        return None
    scale = 2**section.sampled_tier
    # The kernel takes positions to 1/32 of a pixel.
    x, y = (np.rint(((at + 0.5) / scale - 0.5) * 32) / 32 for at in (x, y))
    pixels = tiers[image.id]
    return np.array([map_coordinates(c, [y, x], order=1, mode="nearest").mean() for c in pixels])


def to_image(data, image, points):
    """Return where points (3, ...) are in a section image, by Allen's matrices or a pose."""
    if isinstance(data, Posed):
        matrix = data.poses[image.id][:2]
        return np.tensordot(matrix[:, :3], points, 1) + matrix[:, 3:].reshape(
            2, *[1] * (points.ndim - 1)
        )
    trv, tvs = np.asarray(data.trv), np.asarray(image.tvs)
    shape = (2, *[1] * (points.ndim - 1))
    volume = np.tensordot(trv[:2, :3], points, 1) + trv[:2, 3:].reshape(shape)
    return np.tensordot(tvs[:, :2], volume, 1) + tvs[:, 2:].reshape(shape)


@dataclass(frozen=True)
class Posed:
    """A data set whose sections lie by poses of their own."""

    plane: object
    images: tuple
    poses: dict


def whole(source, section):
    """Return a section's sampled tier, whole, channel by channel."""
    rows, columns = section.tile_grid
    lines = [
        np.hstack([fetch_tile(source, section, (r, c), "image", "raise") for c in range(columns)])
        for r in range(rows)
    ]
    return np.moveaxis(np.vstack(lines).astype(np.float64), -1, 0)
