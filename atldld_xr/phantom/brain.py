"""A brain-like object as a formula of its own coordinates. Pure, and the same wherever evaluated.

Every operation is element by element, so a point's value does not depend, to the bit, on which
other points it is asked with.

Coordinates are the brain's own: (p, i, r), posterior, inferior and right, in micrometres, r = 5700
between the halves, and r below that on its left. They are those of the space that a data set is
registered to: of 9 for coronal data sets, of 10 for sagittal ones, in which left lies left. In
space 9, Allen's mirror, a point of a sagittal data set is at 11350 - r.

Anatomy is the same on both sides, but for `LANDMARK`, which is on the left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from atldld_xr.phantom.anatomy import Array, ramp, tissue_at


class Bead(NamedTuple):
    """A dark round rod in the background, whose cross-section is a Gaussian.

    Attributes
    ----------
    axis : int
        The axis of (p, i, r) that it is elongated along: every section across it shows a disc.
    p, i, r : float
        Its centre, in micrometres. Along `axis` the rod has no end.
    radius : float
        Distance at which it has faded to 1/e, in micrometres.
    """

    axis: int
    p: float
    i: float
    r: float
    radius: float


BEADS: tuple[Bead, ...] = (
    # Along p, for coronal sections. The radii differ so that no mirroring goes unseen.
    Bead(0, 6600.0, 1150.0, 1000.0, 70.0),
    Bead(0, 6600.0, 1050.0, 10450.0, 85.0),
    Bead(0, 6600.0, 7200.0, 1050.0, 100.0),
    Bead(0, 6600.0, 7150.0, 10400.0, 115.0),
    # Along r, for sagittal sections.
    Bead(2, 850.0, 1200.0, 5700.0, 70.0),
    Bead(2, 12650.0, 1100.0, 5700.0, 85.0),
    Bead(2, 900.0, 7100.0, 5700.0, 100.0),
)
"""Beads outside the tissue, for tests that measure a centroid.

Coronal sections with p from 1300 to 12200 cut those along p and meet none of the others; sagittal
sections with r from 1500 to 9900 cut those along r and meet none of the others."""


class Landmark(NamedTuple):
    """A dark ball in the tissue, like the site of an injection.

    Attributes
    ----------
    p, i, r : float
        Its centre, in micrometres.
    radius : float
        Where it has faded by half, in micrometres; at 0.85 of it it is full, at 1.15 it ends.
    """

    p: float
    i: float
    r: float
    radius: float


LANDMARK = Landmark(5880.0, 4250.0, 3470.0, 420.0)
"""What only the left side has, in the striatum, for tests of left and right.

