"""What is counted of pixels, by label and side of the brain: whole numbers, merged by adding. Pure.

Sums of integers are exact: any blocks, in any order, give the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PIXELS, VALID, EXPRESSING, INTENSITY, EXPRESSING_INTENSITY = range(5)
"""What is counted: all pixels of a label; those that the section and its mask have; those of them
that express; and the sums of 255 - grey over these two."""

LEFT, RIGHT, BOTH = 1, 2, 3
"""Allen's ``hemisphere_id``."""

_SIDE_BITS = 2


@dataclass(frozen=True, eq=False)
class Accumulator:
    """Counts of pixels.

    Attributes
    ----------
    keys : ndarray of uint64
        Labels with their side, see `labels` and `sides`; ascending, each once.
    counts : ndarray of int64
        (key, 5): what is counted of each.
    """

    keys: NDArray[np.uint64]
    counts: NDArray[np.int64]

    @property
    def labels(self) -> NDArray[np.uint64]:
        """The label of each row."""
        return self.keys >> np.uint64(_SIDE_BITS)

    @property
    def sides(self) -> NDArray[np.uint64]:
        """The side of each row: `LEFT` or `RIGHT`."""
        return self.keys & np.uint64((1 << _SIDE_BITS) - 1)


def darkness(image: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return 255 - grey of RGB pixels, grey being ``(77 R + 150 G + 29 B + 128) >> 8``.

    In whole numbers, and so the same everywhere; the weights are those of luma, in 256ths.
    """
    # 256 * 255 + 128 is less than 2 ** 16.
    grey = image[..., 0] * np.uint16(77)
    grey += image[..., 1] * np.uint16(150)
    grey += image[..., 2] * np.uint16(29)
    grey += np.uint16(128)
    grey >>= np.uint16(8)
    out: NDArray[np.uint16] = np.uint16(255) - grey
    return out


def expresses(mask: NDArray[np.uint8], threshold: int) -> NDArray[np.bool_]:
    """Return where a mask, grey or coloured, has more than a threshold: in any of its channels."""
    if mask.ndim == 2:
        return np.asarray(mask > threshold)
    return np.asarray((mask > threshold).any(axis=-1))


def count(
    labels: NDArray[np.unsignedinteger],
    sides: NDArray[np.uint8] | int,
    dark: NDArray[np.uint16],
    valid: NDArray[np.bool_],
    expressing: NDArray[np.bool_],
) -> Accumulator:
    """Count the pixels of a block. Label 0 is none.

    Parameters
    ----------
    labels : ndarray of unsigned int
        Of each pixel, (y, x).
    sides : ndarray of uint8 or int
        The side of the brain, broadcast to the pixels.
    dark : ndarray of uint16
        255 - grey.
    valid : ndarray of bool
        Whether the section and its mask have the pixel.
    expressing : ndarray of bool
        Whether it expresses; counted where it is valid.
    """
    flat, side = labels.ravel(), np.broadcast_to(np.asarray(sides, np.uint8), labels.shape).ravel()
    # Along rows labels come in runs: sums of these are what is sorted, a tenth as many.
    begins = np.ones(flat.size, bool)
    begins[1:] = (flat[1:] != flat[:-1]) | (side[1:] != side[:-1])
    starts = np.flatnonzero(begins)
    labelled = flat[starts] > 0
    if not labelled.any():
        return EMPTY
    expressing = expressing & valid
    counts = np.empty((starts.size, 5), np.int64)
    counts[:, PIXELS] = np.diff(starts, append=flat.size)
    for column, values in (
        (VALID, valid),
        (EXPRESSING, expressing),
        (INTENSITY, dark * valid),
        (EXPRESSING_INTENSITY, dark * expressing),
    ):
        counts[:, column] = np.add.reduceat(values.ravel(), starts, dtype=np.int64)
    keys = (flat[starts].astype(np.uint64) << np.uint64(_SIDE_BITS)) | side[starts]
    return _added(keys[labelled], counts[labelled])


def merge(parts: Iterable[Accumulator]) -> Accumulator:
    """Return the sum of accumulators."""
    found = [part for part in parts if part.keys.size]
    if len(found) < 2:
        return found[0] if found else EMPTY
    return _added(
        np.concatenate([part.keys for part in found]),
        np.concatenate([part.counts for part in found]),
    )


def _added(keys: NDArray[np.uint64], counts: NDArray[np.int64]) -> Accumulator:
    """Return rows with one for each key, the sum of those that have it."""
    if not keys.size:
        return EMPTY
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return Accumulator(keys[starts], np.add.reduceat(counts[order], starts, axis=0))


EMPTY = Accumulator(np.empty(0, np.uint64), np.empty((0, 5), np.int64))
