"""The attributes of a Dataset: what is in it, in what units, where from, and whom to cite. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from atldld_xr._version import __version__
from atldld_xr.allen.cuts import OBLIQUE, Viewed
from atldld_xr.allen.excluded import WORDS, excluded_attributes
from atldld_xr.allen.fluorescence import Channels
from atldld_xr.allen.metadata import SectionDataset, SectionImage
from atldld_xr.allen.poses import POSE
from atldld_xr.allen.reference import Grid, Plane, extent_attribute
from atldld_xr.allen.sides import find_hemisphere, sides_along_r, space_in_words
from atldld_xr.allen.windowed import range_in
from atldld_xr.arrays.variables import (
    MADE_OF,
    MEANINGS,
    OWN_NAMES,
    PIXELS,
    STATUSES,
    BlockVariable,
    SectionVariable,
)
from atldld_xr.attribution import Attribution, attribution_of
from atldld_xr.sources.protocol import Source

_AXES = ("posterior", "inferior", "right")
_R = 2

_FILL = (
    "where {0} is false this holds fill_value, which means and sums take for data: use "
    "where({0}), or ds.atldld.masked"
)
NO_RANGE = "the service's own: the data set has no equalization record, and none was given"
_FLAGS: dict[str, Any] = {
    "flag_values": list(MEANINGS),
    "flag_meanings": " ".join(MEANINGS.values()),
}

_VARIABLES: dict[str, dict[str, Any]] = {
    "image": {"long_name": "registered section image", "comment": _FILL.format("coverage")},
    "expression": {
        "long_name": "registered expression mask",
        "comment": _FILL.format("expression_coverage"),
    },
    "projection": {
        "long_name": "registered projection mask",
        "comment": _FILL.format("projection_coverage"),
    },
    "displacement": {
        "long_name": "displacement field",
        "units": "pixel",
        "comment": "offset (delta_x, delta_y) from a pixel's own column and row to where it comes "
        "from in the source image, in pixels of the section's tier",
    },
    "coverage": {"long_name": "whether the section has a pixel here; elsewhere there is fill"},
    "expression_coverage": {
        "long_name": "whether the section's expression mask has a pixel here",
        "comment": "false everywhere in a section without a mask, or whose mask could not be read",
    },
    "projection_coverage": {
        "long_name": "whether the section's projection mask has a pixel here",
        "comment": "false everywhere in a section whose mask could not be read",
    },
    "status": {"long_name": "whether the section image could be read", **_FLAGS},
    "expression_status": {
        "long_name": "whether the section's expression mask could be read",
        **_FLAGS,
    },
    "projection_status": {
        "long_name": "whether the section's projection mask could be read",
        **_FLAGS,
    },
}

_VOLUME_VARIABLES: dict[str, dict[str, Any]] = {
    "image": {"long_name": "section images, as a volume", "comment": _FILL.format("coverage")},
    "expression": {
        "long_name": "expression masks, as a volume",
        "comment": _FILL.format("expression_coverage"),
    },
    "projection": {
        "long_name": "projection masks, as a volume",
        "comment": _FILL.format("projection_coverage"),
    },
    "coverage": {"long_name": "whether a voxel is read from a section; elsewhere there is fill"},
    "expression_coverage": {"long_name": "whether a voxel is read from an expression mask"},
    "projection_coverage": {"long_name": "whether a voxel is read from a projection mask"},
    "distance": {
        "long_name": "distance to the nearest section that the voxel is read from",
        "units": "micrometer",
        "comment": "along the section's normal; NaN where coverage is false",
    },
    "section": {
        "long_name": "Allen's SectionImage.id of the nearest section that the voxel is read from",
        "comment": "0 where coverage is false",
    },
    **{name: _VARIABLES[name] for name in STATUSES},
}

# Of one section image as it is.
_UNREGISTERED = {
    "image": "section image",
    "expression": "expression mask",
    "projection": "projection mask",
}

_COORDINATES: dict[str, dict[str, Any]] = {
    "section_image_id": {"long_name": "Allen's SectionImage.id"},
    "section_number": {"long_name": "place in the cutting sequence"},
    "has_expression": {"long_name": "whether the service has an expression mask of the section"},
    "affine": {
        "long_name": "where in the section image a point of the plane comes from",
        "units": "pixel",
        "comment": "takes (y, x, 1) in micrometres to full-resolution pixels (x, y) of the section "
        "image; pixel 0 is centred at 0",
    },
    POSE: {
        "long_name": "how the section lies in the reference space",
        "units": "pixel, pixel, micrometer",
        "comment": "takes (p, i, r, 1) in micrometres to (x, y, distance): full-resolution pixels "
        "of the section image, pixel 0 centred at 0, and micrometres from the section's plane",
    },
    "registration": {
        "long_name": "by what the section lies as it does",
        "flag_values": [0, 1],
        "flag_meanings": "allen registration",
    },
    "tier": {"long_name": "how often the fetched image was halved"},
    "tilt_y": {"long_name": "change of the section's true coordinate along y", "units": "1"},
    "tilt_x": {"long_name": "change of the section's true coordinate along x", "units": "1"},
    "detection_y": {
        "long_name": "y at which the section's coordinate is exact",
        "units": "micrometer",
    },
    "detection_x": {
        "long_name": "x at which the section's coordinate is exact",
        "units": "micrometer",
    },
}


def variable_attributes(variable: BlockVariable | SectionVariable) -> dict[str, Any]:
    """Return the attributes of a data variable."""
    out = {**_VARIABLES[variable.name], MADE_OF: OWN_NAMES[variable.name]}
    if variable.name in PIXELS and isinstance(variable, BlockVariable):
        out["fill_value"] = variable.plan.fill_value
    return out


def volume_attributes(name: str, fill_value: int) -> dict[str, Any]:
    """Return the attributes of a data variable of a volume."""
    base = next((mask for mask in PIXELS[1:] if name.startswith(mask)), "image")
    out = {**_VOLUME_VARIABLES[name], MADE_OF: base}
    return out | ({"fill_value": fill_value} if name == base else {})


def unregistered_attributes(name: str) -> dict[str, Any]:
    """Return the attributes of a data variable of one section image as it is: without fill."""
    return {"long_name": _UNREGISTERED[name], MADE_OF: OWN_NAMES[name]}


def coordinate_attributes(
    name: str, long_name: str | None = None, *, plane: Plane | None = None, mirrored: bool = False
) -> dict[str, Any]:
    """Return the attributes of a coordinate: for axes their direction, unit and letter.

    Parameters
    ----------
    name : str
        The coordinate's.
    long_name : str, optional
        Of an axis that is none of a reference space.
    plane : Plane, optional
        Of registered sections.
    mirrored : bool
        Whether their space is the mirror image of the one that they are registered to.
    """
    if name in _COORDINATES:
        return dict(_COORDINATES[name])
    letter, more = name.upper() if name in ("x", "y") else "Z", {}
    if plane is not None:
        axis = {"Y": plane.y_axis, "X": plane.x_axis}.get(letter, plane.section_axis)
        long_name = f"{_AXES[axis]} ({'pir'[axis]})"
        if axis == _R:
            long_name = f"{'mirrored ' if mirrored else ''}{long_name}"
            more["comment"] = sides_along_r(mirrored=mirrored)
    return {"long_name": long_name, "units": "micrometer", "axis": letter, **more}


def dataset_attributes(
    data: SectionDataset, grid: Grid, source: Source, interpolation: str, plane: Viewed
) -> dict[str, Any]:
    """Return the attributes of a registered data set."""
    failed = {"failed": "Allen marked this data set as failed"} if data.failed else {}
    mirrored = grid.space.id != data.reference_space_id
    excluded = excluded_attributes(data)
    attribution = attribution_of(source, data.products)
    return {
        # First what nobody should miss: xarray shows the first ones and the last.
        "title": f"{attribution.owner} section data set {data.id}, "
        f"registered to the reference space{', mirrored' if mirrored else ''}",
        "section_data_set_id": data.id,
        "genes": list(data.genes),
        WORDS: excluded.pop(WORDS),
        "hemisphere": find_hemisphere(data),
        "sides": sides_along_r(mirrored=mirrored),
        "plane_of_section": grid.plane.dim,
        "section_thickness": data.section_thickness,
        "reference_space_id": grid.space.id,
        "reference_space": space_in_words(grid.space, mirrored=mirrored),
        **extent_attribute(grid.space),
        "registered_to_reference_space_id": data.reference_space_id,
        "resolution": grid.resolution,
        **range_attribute(data.channels, data.images[0]),
        "anchor": grid.anchor,
        "interpolation": interpolation,
        # Not said of what stores that were begun before do not say.
        **({"plane": plane} if plane == OBLIQUE else {}),
        **excluded,
        **failed,
        **_origin(source, attribution),
    }


def channel_coordinate(channels: Channels | None) -> dict[str, xr.Variable]:
    """Return the coordinate of what channels show in fluorescence; none of bright field."""
    if channels is None:
        return {}
    described = {"long_name": "what the channel shows, by the data set's record"}
    names = np.array(channels.names, dtype=object)
    return {"channel": xr.Variable(("channel",), names, described)}


def range_attribute(channels: Channels | None, image: SectionImage) -> dict[str, Any]:
    """Return by which range images of fluorescence are read; nothing of bright field."""
    if channels is None:
        return {}
    values = range_in(image)
    return {"range": NO_RANGE if values is None else list(values)}


def image_attributes(
    image: SectionImage, tier: int, source: Source, products: Sequence[int]
) -> dict[str, Any]:
    """Return the attributes of one unregistered section image of a data set in some products."""
    attribution = attribution_of(source, products)
    return {
        "title": f"{attribution.owner} section image {image.id}",
        "section_image_id": image.id,
        "section_data_set_id": image.data_set_id,
        "section_number": image.section_number,
        "resolution": image.resolution * 2**tier,
        "tier": tier,
        **_origin(source, attribution),
    }


def _origin(source: Source, attribution: Attribution) -> dict[str, Any]:
    made = {"source": source.url, "history": f"atldld_xr {__version__}"}
    return made | attribution.attributes
