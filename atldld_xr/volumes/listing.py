"""The list of the planes that hold a section, for headers and for the file beside the volume."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from atldld_xr._version import __version__
from atldld_xr.allen.sides import orientation, sides_along_r
from atldld_xr.planes.volume_grid import PlacedSection, VolumeGrid
from atldld_xr.volumes.pixels import Pixels

OUTSIDE = "outside the volume"
"""Why a section that has no plane has none."""

_FACTS = (
    "section_image_id", "section_number", "tier", "tilt_y", "tilt_x", "detection_y", "detection_x",
    "has_expression",
)  # fmt: skip
_ORIGIN = (
    "title", "genes", "source", "comment", "institution", "references", "license", "failed",
    "excluded_sections", "interpolation", "anchor", "plane", "method", "max_distance", "max_gap",
    "registration", "registration_digest", "range",
)  # fmt: skip


def section_facts(dataset: xr.Dataset, dim: str) -> list[dict[str, Any]]:
    """Return what a Dataset's coordinates say of each section, as plain numbers."""
    values_of = {
        name: np.asarray(dataset[name].values).tolist()
        for name in _FACTS
        if name in dataset.coords and dataset[name].dims == (dim,)
    }
    return [
        {name: values[index] for name, values in values_of.items()}
        for index in range(dataset.sizes[dim])
    ]


def list_planes(
    attributes: Mapping[Any, Any],
    pixels: Pixels,
    grid: VolumeGrid,
    sections: Sequence[PlacedSection],
    reasons: Mapping[int, Mapping[str, str]],
) -> dict[str, Any]:
    """Return what a volume is, and which planes of it hold a section.

    Parameters
    ----------
    attributes : mapping
        The Dataset's.
    pixels : Pixels
        What the voxels are.
    grid : VolumeGrid
        Where they are.
    sections : sequence of PlacedSection
        All of them.
    reasons : mapping
        Why sections could not be read, by their index, and then by whose pixels are missing.

    Returns
    -------
    dict
        Fit for JSON. With the data set's id as a key, for coronal sections, the valid planes as
        atlas-densities reads them ("realigned slices").
    """
    made_by = {"made_by": f"atldld_xr {__version__}"}
    dataset_id = attributes.get("section_data_set_id")
    planes = [_list_one(section, reasons) for section in sections]
    valid = [entry["plane"] for entry in planes if entry["valid"]]
    out = made_by | {
        "section_data_set_id": _plain(dataset_id),
        "variable": str(pixels.variable.name),
        "channel": pixels.channel,
        "plane_of_section": grid.plane.dim,
        "reference_space_id": grid.sides.space,
        "registered_to_reference_space_id": grid.sides.own,
        "hemisphere": _plain(attributes.get("hemisphere")),
        "sides": sides_along_r(mirrored=grid.sides.mirrored),
        "orientation": list(orientation(mirrored=grid.sides.mirrored)),
        "axes": ["posterior", "inferior", "right"],
        "shape": list(grid.shape),
        "voxel_size": list(grid.spacing),
        "first_voxel_centre": [size / 2 for size in grid.spacing],
        "units": "micrometer",
        "fill_value": _plain(pixels.fill),
        "valid_planes": valid,
        "planes": planes,
    }
    if dataset_id is not None and grid.section_axis == 0:
        out[str(dataset_id)] = valid
    return out


def header_text(listing: Mapping[str, Any]) -> str:
    """Return the list as a line of ASCII, without the reasons: these may be long."""
    planes = [{k: v for k, v in entry.items() if k != "reason"} for entry in listing["planes"]]
    return json.dumps({**listing, "planes": planes}, separators=(",", ":"))


def file_text(listing: Mapping[str, Any], attributes: Mapping[Any, Any], volume: str) -> str:
    """Return the list as the text of the file beside the volume, with the data's origin."""
    origin = {name: _plain(attributes[name]) for name in _ORIGIN if name in attributes}
    entries = {"volume": volume, **listing, "origin": origin}
    planes = entries.pop("planes")
    # It is read by people, too: a fact a line, then a section a line.
    lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in entries.items()]
    sections = ",\n".join(f"  {json.dumps(entry)}" for entry in planes)
    return "{\n" + ",\n".join([*lines, f' "planes": [\n{sections}\n ]']) + "\n}\n"


def _list_one(section: PlacedSection, reasons: Mapping[int, Mapping[str, str]]) -> dict[str, Any]:
    why = "; ".join(reasons.get(section.index, {}).values())
    reason = OUTSIDE if section.plane is None else why
    facts = {name: _plain(value) for name, value in section.facts.items()}
    return {
        "plane": section.plane,
        "coordinate": section.coordinate,
        **facts,
        "valid": not reason,
        "reason": reason,
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: what is no finite number becomes its name."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)
