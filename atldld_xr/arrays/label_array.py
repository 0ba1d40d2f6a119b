"""Labels on a grid, read where they are indexed: from the blocks of a volume, and by majority."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from atldld_xr.arrays.lazy_array import ranges_of
from atldld_xr.sources.annotations import LabelVolume, Shape, shape_of
from atldld_xr.warp.majority import SourceVoxels, resample_labels, source_voxels

_MOST_VOXELS = 4_000_000  # of the volume, in memory at a time: 16 MB, and as much again to sort


@dataclass(frozen=True)
class LabelGrid:
    """The labels of a volume on a grid, as arrays are indexed: by whole numbers and slices.

    Attributes
    ----------
    volume : LabelVolume
        What is read.
    resolution : float
        Size of the grid's voxels, in micrometres.
    shape : tuple of int
        Along (p, i, r).
    """

    volume: LabelVolume
    resolution: float
    shape: Shape

    dtype = np.dtype(np.uint32)
    ndim = 3

    @property
    def ratio(self) -> float:
        """Size of a voxel in voxels of the volume."""
        return self.resolution / self.volume.spacing

    def __getitem__(self, key: tuple[Any, ...]) -> NDArray[np.uint32]:
        out = self._read(ranges_of(key, self.shape))
        return out[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    def _read(self, ranges: list[range]) -> NDArray[np.uint32]:
        out = np.empty(tuple(map(len, ranges)), np.uint32)
        if not out.size:
            return out
        if self.ratio == 1 and all(k.step == 1 for k in ranges):  # there is nothing to count
            p, i, r = ranges
            return self.volume.read((p, i, r))
        sizes = shape_of(self.volume.spacing)
        axes = [source_voxels(k, self.ratio, n) for k, n in zip(ranges, sizes, strict=True)]
        self._fill(out, axes)
        return out

    def _fill(self, out: NDArray[np.uint32], axes: list[SourceVoxels]) -> None:
        """Make voxels in parts: what each is made of does not depend on which others are."""
        spans = [axis.span for axis in axes]
        if out.size > 1 and math.prod(map(len, spans)) > _MOST_VOXELS:
            longest = max((n for n in range(3) if out.shape[n] > 1), key=lambda n: len(spans[n]))
            half = out.shape[longest] // 2
            for part in (slice(None, half), slice(half, None)):
                some = [*axes]
                some[longest] = axes[longest][part]
                self._fill(out[(slice(None),) * longest + (part,)], some)
            return
        p, i, r = spans
        labels = self.volume.read((p, i, r))
        out[...] = resample_labels(labels, (p.start, i.start, r.start), axes)


class LabelArray(BackendArray):
    """The executor without Dask of a `LabelGrid`."""

    def __init__(self, grid: LabelGrid) -> None:
        self.grid = grid
        self.shape = grid.shape
        self.dtype = grid.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        basic = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, basic, self.grid.__getitem__)

    def __dask_tokenize__(self) -> object:
        from dask.base import normalize_token

        return normalize_token((type(self).__name__, self.grid))


def label_array(grid: LabelGrid, chunks: tuple[tuple[int, ...], ...] | None) -> Any:
    """Return a lazy array of labels: by Dask, or for None without."""
    if chunks is None:
        return indexing.LazilyIndexedArray(LabelArray(grid))
    import dask.array as da
    from dask.base import tokenize

    name = f"annotation-{tokenize(grid, chunks)}"
    meta = np.empty((0, 0, 0), grid.dtype)
    return da.from_array(
        grid, chunks, name=name, lock=False, asarray=False, inline_array=True, meta=meta
    )
