"""The annotation, cut along each section's own plane: the label of what each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.allen.reference import CORONAL, check_adult, mirror
from atldld_xr.allen.sides import sides_along_r
from atldld_xr.arrays.readers import behind_selections
from atldld_xr.arrays.ruled_array import ruled_variable
from atldld_xr.datasets.open_annotation import open_annotation
from atldld_xr.datasets.shown import Array, shown
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.planes.sides import find_sides

AXES = (CORONAL.dim, "y", "x")
"""Of an annotation: along p, i and r."""

_OF_ITS_GRID = {"resolution", "anchor", "resampling", "reference_space_id", "reference_space"}
"""Attributes that are true of the volume, and not of what is cut from it on other pixels."""

_AT_ONCE = 1 << 20  # pixels whose places are held at a time


def cut_annotation(
    dataset: xr.Dataset, annotation: xr.DataArray | xr.Dataset | None
) -> xr.DataArray:
    """Return the label of each pixel's tissue; see ``Dataset.atldld.annotation``."""
    pixels = shown(dataset)
    volume = _volume(dataset, annotation)
    mirrored = find_sides(dataset, pixels.plane.dim).mirrored
    if mirrored is None:
        raise InvalidArgumentError(
            "on which side this Dataset shows left is told by nothing any more: set the attributes "
            "reference_space_id and registered_to_reference_space_id to what open_dataset gives"
        )
    matrices = pixels.matrices
    if mirrored:
        flip = mirror()
        matrices = matrices * np.diag(flip)[:3, None]
        matrices[..., 2] += flip[:3, 3]
    first, step = np.transpose([_steps(volume, axis) for axis in AXES])
    rule = _Labels(matrices, pixels.y, pixels.x, volume, first, step)
    dtype = np.dtype(np.uint32)
    variable = ruled_variable(rule, pixels.shape, dtype, pixels.dims, pixels.chunks)
    attributes = {name: value for name, value in volume.attrs.items() if name not in _OF_ITS_GRID}
    attributes |= {
        "long_name": "structure of what is shown here, by its id",
        "sides": sides_along_r(mirrored=mirrored),
    }
    return pixels.array(variable, "annotation", attributes)


@dataclass(frozen=True)
class _Labels:
    """The labels of sections: of the voxel that lies nearest to each pixel's place."""

    matrices: Array
    y: Array
    x: Array
    volume: xr.DataArray
    first: Array
    step: Array

    def __call__(self, section: int, rows: slice, columns: slice) -> NDArray[np.uint32]:
        y, x = self.y[rows], self.x[columns]
        out = np.zeros((len(y), len(x)), dtype=np.uint32)
        height = max(_AT_ONCE // max(len(x), 1), 1)
        for top in range(0, len(y), height):
            part = slice(top, top + height)
            out[part] = self._labels(self.matrices[section], y[part], x)
        return out

    def _labels(self, matrix: Array, y: Array, x: Array) -> NDArray[np.uint32]:
        out = np.zeros((len(y), len(x)), dtype=np.uint32)
        inside = np.ones(out.shape, dtype=bool)
        index = []
        for (down, along, shift), first, step, size in zip(
            matrix.tolist(), self.first, self.step, self.volume.shape, strict=True
        ):
            place = np.add.outer(down * y + shift, along * x)
            voxel = np.floor((place - first) / step + 0.5).astype(np.intp)
            inside &= (voxel >= 0) & (voxel < size)
            index.append(voxel)
        if inside.any():
            found = [voxel[inside] for voxel in index]
            box = tuple(slice(int(at.min()), int(at.max()) + 1) for at in found)
            labels = self._read(box)
            out[inside] = labels[tuple(at - s.start for at, s in zip(found, box, strict=True))]
        return out

    def _read(self, box: tuple[slice, ...]) -> NDArray[Any]:
        part = self.volume.isel(dict(zip(AXES, box, strict=True)))
        if part.chunks is None:
            return np.asarray(part.values)
        import dask

        # By the thread that is here: it is one of a scheduler's own.
        (labels,) = dask.compute(part.data, scheduler="sync")
        return np.asarray(labels)

    def __dask_tokenize__(self) -> object:
        from dask.base import normalize_token

        variable = self.volume.variable
        by_dask = variable.chunks is not None
        volume: Any = variable.data.name if by_dask else behind_selections(variable)
        own = (self.matrices, self.y, self.x, self.first, self.step)
        return normalize_token((type(self).__name__, own, volume))


def atlas_of(dataset: xr.Dataset) -> str | None:
    """Return the source of the annotation and its structures for a Dataset: of a phantom its own.

    Of all else it is the default, as images are of one source and the annotation of another.
    """
    return "phantom" if dataset.attrs.get("source") == "phantom" else None


def _volume(dataset: xr.Dataset, annotation: xr.DataArray | xr.Dataset | None) -> xr.DataArray:
    if annotation is None:
        check_adult(dataset.attrs, "Allen's annotation")
        annotation = open_annotation(source=atlas_of(dataset), chunks=None)
    if isinstance(annotation, xr.Dataset) and "annotation" in annotation:
        annotation = annotation["annotation"]
    if (
        not isinstance(annotation, xr.DataArray)
        or {*annotation.dims} != {*AXES}
        or annotation.dtype.kind not in "ui"
    ):
        raise InvalidArgumentError(
            f"an annotation is a DataArray of whole numbers over {', '.join(AXES)}, as "
            "open_annotation gives it"
        )
    own = dataset.attrs.get("registered_to_reference_space_id")
    if annotation.attrs.get("reference_space_id", own) != own:
        check_adult(dataset.attrs, "that annotation")
    return annotation.transpose(*AXES)


def _steps(volume: xr.DataArray, axis: str) -> tuple[float, float]:
    """Return where an annotation's first voxel is along an axis, and how far the next is."""
    at = np.asarray(volume[axis].values, dtype=np.float64) if axis in volume.coords else np.empty(0)
    steps = np.diff(at)
    if at.size < 2 or not np.allclose(steps, steps[0], rtol=1e-6) or steps[0] <= 0:
        raise InvalidArgumentError(f"the annotation's voxels are not in equal steps along {axis}")
    return float(at[0]), float((at[-1] - at[0]) / (at.size - 1))
