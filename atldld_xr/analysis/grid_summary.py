"""Numbers of each structure from Allen's energy grid, and the annotation at its points. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.allen.reference import MIDLINE
from atldld_xr.analysis.accumulators import BOTH, LEFT, RIGHT
from atldld_xr.analysis.columns import NO_PIXEL
from atldld_xr.errors import InvalidArgumentError

AXES = ("coronal", "y", "x")

NO_GRID_VOXEL = NO_PIXEL.replace("sections", "voxels")
NO_VOXEL = "Allen's grid has no data of it"
NO_ENERGY = "its mean is 0: voxel_energy_cv is a share of nothing"


def labels_at(grid: xr.Dataset, annotation: xr.DataArray) -> NDArray[np.unsignedinteger]:
    """Return the label at each of a grid's points: of the voxel of the annotation that it lies in.

    A point between two lies in the second: at 25 um, of grid voxel k, at k * 200 um, that is voxel
    8 k of the annotation. Beyond the annotation it is 0. Only what is needed of it is read.

    Raises
    ------
    InvalidArgumentError
        If the annotation is none of the reference volume.
    """
    if set(annotation.dims) != set(AXES) or annotation.dtype.kind not in "ui":
        raise InvalidArgumentError(
            f"the annotation of a grid is a volume of labels over {', '.join(AXES)}, as "
            f"open_annotation() gives; not {annotation.dtype} over "
            f"{', '.join(map(str, annotation.dims))}"
        )
    places, inside = {}, {}
    for axis in AXES:
        places[axis], inside[axis] = _places(
            np.asarray(grid[axis].values, np.float64),
            np.asarray(annotation[axis].values, np.float64),
        )
    picked = annotation.isel({axis: places[axis][inside[axis]] for axis in AXES}).transpose(*AXES)
    out = np.zeros([grid.sizes[axis] for axis in AXES], np.uint32)
    out[np.ix_(*(inside[axis] for axis in AXES))] = picked.values
    return out


def _places(
    points: NDArray[np.float64], centres: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    steps = np.diff(centres)
    if steps.size == 0 or not (steps > 0).all() or not np.allclose(steps, steps[0], rtol=1e-6):
        raise InvalidArgumentError("the annotation's voxels are not in equal steps")
    step = (centres[-1] - centres[0]) / steps.size
    # What is a thousandth of a voxel before a border lies on it.
    places = np.floor((points - centres[0]) / step + 0.5 + 1e-3).astype(np.intp)
    return places, (places >= 0) & (places < centres.size)


def grid_columns(
    energy: NDArray[np.floating[Any]],
    labels: NDArray[np.unsignedinteger],
    r: NDArray[np.float64],
    members: Sequence[NDArray[np.integer]],
    hemispheres: Sequence[int],
    voxel_mm3: float,
) -> dict[str, NDArray[Any]]:
    """Return columns over (structure, hemisphere).

    Parameters
    ----------
    energy : ndarray
        Over (p, i, r); what is 0 or more is valid.
    labels : ndarray of unsigned int
        Of each voxel, 0 is none.
    r : ndarray of float64
        Of the voxels, in micrometres, with left at low r.
    members : sequence of ndarray
        Of each structure the labels that are its own or its descendants'.
    hemispheres : sequence of int
        Of Allen's ids of hemispheres.
    voxel_mm3 : float
        The volume of a voxel.
    """
    side = np.broadcast_to(np.where(r < MIDLINE, LEFT, RIGHT), labels.shape)[labels > 0]
    label, value = labels[labels > 0], energy[labels > 0].astype(np.float64)
    valid = value >= 0  # also of what is no number
    shape = len(members), len(hemispheres)
    mean, cv, coverage, volume = np.full((4, *shape), np.nan)
    voxels = np.zeros(shape, np.int64)
    reason = np.full(shape, "", object)
    order = np.argsort(label, kind="stable")
    label, value, valid, side = label[order], value[order], valid[order], side[order]
    present, starts = np.unique(label, return_index=True)
    ends = np.append(starts[1:], label.size)
    for row, own in enumerate(members):
        among = np.flatnonzero(np.isin(present, own))
        found = np.concatenate(
            [np.empty(0, np.intp), *(np.arange(starts[k], ends[k]) for k in among)]
        )
        for column, hemisphere in enumerate(hemispheres):
            here = found if hemisphere == BOTH else found[side[found] == hemisphere]
            values = value[here][valid[here]]
            place = row, column
            voxels[place] = values.size
            if here.size:
                coverage[place] = values.size / here.size
            if not values.size:
                reason[place] = NO_VOXEL if here.size else NO_GRID_VOXEL
                continue
            mean[place] = values.mean()
            volume[place] = values.size * voxel_mm3
            if mean[place] > 0:
                cv[place] = values.std() / mean[place]
            else:
                reason[place] = NO_ENERGY
    return {
        "voxel_energy_mean": mean,
        "voxel_energy_cv": cv,
        "n_voxels": voxels,
        "coverage": coverage,
        "volume_mm3": volume,
        "reason": reason,
    }
