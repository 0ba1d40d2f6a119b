"""Means of uint8 pixels, rounded to the nearest whole number and halves to the even one. Pure.

Rounded up, as OpenCV does it where it halves, a mean of four is 1/8 too high on average, and what
is averaged again is so once more.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from atldld_xr.warp.scratch import Scratch

Pixels = NDArray[np.uint8]

# OpenCV gives what is larger than one and a half of these to threads of its own.
MOST_AT_ONCE = 3 * (1 << 15) - 1
"""Pixels that it makes on the thread that calls it."""

# OpenCV divides in float32: powers of two divide exactly, and odd numbers leave no half.
_EXACT = frozenset((2, 4, 8, 16, 3, 5, 7, 9, 11, 13, 15))


_SCRATCH = Scratch()


def mean_of_samples(samples: Pixels, out: Pixels) -> None:
    """Put the means of samples where they are wanted.

    Parameters
    ----------
    samples : ndarray of uint8, shape (rows, n, n, columns, ...)
        Row by row n rows of n samples a pixel: the first ones of all columns, then their second.
    out : ndarray of uint8, shape (rows, columns, ...)
        Where they are put, in memory without gaps along a row.
    """
    n = samples.shape[1]
    dtype = np.uint16 if n <= 16 else np.uint32
    rows, columns = len(samples), samples.shape[3:]
    # Dimensions of the sums: the samples of a column; rows, columns.
    sums = _SCRATCH.array("sums", (n, rows, *columns), dtype)
    by_row = sums.swapaxes(0, 1)
    np.add(samples[:, 0], samples[:, 1], out=by_row, dtype=dtype)
    for k in range(2, n):
        by_row += samples[:, k]
    total = sums[0]
    for k in range(1, n):
        total += sums[k]
    if n in _EXACT:
        import cv2

        cv2.convertScaleAbs(total, dst=out, alpha=1 / n**2)
    else:
        np.copyto(out, np.rint(total / n**2), casting="unsafe")


def any_of_samples(samples: Pixels, out: Pixels) -> None:
    """Put where they are wanted the greatest of samples, laid out as for `mean_of_samples`."""
    np.max(samples, axis=(1, 2), out=out)


def reduce_tile(pixels: Pixels, halvings: int) -> Pixels:
    """Halve an image a number of times, by the means of its areas.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width) or (height, width, channels)
        The image.
    halvings : int
        How many times.

    Returns
    -------
    ndarray of uint8
        Rounded once. Sides are rounded up: what does not fill a last row or column is a pixel of
        its own, the mean of as much as there is.
    """
    side = 1 << halvings
    if side == 1:
        return pixels
    height, width = (-(-size // side) for size in pixels.shape[:2])
    out = np.empty((height, width, *pixels.shape[2:]), np.uint8)
    for y, rows in _whole_and_rest(pixels.shape[0], side):
        for x, columns in _whole_and_rest(pixels.shape[1], side):
            _put_means(pixels[y, x], side, out[rows, columns])
    return out


def _whole_and_rest(size: int, side: int) -> Iterator[tuple[slice, slice]]:
    """Yield the pixels that fill whole ones of the result, and those; then what is left."""
    whole = size // side
    if whole:
        yield slice(0, whole * side), slice(0, whole)
    if size % side:
        yield slice(whole * side, size), slice(whole, whole + 1)


def _put_means(pixels: Pixels, side: int, out: Pixels) -> None:
    import cv2

    rows, columns = out.shape[:2]
    cell = pixels.shape[0] // rows, pixels.shape[1] // columns
    if cell != (side, side):  # at an edge: few, and not by powers of two
        cells = pixels.reshape(rows, cell[0], columns, cell[1], *pixels.shape[2:])
        np.copyto(out, np.rint(cells.mean((1, 3))), casting="unsafe")
        return
    step = max(MOST_AT_ONCE // columns, 1)
    for top in range(0, rows, step):
        part, wanted = pixels[top * side : (top + step) * side], out[top : top + step]
        cv2.resize(part, wanted.shape[1::-1], dst=wanted, interpolation=cv2.INTER_AREA)
        if side == 2:
            # Alone of its means, those of four are rounded up. Rounded down, they are these in the
            # negative; where the two differ, the even one is meant.
            negative = np.empty_like(wanted)
            cv2.resize(~part, wanted.shape[1::-1], dst=negative, interpolation=cv2.INTER_AREA)
            negative ^= wanted
            negative |= 0xFE
            wanted &= negative
