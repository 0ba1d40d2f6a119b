"""Outlines of labels: closed lines through the outermost pixels of each. Pure."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def outlines(labels: ArrayLike) -> dict[int, list[Array]]:
    """Return the outlines of each label but 0.

    They run through the centres of a label's own outermost pixels, half a pixel inside of its
    border, so that those of neighbours lie beside each other.

    Parameters
    ----------
    labels : array_like of int, shape (rows, columns)
        Labels.

    Returns
    -------
    dict of list of ndarray, shape (N, 2)
        By label, ascending: (row, column) of each corner, the first one again at the end; also
        around holes.
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
        out[int(label)] = [line.astype(np.float64) + corner for line in closed]
    return out


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
