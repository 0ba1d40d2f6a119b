"""The sections of a volume on disk, between their computation and their place in a file.

A volume's header lists the planes that could be read, so all are read before it is written. And
where the planes lie across a file's slowest axis, every part of the file needs a line of each.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.volumes.target import storing


class Spool:
    """Planes of one shape in a temporary file, which ends with it, or with the process.

    Parameters
    ----------
    target : path
        The volume, in whose folder the file is.
    shape : tuple of int
        Of a plane: (rows, columns), and 3 for colour.
    dtype : numpy.dtype
        Of a voxel.
    crossed : bool
        Whether the planes are wanted column by column, and not whole.
    """

    def __init__(
        self,
        target: Path,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        *,
        crossed: bool,
    ) -> None:
        self._target = str(target)
        with storing(self._target):
            # `__exit__` closes it.
            self._file = tempfile.TemporaryFile(dir=target.parent)  # noqa: SIM115
        self._shape, self._dtype, self._crossed = shape, dtype, crossed
        self._size = int(np.prod(shape)) * dtype.itemsize
        self._planes: dict[int, int] = {}  # where each is in the file

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        # On a full disk it fails once more, at what is left to write of a file that is to go.
        with suppress(OSError):
            self._file.close()

    def add(self, plane: int, voxels: NDArray[Any]) -> None:
        """Keep a plane of the volume."""
        stored = np.ascontiguousarray(voxels.swapaxes(0, 1)) if self._crossed else voxels
        with storing(self._target):
            self._file.write(stored.data)
        self._planes[plane] = len(self._planes)

    def slabs(self, planes: int, fill: Any) -> Iterator[NDArray[Any]]:
        """Yield the volume from front to back; every array is the receiver's own.

        Parameters
        ----------
        planes : int
            How many planes the volume has.
        fill : number
            The value of those that were not added.

        Yields
        ------
        ndarray, shape (rows, columns, ...)
            Plane after plane, or, where `crossed`, for each column an array (rows, planes, ...).
        """
        self._file.flush()
        return self._across(planes, fill) if self._crossed else self._along(planes, fill)

    def _along(self, planes: int, fill: Any) -> Iterator[NDArray[Any]]:
        for plane in range(planes):
            if plane in self._planes:
                yield self._read(self._planes[plane] * self._size, self._shape)
            else:
                yield np.full(self._shape, fill, dtype=self._dtype)

    def _across(self, planes: int, fill: Any) -> Iterator[NDArray[Any]]:
        rows, columns, *last = self._shape
        slab = np.full((rows, planes, *last), fill, dtype=self._dtype)
        line = self._size // columns
        for column in range(columns):
            for plane, place in self._planes.items():
                slab[:, plane] = self._read(place * self._size + column * line, (rows, *last))
            yield slab.copy()

    def _read(self, start: int, shape: tuple[int, ...]) -> NDArray[Any]:
        out = np.empty(shape, dtype=self._dtype)
        self._file.seek(start)
        if self._file.readinto(out.data) != out.nbytes:
            raise OSError("the temporary file of the sections was cut short")
        return out
