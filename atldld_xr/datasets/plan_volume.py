"""What a volume is made by: the sections of a data set as the planes of a regular grid cut them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, Literal

import numpy as np

from atldld_xr.allen.fluorescence import RangeLike
from atldld_xr.allen.matrices import product
from atldld_xr.allen.poses import SectionPose
from atldld_xr.allen.reference import CORONAL, Anchor, Grid
from atldld_xr.allen.tiers import View
from atldld_xr.arrays.fetch import OnError
from atldld_xr.arrays.variables import SectionVariable, pixels_of
from atldld_xr.arrays.volume_variables import Order, VolumeVariable, volume_variables
from atldld_xr.datasets.placed import Placed
from atldld_xr.datasets.plan_dataset import DatasetPlan, plan_dataset
from atldld_xr.datasets.which_space import Extent, SpaceLike
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import Chunks, Tier, is_one_of, split_boxes
from atldld_xr.plan.load_plan import Interpolation, LoadPlan, SectionPlan
from atldld_xr.plan.volume_plan import METHODS, Method, ObliqueSection, VolumePlan, median_spacing
from atldld_xr.planes.placing import count_planes
from atldld_xr.registration.resolve import Registered
from atldld_xr.sources.protocol import Source

VOLUME_DIMS = (CORONAL.dim, "y", "x")
"""Of every volume: along p, i and r."""

_MOST_DISTANCE = 250.0  # um: what is farther away explains a tenth of what is there
_MOST_GAP = 800.0  # um: across it both neighbours explain a fifth, across 1200 nothing
_USUAL_SPACING = 200.0  # um: of most of Allen's data sets; for one that has a single section
_FARTHEST = 13_200.0  # um: the longest side of the reference space


@dataclass(frozen=True)
class PlannedVolume:
    """What `open_volume` is about to make, before any image is fetched.

    Attributes
    ----------
    dataset : DatasetPlan
        The data set's sections, as `open_dataset` reads them.
    volumes : mapping of View to VolumePlan
        By what is read: "image" always, and a mask if it was asked for.
    variables : tuple
        The data variables, in their order in the Dataset.
    spacing : float or None
        The median distance of neighbouring sections, in micrometres.
    chunks
        As they were asked for.
    """

    dataset: DatasetPlan
    volumes: Mapping[View, VolumePlan]
    variables: tuple[VolumeVariable | SectionVariable, ...]
    spacing: float | None
    chunks: Chunks


def plan_volume(
    dataset: int | str,
    *,
    resolution: float = 25,
    method: Method = "nearest",
    max_distance: float | None = None,
    max_gap: float | None = None,
    tier: Tier = "auto",
    expression: bool | Literal["intensity"] = False,
    projection: bool | Literal["intensity"] = False,
    range: RangeLike | None = None,
    chunks: Chunks = "auto",
    anchor: Anchor = "center",
    interpolation: Interpolation = "linear",
    on_error: OnError = "raise",
    fill_value: int | None = None,
    reference_space: SpaceLike | None = None,
    extent: Extent | None = None,
    registration: Registered | None = None,
    source: str | PathLike[str] | Source | None = None,
    refresh: bool = False,
    offline: bool | None = None,
) -> PlannedVolume:
    """Plan what `open_volume` makes of the same arguments; raises what that does."""
    if not is_one_of(method, METHODS):
        raise InvalidArgumentError(f'method must be "nearest" or "linear", not {short(method)}')
    _check_length(max_distance, "max_distance")
    _check_length(max_gap, "max_gap")
    planned = plan_dataset(
        dataset,
        resolution=resolution,
        tier=tier,
        expression=expression,
        projection=projection,
        range=range,
        chunks=None,
        anchor=anchor,
        interpolation=interpolation,
        on_error=on_error,
        fill_value=fill_value,
        reference_space=reference_space,
        extent=extent,
        registration=registration,
        source=source,
        refresh=refresh,
        offline=offline,
    )
    grid = planned.grid
    shape = _shape(grid)
    order = _order(grid)
    sizes = dict(zip(VOLUME_DIMS, (shape[axis] for axis in order), strict=True))
    split = split_boxes(chunks, sizes, VOLUME_DIMS[order.index(0)])
    volumes: dict[View, VolumePlan] = {}
    variables: list[VolumeVariable | SectionVariable] = []
    spacing = None
    for view, plan in planned.plans.items():
        sections = _oblique(planned, plan)
        if view == "image":
            spacing = median_spacing(sections, shape)
        usual = _USUAL_SPACING if spacing is None else spacing
        volumes[view] = VolumePlan(
            reading=replace(plan, sections=tuple(section.section for section in sections)),
            sections=sections,
            shape=shape,
            # Values between two colours of a mask are those of neither.
            method=method if view == "image" else "nearest",
            max_distance=_length(max_distance, min(usual / 2, _MOST_DISTANCE)),
            max_gap=_length(max_gap, min(2 * usual, _MOST_GAP)),
        )
        variables += volume_variables(pixels_of(view), volumes[view], order, split)
    return PlannedVolume(planned, volumes, tuple(variables), spacing, chunks)


def _oblique(planned: DatasetPlan, plan: LoadPlan) -> tuple[ObliqueSection, ...]:
    """Return the sections that can be read, as planes cut them, in the order in which they lie."""
    found = [
        _cut(placed, section, planned.grid)
        for placed, section in zip(planned.placed, plan.sections, strict=True)
        if section.readable
    ]
    middle = np.array([*((size - 1) / 2 for size in _shape(planned.grid)), 1.0])
    # What lies behind a section in the order of cutting is at a positive distance from it.
    found.sort(key=lambda one: (-float(np.dot(one.distance, middle)), one.section.image.id))
    return tuple(found)


def _cut(placed: Placed, section: SectionPlan, grid: Grid) -> ObliqueSection:
    to_index = _to_index(placed.pose, grid)
    z, row, column, one = to_index[2].tolist()
    dx, dy = to_index[:2, 0].tolist()
    # Where the position does not change from plane to plane, it is that of a registered section to
    # the bit.
    plane = float(placed.point[grid.plane.section_axis]) / grid.resolution - grid.offset
    (ax, bx, cx), (ay, by, cy) = section.affine
    moved = replace(section, affine=((ax, bx, cx - dx * plane), (ay, by, cy - dy * plane)))
    return ObliqueSection(moved, (dx, dy), (z, row, column, one))


def _to_index(pose: SectionPose, grid: Grid) -> Any:
    """Return a pose's (3, 4) matrix from (plane, row, column, 1) instead of (p, i, r, 1)."""
    to_reference = np.zeros((4, 4))
    axes = grid.plane.section_axis, grid.plane.y_axis, grid.plane.x_axis
    for column, axis in enumerate(axes):
        to_reference[axis, column] = grid.resolution
        to_reference[axis, 3] = grid.offset * grid.resolution
    to_reference[3, 3] = 1.0
    return product(pose.matrix, to_reference)


def _shape(grid: Grid) -> tuple[int, int, int]:
    """Return the planes across the sections, rows and columns that fit the reference space."""
    extent = grid.space.extent[grid.plane.section_axis]
    return count_planes(extent, grid.resolution), *grid.shape


def _order(grid: Grid) -> Order:
    """Return which of (plane, row, column) runs along each of (p, i, r)."""
    axes = grid.plane.section_axis, grid.plane.y_axis, grid.plane.x_axis
    return axes.index(0), axes.index(1), axes.index(2)


def _check_length(value: Any, name: str) -> None:
    real = int | float | np.integer | np.floating
    if value is None or (
        isinstance(value, real)
        and not isinstance(value, bool | np.bool_)
        and 0 <= value <= _FARTHEST
    ):
        return
    raise InvalidArgumentError(
        f"{name} must be a number of micrometres from 0 to {_FARTHEST:g}, not {short(value)}"
    )


def _length(value: float | None, default: float) -> float:
    return default if value is None else float(value)
