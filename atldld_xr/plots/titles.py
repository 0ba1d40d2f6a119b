"""What pictures say that they show: gene, data set, section and where it lies. Pure."""

from __future__ import annotations

from typing import Any

import xarray as xr

from atldld_xr.allen.reference import PLANES
from atldld_xr.arrays.variables import PIXELS
from atldld_xr.messages.words import one_line
from atldld_xr.plan.arguments import is_whole

_GENES = 4  # written out, at most
_LONGEST = 60  # characters of a gene's, or of a name


def dataset_title(dataset: xr.Dataset) -> str:
    """Return of which gene and data set a Dataset is, as far as it tells."""
    genes: Any = dataset.attrs.get("genes")
    given = [genes] if isinstance(genes, str) else list(genes) if _is_listed(genes) else []
    named = [one_line(str(gene), _LONGEST) for gene in given[:_GENES]]
    if len(given) > _GENES:
        named.append(f"and {len(given) - _GENES} more")
    number = dataset.attrs.get("section_data_set_id")
    parts = [", ".join(named)] if named else []
    if number is not None:
        parts.append(f"data set {one_line(str(number), _LONGEST)}")
    return " · ".join(parts)


def stack_title(dataset: xr.Dataset) -> str:
    """Return the same, and in which plane its sections were cut."""
    found = [plane.dim for plane in PLANES.values() if plane.dim in dataset.dims]
    return " · ".join(filter(None, (dataset_title(dataset), *(f"{dim} sections" for dim in found))))


def section_title(dataset: xr.Dataset, *, short: bool = False) -> str:
    """Return which section a Dataset of one is, and where it lies.

    Parameters
    ----------
    dataset : xarray.Dataset
        One section, or a plane of a volume.
    short : bool
        Whether there is only room for its number and place.
    """
    parts = []
    for name, word in (("section_number", "section"), ("section_image_id", "image")):
        value: Any = _scalar(dataset, name)
        if value is None and is_whole(dataset.attrs.get(name)):  # of an image as it is
            value = dataset.attrs[name]
        if value is not None and not (short and word == "image"):
            parts.append(f"{word} {int(value)}")
    for plane in PLANES.values():
        places = {plane.dim: plane.section_axis, "y": plane.y_axis, "x": plane.x_axis}
        for dim, axis in places.items():
            at = _scalar(dataset, dim) if plane.dim in dataset.coords else None
            if at is not None:
                where = f"{'pir'[axis]} = {at / 1000:.2f} mm"
                named = dim == plane.dim and not short
                parts.append(f"{plane.dim} {where}" if named else where)
    mirrored = str(dataset.attrs.get("sides", "")).startswith("mirrored")
    side = dataset.attrs.get("hemisphere")
    if not short and side in ("left", "right"):
        parts.append(f"{side} hemisphere{', mirrored' if mirrored else ''}")
    return " · ".join(parts)


def full_title(dataset: xr.Dataset, variable: str = "image") -> str:
    """Return both, in two lines, with what is shown if that is no image."""
    what = variable if variable in PIXELS and variable != "image" else ""
    lines = dataset_title(dataset), " · ".join(filter(None, (section_title(dataset), what)))
    return "\n".join(filter(None, lines))


def _is_listed(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str | bytes | dict)


def _scalar(dataset: xr.Dataset, name: str) -> float | None:
    if name not in dataset.coords or dataset[name].ndim or dataset[name].dtype.kind not in "iuf":
        return None
    return float(dataset[name])
