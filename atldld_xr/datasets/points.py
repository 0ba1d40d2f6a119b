"""Points from section images to the reference space, and back, by each section's pose."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from atldld_xr.allen.poses import POSE_DIMS, inverses
from atldld_xr.allen.reference import PLANES
from atldld_xr.datasets.shown import poses_of
from atldld_xr.errors import InvalidArgumentError

COMPONENT = "component"
POINT = "point"
_ID = "section_image_id"

IMAGE, REFERENCE = ("x", "y"), ("p", "i", "r")
_UNITS = {
    IMAGE: {"long_name": "full-resolution pixels of the section image", "units": "pixel"},
    REFERENCE: {"long_name": "place in the reference space", "units": "micrometer"},
}


def to_reference(dataset: xr.Dataset, points: ArrayLike | xr.DataArray) -> xr.DataArray:
    """Take pixels to the reference space; see ``Dataset.atldld.to_reference``."""
    pose = poses_of(dataset)
    matrices = pose.copy(data=np.zeros(pose.shape)).isel({POSE_DIMS[1]: slice(3)})
    matrices = matrices.copy(data=inverses(pose.values))
    out = _mapped(matrices, _components(points, IMAGE, matrices), REFERENCE)
    return out.assign_attrs(_bent(dataset))


def to_image(dataset: xr.Dataset, points: ArrayLike | xr.DataArray) -> xr.DataArray:
    """Take reference points to pixels; see ``Dataset.atldld.to_image``."""
    pose = poses_of(dataset)
    given = _components(points, REFERENCE, pose)
    across = _row(pose, 2, given)
    across.attrs = {"long_name": "distance from the section's plane", "units": "micrometer"}
    out = _mapped(pose, given, IMAGE).assign_coords(distance=across)
    return out.assign_attrs(_bent(dataset))


def _bent(dataset: xr.Dataset) -> dict[str, str]:
    """Return what is to be told of points of sections that are bent."""
    if "registration_bends" not in dataset.attrs:
        return {}
    return {"comment": "by the poses alone: by how much sections are bent besides is left out"}


def _mapped(
    matrices: xr.DataArray, given: list[xr.DataArray], names: tuple[str, ...]
) -> xr.DataArray:
    parts = [_row(matrices, row, given) for row in range(len(names))]
    # By name, as for NumPy's arrays and Dask's alike.
    out = xr.concat(parts, dim=COMPONENT, coords="minimal", compat="override")
    out = out.assign_coords({COMPONENT: list(names)})
    own = [dim for dim in matrices.dims if dim not in POSE_DIMS]
    others = [dim for dim in out.dims if dim not in (*own, COMPONENT)]
    out = out.transpose(*own, *others, COMPONENT).rename(None)
    out.attrs = dict(_UNITS[names])
    return out


def _row(matrices: xr.DataArray, row: int, given: list[xr.DataArray]) -> xr.DataArray:
    terms = matrices.isel({POSE_DIMS[0]: row})
    out = terms.isel({POSE_DIMS[1]: -1})
    for column, values in enumerate(given):
        out = out + terms.isel({POSE_DIMS[1]: column}) * values
    return out


def _components(
    points: ArrayLike | xr.DataArray, names: tuple[str, ...], poses: xr.DataArray
) -> list[xr.DataArray]:
    """Return the parts of points, each an array over (section, where they are so, and) points."""
    array = _labelled(points) if not isinstance(points, xr.DataArray) else points
    dim: Any = COMPONENT if COMPONENT in array.dims else array.dims[-1] if array.ndim else None
    size = array.sizes.get(dim)
    if size != len(names) or array.dtype.kind not in "iuf":
        raise InvalidArgumentError(
            f"points are {len(names)} numbers each, {', '.join(names)}, along the last dimension "
            f"or {COMPONENT!r}: not {array.dtype} of shape {array.shape}"
        )
    order: list[int] = list(range(len(names)))
    if dim in array.coords:
        labels = [str(label) for label in array.coords[dim].values]
        if {*labels} == {*names}:
            order = [labels.index(name) for name in names]
        elif array.coords[dim].dtype.kind in "UOT":
            raise InvalidArgumentError(
                f"points have components {', '.join(labels)}, where {', '.join(names)} are wanted"
            )
    across = [d for d in poses.dims if d not in POSE_DIMS]
    for plane in PLANES.values():
        if plane.dim in array.dims and plane.dim not in across:
            raise InvalidArgumentError(
                f"points are of sections along {plane.dim!r}, which the Dataset has not: select "
                "those of its section"
            )
    for own in across:
        if array.sizes.get(own, poses.sizes[own]) != poses.sizes[own]:
            raise InvalidArgumentError(
                f"points are of {array.sizes[own]} sections along {own!r}, the Dataset has "
                f"{poses.sizes[own]}"
            )
        if own in array.dims and not _of_the_same(array, poses, own):
            raise InvalidArgumentError(
                f"points are of other sections along {own!r} than the Dataset has, or in another "
                f"order, by {_ID}: select them alike"
            )
    # By place: sections are those of the Dataset, whose coordinates the result has.
    array = array.astype(np.float64).drop_vars(
        [name for name, c in array.coords.items() if {dim, *across} & {*c.dims}]
    )
    return [array.isel({dim: at}, drop=True) for at in order]


def _of_the_same(points: xr.DataArray, poses: xr.DataArray, own: Hashable) -> bool:
    """Return whether points are of a Dataset's sections in order, as far as both tell."""
    told = [
        some.coords[_ID].values
        for some in (points, poses)
        if _ID in some.coords and some.coords[_ID].dims == (own,)
    ]
    return len(told) < 2 or np.array_equal(*told)


def _labelled(points: ArrayLike) -> xr.DataArray:
    try:
        values = np.asarray(points)
    except (TypeError, ValueError):  # rows of several lengths, or a Dataset
        raise InvalidArgumentError(
            f"points are an array of numbers, not {type(points).__name__}"
        ) from None
    leading = values.ndim - 1
    dims = [POINT] if leading == 1 else [f"{POINT}_{n}" for n in range(leading)]
    array = xr.DataArray(values, dims=[*dims, COMPONENT] if values.ndim else ())
    named = getattr(points, "columns", None)  # of a table, whose columns say what they are
    return array if named is None else array.assign_coords({COMPONENT: np.asarray(named)})
