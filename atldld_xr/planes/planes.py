"""The planes of a Dataset, from its first section to its last. Pure.

By default, planes are where the sections are, if these lie in equal steps; else, and of a step that
is asked for, they are on the grid of the reference space, and what a section is thick apart: at 25
um these are the planes of Allen's own reference volume. Either way a plane shows the tissue that
was cut there, and no position is off by more than half of a section. Only those from the first
section to the last are kept: a slice of a data set takes no more than it holds, and a section that
is registered to beyond the reference space has its place like the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from atldld_xr.allen.reference import REFERENCE_SPACES, SECTION_DIMS
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.planes.axis import Axis, read_positions, round_off
from atldld_xr.planes.placing import check_step, nearest_plane, place
from atldld_xr.planes.spacing import find_spacing

_THICKEST = max(max(space.extent) for space in REFERENCE_SPACES.values())

# The reference space has 132 000 of the finest; more is a coordinate that is none.
_MOST_PLANES = 1_000_000


@dataclass(frozen=True)
class Planes:
    """Regular planes with sections in some of them.

    Attributes
    ----------
    dim : str
        Name of the dimension across sections.
    step : float
        From one plane to the next, in micrometres.
    first : int
        Which plane of the grid plane 0 is.
    places : tuple of int
        In which plane each section is, in the Dataset's order.
    positions : tuple of float
        Where each section is exactly, in micrometres.
    origin : float
        Where the grid begins, in micrometres: plane k of it is centred at ``origin + (k + 0.5) *
        step``. That of the reference space begins at 0.
    """

    dim: str
    step: float
    first: int
    places: tuple[int, ...]
    positions: tuple[float, ...]
    origin: float = 0.0

    @property
    def axis(self) -> Axis:
        """The planes' centres."""
        first = round_off(self.origin + (self.first + 0.5) * self.step)
        return Axis(first, self.step, max(self.places) + 1)

    @property
    def sections(self) -> dict[int, int]:
        """The section in each plane that has one, as an index into the Dataset."""
        return {place: section for section, place in enumerate(self.places)}


def find_dim(dataset: xr.Dataset) -> str:
    """Return the name of the dimension across sections.

    Raises
    ------
    InvalidArgumentError
        If there is none, or both.
    """
    dims = [dim for dim in SECTION_DIMS if dim in dataset.dims]
    if len(dims) == 1:
        return dims[0]
    if not dims and any(dim in dataset.coords for dim in SECTION_DIMS):
        raise InvalidArgumentError(
            "this is one section, and OME-Zarr needs the dimension across sections: take it by a "
            "list, as .isel(coronal=[0])"
        )
    raise InvalidArgumentError(
        "OME-Zarr needs a Dataset with one dimension across sections, "
        f"{' or '.join(SECTION_DIMS)}; this has {', '.join(map(str, dataset.dims)) or 'none'}"
    )


def find_planes(dataset: xr.Dataset, *, step: float | None = None) -> Planes:
    """Put each section in its nearest plane.

    Parameters
    ----------
    dataset : xarray.Dataset
        As `atldld_xr.open_dataset` returns it, whole or sliced; no pixels are read.
    step : float, optional
        From one plane to the next, in micrometres. Default: that of the sections, where they lie in
        equal steps as `find_spacing` has them; else the attribute ``section_thickness``.

    Returns
    -------
    Planes
        Positions halfway between two planes are in the upper one.

    Raises
    ------
    InvalidArgumentError
        If two sections are in one plane, or a position or the step is no number that can be used.
    """
    dim = find_dim(dataset)
    if dim not in dataset.coords:
        raise InvalidArgumentError(f"the sections have no positions: {dim} has no coordinate")
    positions = [float(position) for position in read_positions(dataset, dim).tolist()]
    if not positions:
        raise InvalidArgumentError("there is no section to be written")
    width = _find_step(dataset, step)
    if step is None and "plane_spacing" not in dataset.attrs:
        spacing = find_spacing(positions, width)
        if spacing is not None and spacing.step <= _THICKEST and max(spacing.places) < _MOST_PLANES:
            origin = round_off(spacing.first - spacing.step / 2)
            return Planes(dim, spacing.step, 0, spacing.places, tuple(positions), origin)
    first, last = (nearest_plane(end(positions), width) for end in (min, max))
    if last - first >= _MOST_PLANES:
        raise InvalidArgumentError(
            f"{dim} is from {min(positions):g} to {max(positions):g} um: that is more than "
            f"{_MOST_PLANES} planes of {width:g} um; take a larger step"
        )
    image_ids: list[int | None] = [None] * len(positions)
    if "section_image_id" in dataset.coords and dataset["section_image_id"].dims == (dim,):
        image_ids = dataset["section_image_id"].values.tolist()
    planes = place(positions, width, dim=dim, image_ids=image_ids)
    places = tuple(plane - first for plane in planes if plane is not None)
    return Planes(dim, width, first, places, tuple(positions))


def _find_step(dataset: xr.Dataset, step: float | None) -> float:
    if step is not None:
        return check_step(step, _THICKEST)
    spacing = dataset.attrs.get("plane_spacing")
    if spacing is not None:  # a volume has planes of its own
        return check_step(spacing, _THICKEST, "plane_spacing")
    thickness = dataset.attrs.get("section_thickness")
    if thickness is None:
        raise InvalidArgumentError(
            "the Dataset does not say how thick its sections are (the attribute "
            "section_thickness): give the distance of planes as step"
        )
    return check_step(thickness, _THICKEST, "section_thickness")
