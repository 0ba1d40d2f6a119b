"""Where what a Dataset shows truly lies, by its own coordinates: of each pixel, on any slice.

What is at (y, x) of a section is read from a pixel of its image (the coordinate `affine`), and that
pixel lies somewhere in the brain (the coordinate `pose`, inverted). Together they are one matrix a
section, whichever plane it is read on and whoever registered it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.allen.matrices import product
from atldld_xr.allen.poses import POSE, POSE_DIMS, inverses
from atldld_xr.allen.reference import PLANES, Plane
from atldld_xr.datasets.sections import TABLE_DIM
from atldld_xr.errors import InvalidArgumentError

Array = NDArray[np.float64]

_ONE = "section"
"""The dimension that one section by itself is given, to be taken off again."""


@dataclass(frozen=True)
class Shown:
    """The pixels of a Dataset and where what they show lies.

    Attributes
    ----------
    dataset : xarray.Dataset
        The Dataset.
    plane : Plane
        In which it was cut.
    dim : str
        The dimension of sections; of one by itself, the name of none.
    matrices : ndarray, shape (N, 3, 3)
        From (y, x, 1) to (p, i, r), in micrometres of the Dataset's own reference space.
    y, x : ndarray
        Where its rows and columns are.
    """

    dataset: xr.Dataset
    plane: Plane
    dim: str
    matrices: Array
    y: Array
    x: Array

    @property
    def dims(self) -> tuple[str, str, str]:
        """The dimensions of an array over all pixels."""
        return self.dim, "y", "x"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Their sizes."""
        return len(self.matrices), len(self.y), len(self.x)

    @property
    def chunks(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]] | None:
        """The chunks that an array over all pixels has beside the Dataset's; None without Dask."""
        for variable in self.dataset.variables.values():
            if variable.chunks is not None and {"y", "x"} <= {*variable.dims}:
                sizes = variable.chunksizes
                return (1,) * self.shape[0], tuple(sizes["y"]), tuple(sizes["x"])
        return None

    def array(self, variable: xr.Variable, name: str, attrs: dict[str, Any]) -> xr.DataArray:
        """Return a variable over all pixels as an array of the Dataset's dimensions."""
        there = {*self.dataset.dims}
        variable = variable.isel({dim: 0 for dim in self.dims if dim not in there})
        variable.attrs = attrs
        coords = {
            name: coordinate
            for name, coordinate in self.dataset.coords.items()
            if {*coordinate.dims} <= {*variable.dims}
        }
        return xr.DataArray(variable, coords=coords, name=name)


def shown(dataset: xr.Dataset) -> Shown:
    """Return where what a Dataset shows lies.

    Raises
    ------
    InvalidArgumentError
        If the Dataset does not say it.
    """
    if TABLE_DIM in dataset.dims:
        raise InvalidArgumentError(
            "this is a volume, whose planes are no sections: its voxels lie at their own "
            "coordinates, and open_annotation of the same resolution has their labels. Sections "
            "are what open_dataset gives"
        )
    pose = poses_of(dataset)
    affine = dataset.coords.get("affine")
    if affine is None or affine.dims[:-2] != pose.dims[:-2] or affine.shape[-2:] != (2, 3):
        raise InvalidArgumentError(
            "this Dataset does not say which pixels it shows: it has no coordinate 'affine' of its "
            "sections"
        )
    to_image = np.asarray(affine.values, dtype=np.float64)
    last = np.broadcast_to([0.0, 0.0, 1.0], (*to_image.shape[:-2], 1, 3))
    matrices = product(inverses(pose.values), np.concatenate([to_image, last], axis=-2))
    rows, columns = (_places(dataset, name) for name in ("y", "x"))
    dim = str(pose.dims[0]) if pose.ndim == 3 else _ONE
    return Shown(dataset, _plane(dataset), dim, matrices.reshape(-1, 3, 3), rows, columns)


def poses_of(dataset: xr.Dataset) -> xr.DataArray:
    """Return the poses of a Dataset's sections: (section, 3, 4), or (3, 4) of one.

    Raises
    ------
    InvalidArgumentError
        If it has none.
    """
    if POSE not in dataset.coords:
        raise InvalidArgumentError(
            f"this Dataset does not say how its sections lie: it has no coordinate {POSE!r}. "
            'Choosing variables, as by ds[["image"]], loses it: ask the Dataset that they are of. '
            "Stores of earlier versions have none: open the data set anew"
        )
    pose = dataset.coords[POSE]
    if pose.dims[-2:] != POSE_DIMS or pose.shape[-2:] != (3, 4) or pose.ndim > 3:
        raise InvalidArgumentError(f"the coordinate {POSE!r} is no matrix of each section any more")
    return pose


def _plane(dataset: xr.Dataset) -> Plane:
    found = [plane for plane in PLANES.values() if plane.dim in dataset.coords]
    if len(found) != 1:
        raise InvalidArgumentError(
            "this Dataset does not say in which plane it was cut: it has "
            f"{'both coordinates' if found else 'neither'} coronal and sagittal"
        )
    return found[0]


def _places(dataset: xr.Dataset, name: str) -> Array:
    if (
        name not in dataset.coords
        or dataset[name].dtype.kind not in "iuf"
        or dataset[name].ndim > 1
    ):
        raise InvalidArgumentError(
            f"this Dataset does not say where its pixels are: {name} has no numbers"
        )
    return np.atleast_1d(np.asarray(dataset[name].values, dtype=np.float64))
