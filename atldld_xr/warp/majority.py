"""Labels on another grid: the label that most voxels have, never one between two. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TOLERANCE = 1e-9  # voxels: what rounding moves a centre by does not count

TIES = "of labels that as many voxels have, the lowest counts; 0 counts like any other"
"""What is done where no label has the majority alone. It is the same for a mirror image."""


@dataclass(frozen=True, eq=False)
class SourceVoxels:
    """Which voxels of a volume those of another grid are made of, along one axis.

    Attributes
    ----------
    first : ndarray of int
        The first of each.
    count : ndarray of int
        How many there are: at least one.
    """

    first: NDArray[np.int64]
    count: NDArray[np.int64]

    def __getitem__(self, part: slice) -> SourceVoxels:
        return SourceVoxels(self.first[part], self.count[part])

    @property
    def span(self) -> range:
        """All that are needed, and what lies between them."""
        if not self.first.size:
            return range(0)
        return range(int(self.first.min()), int((self.first + self.count).max()))


def source_voxels(wanted: range, ratio: float, size: int) -> SourceVoxels:
    """Return the voxels of a volume whose centres lie in wanted ones, or else the nearest one.

    Parameters
    ----------
    wanted : range
        Indices of the other grid; its voxel k reaches from k to k + 1 times `ratio`.
    ratio : float
        Size of its voxels, in voxels of the volume.
    size : int
        Voxels of the volume.
    """
    k = np.asarray(wanted, np.int64)
    if ratio < 1 - _TOLERANCE:  # of two that are as near, the one behind
        first = np.floor((k + 0.5) * ratio + _TOLERANCE).astype(np.int64)
        return SourceVoxels(np.clip(first, 0, size - 1), np.ones_like(k))
    edges = (np.ceil(n * ratio - 0.5 - _TOLERANCE).astype(np.int64) for n in (k, k + 1))
    first, stop = (np.clip(edge, 0, size) for edge in edges)
    first = np.minimum(first, size - 1)
    return SourceVoxels(first, np.maximum(stop - first, 1))


def resample_labels(
    labels: NDArray[np.uint32], corner: Sequence[int], axes: Sequence[SourceVoxels]
) -> NDArray[np.uint32]:
    """Return the label that most of each voxel's source voxels have.

    Parameters
    ----------
    labels : ndarray
        A part of the volume, with all that `axes` need.
    corner : sequence of int
        Its first voxel, along each axis.
    axes : sequence of SourceVoxels
        What the result is made of, along each axis.
    """
    out = np.empty([axis.first.size for axis in axes], np.uint32)
    # Along an axis, the counts differ by one at most: voxels of the same count are made at once.
    for p in np.unique(axes[0].count).tolist():
        for i in np.unique(axes[1].count).tolist():
            for r in np.unique(axes[2].count).tolist():
                counts = (p, i, r)
                places = [np.flatnonzero(a.count == n) for a, n in zip(axes, counts, strict=True)]
                taken = [
                    (axis.first[place, None] - start + np.arange(n)).ravel()
                    for axis, place, start, n in zip(axes, places, corner, counts, strict=True)
                ]
                boxes = labels[np.ix_(*taken)]
                sides = [
                    side for pair in zip(map(len, places), counts, strict=True) for side in pair
                ]
                boxes = boxes.reshape(sides).transpose(0, 2, 4, 1, 3, 5)
                found = _most_frequent(boxes.reshape(-1, math.prod(counts)))
                out[np.ix_(*places)] = found.reshape([len(place) for place in places])
    return out


def _most_frequent(rows: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return what each row has most often, the lowest of several."""
    out: NDArray[np.uint32] = rows[:, 0].copy()
    mixed = np.flatnonzero((rows != rows[:, :1]).any(axis=1))
    if not mixed.size:
        return out
    some = np.sort(rows[mixed], axis=1)
    # Runs of one label, in all rows one after another.
    is_start = np.ones(some.shape, bool)
    is_start[:, 1:] = some[:, 1:] != some[:, :-1]
    starts = np.flatnonzero(is_start)
    lengths = np.diff(starts, append=some.size)
    row = starts // some.shape[1]
    longest = np.zeros(mixed.size, np.int64)
    np.maximum.at(longest, row, lengths)
    is_longest = np.flatnonzero(lengths == longest[row])
    _, first = np.unique(row[is_longest], return_index=True)  # the lowest of each row
    out[mixed] = some.ravel()[starts[is_longest[first]]]
    return out
