"""Labels on a grid, read where they are indexed: from the blocks of a volume, and by majority."""

from __future__ import annotations

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
        sizes = shape_of(self.volume.spacing)
        axes = [source_voxels(k, self.ratio, n) for k, n in zip(ranges, sizes, strict=True)]
        # Some planes at a time: what a voxel is made of does not depend on which.
        across = max(axes[1].span.stop - axes[1].span.start, 1)
        across *= max(axes[2].span.stop - axes[2].span.start, 1)
        planes = max(int(_MOST_VOXELS / across / max(self.ratio * abs(ranges[0].step), 1)), 1)
        for start in range(0, len(ranges[0]), planes):
            some = slice(start, start + planes)
            own = [SourceVoxels(axes[0].first[some], axes[0].count[some]), *axes[1:]]
            p, i, r = (axis.span for axis in own)
            labels = self.volume.read((p, i, r))
            out[some] = resample_labels(labels, (p.start, i.start, r.start), own)
        return out


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
