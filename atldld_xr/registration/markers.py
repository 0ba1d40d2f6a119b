"""Markers of VisuAlign: a picture bent between them, linearly in triangles. Pure.

A marker says that what the anchors alone would show at one place of the picture is at another. The
triangles are those of Delaunay between the second places, and corners a tenth of the picture beyond
it, which stay. VisuAlign leads from the picture to the atlas; here it is gone the other way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.errors import RegistrationError
from atldld_xr.plan.bend import Bend
from atldld_xr.registration.series import Marker

Array = NDArray[np.float64]

_NODES = 257
"""Along the longer side of what is bent: a node every 50 um of a large image."""

_MOST = 2000  # markers of a picture: people set some tens
_BEYOND = 0.1  # of the picture's sides, to its fixed corners
_FLAT = 1e-9  # of the picture: the area of a triangle that is none


def bend_of(markers: Sequence[Marker], size: tuple[float, float], image: SectionImage) -> Bend:
    """Return how the pixels of a section image are off where its anchors have them.

    Parameters
    ----------
    markers : sequence of Marker
        In pixels of the picture, from its edge.
    size : tuple of float
        Width and height of the picture.
    image : SectionImage
        Of which the picture is, whole.

    Raises
    ------
    RegistrationError
        If they fold the picture, are too many, or two of them are at one place.
    """
    if len(markers) > _MOST:
        raise RegistrationError(f"it has {len(markers):,} markers: at most {_MOST:,} can be")
    given = np.array(markers, dtype=np.float64).reshape(-1, 2, 2) / np.array(size)
    low, high = -_BEYOND, 1 + _BEYOND
    corners = np.array([[low, low], [high, low], [low, high], [high, high]])
    within = ((given > low) & (given < high)).all((1, 2))
    given = given[within]  # VisuAlign passes over what is farther out, too
    shown = np.concatenate([corners, given[:, 0]])  # by the anchors
    there = np.concatenate([corners, given[:, 1]])  # in the picture
    # In its pixels: of sides that are stretched, triangles would be others.
    triangles = triangulate(there * size / max(size))
    areas = _areas(shown, triangles) * np.sign(_areas(there, triangles))
    if not (areas > _FLAT).all():
        worst = triangles[int(np.argmin(areas))]
        named = ", ".join(
            f"({x:.0f}, {y:.0f})" for x, y in there[worst[worst > 3]] * np.array(size)
        )
        raise RegistrationError(f"its markers fold the picture, near {named}: two lead across")
    return _at_nodes(shown, there, triangles, image)


def triangulate(points: Array) -> NDArray[np.int64]:
    """Return Delaunay's triangles of points: the first four are corners around all the others.

    Point by point, by Bowyer's and Watson's way: the triangles in whose circles a new point is make
    room for those from it to their rim.
    """
    triangles = [(0, 1, 2), (1, 2, 3)]
    for new in range(4, len(points)):
        if (np.abs(points[:new] - points[new]).max(1) < 1e-9).any():
            raise RegistrationError("two of its markers are at one place")
        held = _in_circles(points, np.array(triangles), points[new])
        rim = Counter(
            edge
            for (a, b, c), is_in in zip(triangles, held, strict=True)
            if is_in
            for edge in ((a, b), (a, c), (b, c))
        )
        kept = [triangle for triangle, is_in in zip(triangles, held, strict=True) if not is_in]
        triangles = kept + [(a, b, new) for (a, b), count in rim.items() if count == 1]
    found = np.array(triangles)
    return found[np.abs(_areas(points, found)) > _FLAT]


def _in_circles(points: Array, triangles: NDArray[np.int64], point: Array) -> NDArray[np.bool_]:
    """Return in which triangles' circles a point is."""
    legs = points[triangles] - point
    squares = (legs**2).sum(-1)
    a, b, c = (np.append(legs[:, k], squares[:, k, None], axis=1) for k in range(3))
    determinant = (a * np.cross(b, c)).sum(-1)
    inside: NDArray[np.bool_] = determinant * np.sign(_areas(points, triangles)) > 0
    return inside


def _areas(points: Array, triangles: NDArray[np.int64]) -> Array:
    """Return twice the areas of triangles, with their sense."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    u, v = b - a, c - a
    out: Array = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    return out


def _at_nodes(
    shown: Array, there: Array, triangles: NDArray[np.int64], image: SectionImage
) -> Bend:
    """Return the displacements at nodes over all that is bent, as far as the fixed corners."""
    image_sides = np.array([image.width, image.height], dtype=np.float64)
    sides = image_sides * (1 + 2 * _BEYOND)
    shown, there = ((some + _BEYOND) / (1 + 2 * _BEYOND) for some in (shown, there))
    columns, rows = np.maximum(np.ceil((_NODES - 1) * sides / sides.max()), 1).astype(int) + 1
    x, y = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    nodes = np.stack([x, y], -1)
    off = np.zeros((rows, columns, 2))
    for triangle in triangles:
        a, b, c = shown[triangle]
        low, high = shown[triangle].min(0), shown[triangle].max(0)
        (x0, y0), (x1, y1) = (
            np.clip(np.floor(low * [columns - 1, rows - 1]), 0, None).astype(int),
            np.ceil(high * [columns - 1, rows - 1]).astype(int) + 1,
        )
        part = nodes[y0:y1, x0:x1]
        if not part.size:
            continue
        shares = (part - a) @ np.linalg.inv(np.array([b - a, c - a]))
        within = (shares >= -1e-9).all(-1) & (shares.sum(-1) <= 1 + 1e-9)
        p, q, r = there[triangle] - shown[triangle]
        moved = p + shares[..., :1] * (q - p) + shares[..., 1:] * (r - p)
        off[y0:y1, x0:x1][within] = moved[within]
    step_x, step_y = (sides / [columns - 1, rows - 1]).tolist()
    first_x, first_y = (-0.5 - _BEYOND * image_sides).tolist()
    return Bend.of(off * sides, (first_x, first_y), (step_x, step_y))
