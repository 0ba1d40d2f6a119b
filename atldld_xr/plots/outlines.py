"""Outlines of labels: lines through the outermost pixels of each. Pure."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def outlines(labels: ArrayLike) -> dict[int, list[Array]]:
    """Return the outlines of each label but 0.

    They run through the centres of a label's own outermost pixels, half a pixel inside of its
    border, so that those of neighbours lie beside each other. Where the picture ends a label need
    not, and there is none.

    Parameters
    ----------
    labels : array_like of int, shape (rows, columns)
        Labels.

    Returns
    -------
    dict of list of ndarray, shape (N, 2)
        By label, ascending: (row, column) of each corner; also around holes.
    """
    of = np.asarray(labels)
    found, numbered = np.unique(of, return_inverse=True)
    numbered = numbered.reshape(of.shape)
    out = {}
    for index, label in enumerate(found.tolist()):
        if label == 0:
            continue
        mask, corner = _cut(numbered == index)
        lines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        closed = (np.concatenate([line, line[:1]])[:, 0, ::-1] for line in lines)
        parts = (_within(line + corner, of.shape) for line in closed)
        out[int(label)] = [part for of_line in parts for part in of_line]
    return out


def _within(line: Array, shape: tuple[int, ...]) -> list[Array]:
    """Return the parts of a closed line that do not run along the picture's edge."""
    at_edge = (line == 0) | (line == np.array(shape) - 1)
    is_along = (at_edge[1:] & at_edge[:-1] & (line[1:] == line[:-1])).any(axis=1)
    if not is_along.any():
        return [line]
    start = int(np.flatnonzero(is_along)[0]) + 1  # begin where one such stretch ends
    turned = np.concatenate([line[start:-1], line[: start + 1]])
    along = np.roll(is_along, -start)
    return [part for part in np.split(turned, np.flatnonzero(along) + 1) if len(part) > 1]


def innermost(labels: ArrayLike) -> dict[int, tuple[float, float]]:
    """Return the pixel (row, column) of each label but 0 that is farthest from its border."""
    of = np.asarray(labels)
    out = {}
    for label in np.unique(of).tolist():
        if label:
            mask, corner = _cut(of == label)
            inside = np.pad(mask, 1)  # what is beyond the picture is not of it
            distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
            row, column = np.unravel_index(int(distance.argmax()), distance.shape)
            out[int(label)] = float(row + corner[0]), float(column + corner[1])
    return out


def _cut(where: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], Array]:
    """Return the rectangle that a mask is in, as OpenCV takes it, and its first pixel."""
    rows, columns = (np.flatnonzero(where.any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    mask = np.ascontiguousarray(where[box]).view(np.uint8)
    return mask, np.array([rows[0], columns[0]], dtype=np.float64)
