"""open_dataset: from a name to a lazy, registered Dataset, as a recipe."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from atldld_xr.allen.matrices import product
from atldld_xr.allen.metadata import SectionDataset
from atldld_xr.allen.poses import POSE, POSE_DIMS
from atldld_xr.allen.reference import Grid
from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.datasets.arguments import with_arguments_of
from atldld_xr.datasets.assemble import assemble
from atldld_xr.datasets.attributes import (
    channel_coordinate,
    coordinate_attributes,
    dataset_attributes,
)
from atldld_xr.datasets.plan_dataset import DatasetPlan, plan_dataset


@with_arguments_of(plan_dataset)
def open_dataset(planned: DatasetPlan) -> xr.Dataset:
    """Open a section data set as lazy arrays, registered to the reference space.

    One request for metadata is made, and none for images: these are fetched, verified and warped
    when and where somebody looks.

    Parameters
    ----------
    dataset : int or str
        Allen's section data set id, as ``71717640``, ``"71717640"``, ``"allen:71717640"`` or
        ``"allen://71717640"``, or an array of one of these without dimensions; or ``"phantom"`` or
        ``"phantom-sagittal"``, the built-in data sets.
    resolution : float
        Size of the output pixels, in micrometres.
    tier : int or "auto"
        How many times the source images are halved before they are fetched. "auto" takes the
        coarsest whose pixels are no larger than the output's; what then remains between the two
        is averaged over the output pixel's area, or as much of it as is inside a small image.
    expression : bool or "intensity"
        Whether to add Allen's expression masks: True as the service colours them, "intensity" as
        one grey channel.
    projection : bool or "intensity"
        Whether to add Allen's masks of what was segmented as axons, in the same two ways; data sets
        of connectivity have them.
    range : sequence of int or mapping, optional
        Which values of the 16 bits of fluorescence images become black and white: lower and upper
        value of red, green and blue, from 0 to 4095; or two each by the names of the coordinate
        `channel` or these colours, ``{"green": (0, 987)}``. Default, and of channels left out: the
        data set's own, by its ``equalization`` record. The attribute `range` says what was asked
        for.
    chunks : "auto", None, int or mapping
        Dask chunks of y and x (even blocks of about 512 by "auto"), or None for lazy arrays without
        Dask. They never change the result.
    anchor : {"center", "edge"}
        Whether pixel k is centred at ``(k + 0.5) * resolution`` or at ``k * resolution``.
    interpolation : {"linear", "nearest", "cubic", "lanczos"}
        How pixels are sampled. "nearest" takes points, and averages nothing.
    on_error : {"raise", "fill"}
        Whether a section image that cannot be read raises, or is left at the fill value and
        recorded: in the variable `status`, of masks in `expression_status`, and with its reason in
        the table ``ds.atldld.failures()``.
    fill_value : int, optional
        The value where a section has no pixel. Default: 255 in bright-field images, 0 in
        fluorescence and masks.
    reference_space : int or ReferenceSpace, optional
        The space of the coordinates. Default: the one that the data set is registered to, of the
        adult mouse 9 for coronal and 10 for sagittal data sets, in which left lies left. In the
        other one everything is mirrored, at ``r = 11350 - r``: 9 shows left sagittal sections
        beside the right half of an atlas. The attributes say so.
    extent : tuple of float, optional
        How far another space, as of the developing mouse, reaches along (p, i, r), in micrometres.
        Default: the size of the grid of the data set's expression, which is asked for.
    detection_xy : tuple of float, optional
        The point of a section image, in full-resolution pixels, whose coordinate is the section's.
        Default: the section's centre.
    plane : {"projected", "oblique"}
        Sections are cut obliquely. "projected": each is seen along its normal from the plane of its
        coordinate, and what is shown lies off that plane by the coordinates' tilt. "oblique": each
        is read on its own plane, so that what is shown at (y, x) truly lies at (y, x), and its
        coordinate across sections changes from pixel to pixel; it matters from some 3 degrees on.
        See ``ds.atldld.true_coordinate()``.
    registration : path, Registration or mapping, optional
        How sections lie by what others found, in place of Allen's own affine: anchors of QuickNII,
        DeepSlice or VisuAlign, as a file, folder or zip, on this machine or at a URL (see
        `atldld_xr.read_registration`); or poses by section image id, (3, 4) matrices as those of
        the coordinate ``pose``, in the space that the data set is registered to; or a
        ``Registration``, also of displacement fields by section image id. Sections that it
        says nothing of lie by Allen's: the coordinate ``registration`` is 1 where it says how, and
        0 where Allen does.
    source : str, path or source object, optional
        An API address (``http.../api/v2``), the path or URL of a mirror or its zip, "bucket" for
        Allen's public one, "auto" for the first source of the setting ``auto.sources`` that has
        the data set, or an open source. Default: the setting ``source``, and without one
        ``api_url``.
    refresh : bool
        Whether to ask for the metadata anew. Otherwise those in the cache are taken as current for
        the setting ``cache.metadata_days``; if sections are missing from them, for another reason
        than that Allen failed these, for ``cache.incomplete_minutes``. Images do not change, and
        are not asked for again.
    offline : bool, optional
        Whether the service is asked for nothing, now and when somebody looks at pixels: metadata of
        any age and images are taken from the cache, or from the mirror that is the `source`.
        Default: as the setting ``offline`` is at that time.

    Returns
    -------
    xarray.Dataset
        ``image`` (coronal or sagittal, y, x, channel) uint8, ``displacement`` (..., component)
        float32, ``coverage`` bool and, as asked for, ``expression`` with ``expression_coverage``,
        ``status`` and ``expression_status``; masks of projections likewise. Coordinates are the
        pixels' centres in micrometres. `y` is inferior; `x` is right on coronal sections and
        posterior on sagittal ones. The coordinate ``affine`` takes (y, x, 1) to full-resolution
        pixels (x, y) of a section image; ``pose`` takes (p, i, r, 1) to these, and to micrometres
        from the section's plane. In fluorescence ``channel`` names what channels show.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work; nothing is fetched.
    DatasetNotFoundError
        If the source has no such data set.
    MetadataError
        If the data set cannot be registered.
    ServiceError
        If the metadata cannot be had.
    RegistrationError
        If a registration has no section of the data set, or some that cannot lie as it says.

    Examples
    --------
    >>> import atldld_xr
    >>> ds = atldld_xr.open_dataset("phantom")
    >>> ds.atldld.section(6600).image.shape
    (320, 456, 3)
    """
    TILES.forget_failures()
    data, grid, opened = planned.data, planned.grid, planned.source
    out = assemble(planned.variables, data.plane.dim, opened, planned.chunks)
    out = out.assign_coords(_coordinates(data, grid, planned))
    attributes = dataset_attributes(data, grid, opened, planned.interpolation, planned.plane)
    if planned.registration is not None:
        attributes |= planned.registration.attributes(data)
    return out.assign_attrs(attributes)


def _coordinates(data: SectionDataset, grid: Grid, planned: DatasetPlan) -> dict[str, xr.Variable]:
    dim, axis = data.plane.dim, grid.plane.section_axis
    sections, read = planned.placed, planned.plans["image"].sections
    images = [section.image for section in sections]
    points = [section.point for section in sections]
    along: dict[str, Any] = {
        dim: [float(point[axis]) for point in points],
        "section_image_id": [image.id for image in images],
        "section_number": [image.section_number for image in images],
        "tier": [section.tier for section in read],
        "tilt_y": [float(section.tilt[0]) for section in sections],
        "tilt_x": [float(section.tilt[1]) for section in sections],
        "detection_y": [float(point[grid.plane.y_axis]) for point in points],
        "detection_x": [float(point[grid.plane.x_axis]) for point in points],
    }
    if {"expression", "intensity"} & planned.plans.keys():
        along["has_expression"] = [image.has_expression for image in images]
    if planned.registration is not None:
        ids = planned.registration.ids
        by_it = [image.id in ids for image in images]
        along["registration"] = np.array(by_it, dtype=np.uint8)
    # Chunked like the data, so that xarray's `chunks` finds one chunking along the dimension.
    encoding = {"preferred_chunks": {dim: 1}}
    mirrored = grid.space.id != data.reference_space_id

    def described(name: str) -> dict[str, Any]:
        return coordinate_attributes(name, plane=data.plane, mirrored=mirrored)

    def variable(
        name: str, dims: tuple[str, ...], values: Any, stored: dict[str, Any] | None = None
    ) -> xr.Variable:
        # Else xarray looks whether these are Dask's arrays, and imports them to see that: 0.3 s.
        return xr.Variable(dims, np.asarray(values), described(name), stored, fastpath=True)

    out = {name: variable(name, (dim,), values, encoding) for name, values in along.items()}
    out |= channel_coordinate(data.channels)
    out["y"], out["x"] = (_axis(grid, name, mirrored) for name in ("y", "x"))
    affine = product([section.affine for section in sections], grid.to_index)
    out["affine"] = variable("affine", (dim, "component", "term"), affine, encoding)
    poses = [section.pose.matrix for section in sections]
    out[POSE] = variable(POSE, (dim, *POSE_DIMS), poses, encoding)
    return out


@lru_cache(maxsize=8)
def _axis(grid: Grid, name: str, mirrored: bool) -> xr.IndexVariable:
    """Return a coordinate of pixels; one array, and one index, for all data sets of a grid."""
    attributes = coordinate_attributes(name, plane=grid.plane, mirrored=mirrored)
    # xarray leaves this one of its public classes untyped.
    return xr.IndexVariable((name,), getattr(grid, name), attributes)  # type: ignore[no-untyped-call]
