"""What OME-NGFF and we ourselves say of an image, as attributes of its group. Pure.

Every level has a scale and then a translation, which takes index 0 to the centre of the first
pixel. The key ``atldld_xr`` keeps what OME-NGFF has no words for: where sections lie exactly, and
how oblique they are.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr

from atldld_xr._version import __version__
from atldld_xr.allen.reference import PLANES
from atldld_xr.allen.sides import NOT_KNOWN, orientation
from atldld_xr.arrays.failures import absent_sections
from atldld_xr.arrays.made_of import made_of
from atldld_xr.arrays.variables import MADE_OF
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export.ome.pyramid import REFERENCE_AXES, TRUE, Pyramid
from atldld_xr.messages.repeating import short
from atldld_xr.planes.axis import UNIT, round_off
from atldld_xr.planes.planes import Planes
from atldld_xr.planes.sides import find_sides
from atldld_xr.store.attributes import as_json
from atldld_xr.store.store_plan import OME_KEY

Version = Literal["0.4", "0.5"]
VERSIONS: tuple[Version, ...] = ("0.5", "0.4")

_COLOURS: dict[int, tuple[tuple[str, str], ...]] = {
    1: (("grey", "FFFFFF"),),
    3: (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF")),
}

_COMMENT = (
    "A section is in the plane that is nearest to its position, which is exact at (detection_y, "
    "detection_x). Sections are oblique: the pixel at (y, x) shows tissue from position + "
    "tilt_y * (y - detection_y) + tilt_x * (x - detection_x), in micrometers."
)


_LEVELS = (
    "Where a section has no pixel, and in planes that are not valid, there is fill ({}). Pixels of "
    "coarser levels are means with that fill among it: those at the rim of a section are no means "
    "of tissue alone. The same levels of its coverage, as an OME-Zarr of its own, have the part of "
    "each that is tissue."
)
_BLACK_AND_WHITE = (
    f"{TRUE} is true and 0 is false; in coarser levels a pixel is {TRUE} times the part of its "
    "area in which it is true."
)


def check_version(version: str) -> Version:
    """Return a version of OME-NGFF that can be written.

    Raises
    ------
    InvalidArgumentError
        For any other than 0.5 and 0.4.
    """
    for known in VERSIONS:
        if isinstance(version, str) and version == known:
            return known
    raise InvalidArgumentError(
        f"OME-NGFF can be written in version {' or '.join(VERSIONS)}, not {short(version)}"
    )


def group_attributes(
    dataset: xr.Dataset, pyramid: Pyramid, *, version: Version = "0.5"
) -> dict[str, Any]:
    """Return the attributes of the group that holds an image.

    Parameters
    ----------
    dataset : xarray.Dataset
        That `pyramid` was planned for: its attributes are kept, and what it says of each section.
    pyramid : Pyramid
        As `plan_pyramid` returns it.
    version : {"0.5", "0.4"}
        Of OME-NGFF.

    Returns
    -------
    dict
        To be written as JSON.

    Raises
    ------
    InvalidArgumentError
        For another version, or an attribute that JSON cannot hold.
    """
    version = check_version(version)
    levels, own = multiscale(dataset, pyramid), {OME_KEY: own_attributes(dataset, pyramid)}
    if version == "0.4":
        return {"multiscales": [levels | {"version": version}], "omero": omero(pyramid)} | own
    ome = {"version": version, "multiscales": [levels], "omero": omero(pyramid)}
    return {"ome": ome} | own


def multiscale(dataset: xr.Dataset, pyramid: Pyramid) -> dict[str, Any]:
    """Return the pyramid: its axes, and where the pixels of each level are."""
    return {
        "name": str(dataset.attrs.get("title", pyramid.variable)),
        "axes": _axes(dataset, pyramid),
        "datasets": [
            {
                "path": pyramid.path(level),
                "coordinateTransformations": _transformations(pyramid, level),
            }
            for level in range(pyramid.levels)
        ],
        "type": "mean",
        "metadata": {
            "description": _describe(pyramid),
            "method": f"atldld_xr {__version__}",
        },
    }


def _axes(dataset: xr.Dataset, pyramid: Pyramid) -> list[dict[str, Any]]:
    """Return the axes; those of the reference space say where they lead, as RFC-4 has it."""
    leads = _leads(dataset, pyramid) if pyramid.names == REFERENCE_AXES else {}
    kinds: dict[str, dict[str, Any]] = {"c": {"type": "channel"}}
    for name in pyramid.names[1:]:
        kinds[name] = {"type": "space", "unit": UNIT}
        if leads.get(name, NOT_KNOWN) != NOT_KNOWN:
            kinds[name]["orientation"] = {"type": "anatomical", "value": leads[name]}
    return [{"name": name, **kinds[name]} for name in pyramid.names]


def _describe(pyramid: Pyramid) -> str:
    """Return what a pixel of a coarser level is a mean of."""
    return (
        "each pixel is the mean of the two by two that it covers in y and x, fill included "
        f"({pyramid.fill_value})"
    )


def _transformations(pyramid: Pyramid, level: int) -> list[dict[str, Any]]:
    axes = pyramid.axes(level)
    scale = pyramid.turned([1.0, *(axis.step for axis in axes)])
    translation = pyramid.turned([0.0, *(round_off(axis.first) for axis in axes)])
    return [
        {"type": "scale", "scale": list(scale)},
        {"type": "translation", "translation": list(translation)},
    ]


def omero(pyramid: Pyramid) -> dict[str, Any]:
    """Return how the channels are shown, and that a plane with a section is shown first."""
    largest = int(np.iinfo(pyramid.dtype).max)
    window = {"min": 0, "max": largest, "start": 0, "end": largest}
    places = sorted(pyramid.planes.places)
    is_along_z = pyramid.section_axis == 1
    middle = places[len(places) // 2] if is_along_z else pyramid.turned(pyramid.shape(0))[1] // 2
    return {
        "channels": [
            {
                "label": label,
                "color": colour,
                "active": True,
                "coefficient": 1,
                "family": "linear",
                "inverted": False,
                "window": dict(window),
            }
            for label, colour in _COLOURS[pyramid.channels]
        ],
        "rdefs": {
            "model": "color" if pyramid.channels > 1 else "greyscale",
            "defaultT": 0,
            "defaultZ": middle,
        },
    }


def own_attributes(dataset: xr.Dataset, pyramid: Pyramid) -> dict[str, Any]:
    """Return what is ours to say: the sections, and the attributes of the Dataset."""
    planes, is_bool = pyramid.planes, dataset[pyramid.variable].dtype == bool
    centres = planes.axis.centres
    absent = absent_sections(dataset, pyramid.variable)
    along = {
        str(name): plain(str(name), coordinate.values)
        for name, coordinate in dataset.coords.items()
        if coordinate.dims[:1] == (planes.dim,) and name != planes.dim
    }
    return {
        "variable": pyramid.variable,
        MADE_OF: list(made_of(dataset, pyramid.variable)),
        "plane_of_section": planes.dim,
        "comment": _COMMENT,
        "levels": _BLACK_AND_WHITE if is_bool else _LEVELS.format(pyramid.fill_value),
        "orientation": _leads(dataset, pyramid),
        "planes": _grid(planes),
        "sections": [
            {
                "plane": place,
                "plane_position": round_off(float(centres[place])),
                "position": position,
                "valid": index not in absent,
                **{name: values[index] for name, values in along.items()},
            }
            for index, (place, position) in enumerate(
                zip(planes.places, planes.positions, strict=True)
            )
        ],
        "attributes": {str(name): plain(str(name), v) for name, v in dataset.attrs.items()},
    }


def _grid(planes: Planes) -> dict[str, Any]:
    """Return which planes they are, of the reference space's where no origin is told."""
    grid = {"step": planes.step, "first": planes.first, "count": planes.axis.size}
    return grid | ({"origin": planes.origin} if planes.origin else {})


def _leads(dataset: xr.Dataset, pyramid: Pyramid) -> dict[str, str]:
    """Return where the axes of a store lead in the brain."""
    dim = pyramid.planes.dim
    plane = next(plane for plane in PLANES.values() if plane.dim == dim)
    leads = orientation(mirrored=find_sides(dataset, dim).mirrored)
    axes = ("", *(leads[axis] for axis in (plane.section_axis, plane.y_axis, plane.x_axis)))
    return dict(zip(pyramid.names[1:], pyramid.turned(axes)[1:], strict=True))


def plain(name: str, value: Any) -> Any:
    """Return an attribute as JSON has it; raises InvalidArgumentError if it cannot."""
    return as_json(name, value, allow_nan=False)