Both the image and the expression mask show it. Nothing else in the tissue has an intensity of 200
over so large an area, and what is at ``11400 - r``, or in a mirror at ``11350 - r``, is plain."""

# The lattice of cells, and how far a cell's centre is shifted on it. A cell just fits its place.
_PITCH = np.float32(28.0)
_SHIFT = np.float32(3.5 / 28.0)
_CELL = np.float32(0.5) - _SHIFT

# Per channel: the glass, and what tissue, stained tissue and expression take from it.
_GLASS = (239.0, 240.0, 241.0)
_TISSUE = (21.0, 28.0, 16.0)
_STAIN = (38.0, 44.0, 25.0)
_SIGNAL = (128.0, 138.0, 84.0)


def value(p: ArrayLike, i: ArrayLike, r: ArrayLike) -> Array:
    """Return what a bright-field image shows at points of the brain.

    Parameters
    ----------
    p, i, r : array_like
        Coordinates, in micrometres; they are broadcast.

    Returns
    -------
    ndarray of float32, shape (..., 3)
        Red, green and blue, from 0 to 255.
    """
    shape, points = _points(p, i, r)
    tissue, stain, (signal,) = fields(*points)
    return colour(tissue, stain, signal).reshape(*shape, 3)


def expression(p: ArrayLike, i: ArrayLike, r: ArrayLike) -> Array:
    """Return the expression mask's intensity at points of the brain, from 0 to 255.

    Parameters
    ----------
    p, i, r : array_like
        Coordinates, in micrometres; they are broadcast.
    """
    shape, points = _points(p, i, r)
    (signal,) = fields(*points)[2]
    return (signal * np.float32(255.0)).reshape(shape)


def expression_colour(intensity: ArrayLike) -> Array:
    """Return the false colour of expression intensities, black at 0 and then blue to red.

    Parameters
    ----------
    intensity : array_like
        From 0 to 255.

    Returns
    -------
    ndarray of float32, shape (..., 3)
        Red, green and blue, from 0 to 255.
    """
    e = np.asarray(intensity, np.float32) / np.float32(255.0)
    seen = ramp(e, 0.02, 0.12)
    red = ramp(e, 0.4, 0.7)
    green = ramp(e, 0.15, 0.45) * (1 - ramp(e, 0.7, 1.0))
    blue = 1 - ramp(e, 0.35, 0.6)
    return np.stack([c * seen * np.float32(255.0) for c in (red, green, blue)], axis=-1)


def colour(tissue: Array, stain: Array, signal: Array) -> Array:
    """Return the RGB of an image, shape (..., 3), from its (means of) `fields`."""
    channels = [
        np.float32(g) - tissue * np.float32(t) - stain * np.float32(s) - signal * np.float32(e)
        for g, t, s, e in zip(_GLASS, _TISSUE, _STAIN, _SIGNAL, strict=True)
    ]
    return np.stack(channels, axis=-1)


def fields(
    p: Array, i: Array, r: Array, spread: Sequence[tuple[float, float, float]] = ((0, 0, 0),)
) -> tuple[Array, Array, list[Array]]:
    """Return how much tissue, stain and expression there is at points, each from 0 to 1.

    An image is linear in them, so the mean over an area is that of the fields.

    Parameters
    ----------
    p, i, r : ndarray of float32
        The brain's coordinates, in micrometres; each in one row.
    spread : sequence of tuple of float
        Where to look for cells, as (p, i, r) from each point, in micrometres: they are finer than
        all else. The expression is a list, an array for each.
    """
    at = tissue_at(p, i, r)
    # Between cells, the signal of what lies above and below the plane of focus.
    behind = at.density * np.float32(0.08) + at.packed * np.float32(0.45)
    behind += beads(p, i, r) + at.tissue * _landmark(p, i, r)
    share = at.tissue * (1 - at.packed * np.float32(0.5))
    signals = []
    for dp, di, dr in spread:
        signal = _cells(p + np.float32(dp), i + np.float32(di), r + np.float32(dr), at.density)
        signal *= share
        signal += behind
        signals.append(np.minimum(signal, 1, out=signal))
    return at.tissue, at.stain, signals


def _cells(p: Array, i: Array, r: Array, density: Array) -> Array:
    """Return round cells on a lattice, each shifted by a hash of its place. Zero between them."""
    # The lattice is turned against both planes of section, its rows are wavy and shifted against
    # each other, and each column is shifted along itself by a hash: or it would show, as lines or
    # as bands where an oblique section passes between layers.
    along = (p + r) * np.float32(math.sqrt(0.5) / _PITCH)
    across = (p - r) * np.float32(math.sqrt(0.5) / _PITCH)
    b = i / _PITCH + np.sin(p * np.float32(0.017) - r * np.float32(0.013)) * np.float32(0.4)
    row = np.floor(b)
    c = across + row * np.float32(0.382)
    column = np.floor(c)
    h = row.astype(np.int32).view(np.uint32) * np.uint32(0x85EBCA77)
    h += column.astype(np.int32).view(np.uint32) * np.uint32(0xC2B2AE3D)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x2C1B3C6D)
    a = along + (h >> np.uint32(24)).astype(np.float32) * np.float32(1 / 256)
    layer = np.floor(a)
    h += layer.astype(np.int32).view(np.uint32) * np.uint32(0x9E3779B1)
    for shift, factor in ((15, 0x297A2D39), (12, 0x9E3779B1)):
        h ^= h >> np.uint32(shift)
        h *= np.uint32(factor)
    distance = np.zeros_like(a)
    for place, corner, shift in ((a, layer, 8), (b, row, 16), (c, column, 24)):
        jitter = ((h >> np.uint32(shift)) & np.uint32(255)).astype(np.float32)
        off = place - corner - np.float32(0.5) - (jitter * np.float32(2 / 255) - 1) * _SHIFT
        distance += off * off
    cell = np.maximum(1 - distance / (_CELL * _CELL), 0)
    lot = (h & np.uint32(255)).astype(np.float32) * np.float32(1 / 255)
    there = np.clip((density - lot) * 5, 0, 1)
    strength = np.float32(0.5) + np.float32(0.45) * density
    out: Array = cell * cell * (3 - 2 * cell) * there * strength
    return out


def beads(p: Array, i: Array, r: Array) -> Array:
    """Return what the beads add to the signal: nothing from four radii on."""
    out: Array = np.zeros_like(p)
    top, bottom = (float(i.min()), float(i.max())) if i.size else (0.0, 0.0)
    for bead in BEADS:
        # A little farther than that, so that rounding has no say in whether it is left out.
        if top - 4.1 * bead.radius < bead.i < bottom + 4.1 * bead.radius:
            across = p - np.float32(bead.p) if bead.axis == 2 else r - np.float32(bead.r)
            down = i - np.float32(bead.i)
            q = (across * across + down * down) * np.float32(1 / bead.radius**2)
            out += np.exp(-q) * (q < 16)
    return out


def _landmark(p: Array, i: Array, r: Array) -> Array:
    q: Array = np.zeros_like(p)
    for axis, middle in zip((p, i, r), LANDMARK[:3], strict=True):
        off = axis - np.float32(middle)
        q += off * off
    return np.float32(0.85) * (1 - ramp(np.sqrt(q) / np.float32(LANDMARK.radius), 0.85, 1.15))


def _points(
    p: ArrayLike, i: ArrayLike, r: ArrayLike
) -> tuple[tuple[int, ...], tuple[Array, Array, Array]]:
    """Return the shape that coordinates broadcast to, and each of them in one row."""
    p, i, r = np.broadcast_arrays(*(np.asarray(a, dtype=np.float32) for a in (p, i, r)))
    # In a row of their own: NumPy may take another path, and round otherwise, on strided arrays.
    return p.shape, (p.flatten(), i.flatten(), r.flatten())
