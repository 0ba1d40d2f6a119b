"""The annotation in memory, for who reads it thousands of times: 154 MB at 25 um."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

_PLANES = 32  # that are unpacked at a time


class HeldLabels(BackendArray):
    """Labels as places in a list of those that there are, which take half the room or less.

    Parameters
    ----------
    places : ndarray of unsigned int
        Over (p, i, r).
    labels : ndarray of uint32
        The label at each place of the list.
    name : str
        Of the volume that they are of, for Dask.
    """

    def __init__(
        self, places: NDArray[np.unsignedinteger], labels: NDArray[np.uint32], name: str
    ) -> None:
        self._places, self._labels, self._name = places, labels, name
        self.shape = places.shape
        self.dtype = labels.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        outer = indexing.IndexingSupport.OUTER  # or grids of 200 um would read 308 MB each
        return indexing.explicit_indexing_adapter(key, self.shape, outer, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[np.uint32]:
        places: NDArray[Any] = self._places
        for axis in reversed(range(places.ndim)):  # numbers take their axis away
            places = places[(slice(None),) * axis + (key[axis],)]
        labels: NDArray[np.uint32] = self._labels[places]
        return labels

    def __dask_tokenize__(self) -> object:
        return type(self).__name__, self._name


def hold_labels(annotation: xr.DataArray) -> xr.DataArray:
    """Return an annotation whose labels are read now, a slab at a time, and held.

    Parameters
    ----------
    annotation : xarray.DataArray
        As `open_annotation` gives it with ``chunks=None``.

    Raises
    ------
    MetadataError, ServiceError, StoreError
        If it cannot be read.
    """
    from dask.base import tokenize

    places = np.empty(annotation.shape, np.uint16)
    known = np.zeros(1, np.uint32)
    for start in range(0, annotation.shape[0], _PLANES):
        slab = annotation[start : start + _PLANES].values
        new = np.setdiff1d(slab, known)
        known = np.concatenate([known, new.astype(np.uint32)])
        if known.size > np.iinfo(places.dtype).max:  # of no atlas that is known
            places = places.astype(np.uint32)
        order = np.argsort(known)
        places[start : start + _PLANES] = order[np.searchsorted(known, slab, sorter=order)]
    held = HeldLabels(places, known, tokenize(annotation.attrs["source"], places.shape))
    variable = xr.Variable(
        annotation.dims, indexing.LazilyIndexedArray(held), annotation.attrs, fastpath=True
    )
    return xr.DataArray(variable, annotation.coords, name=annotation.name)
