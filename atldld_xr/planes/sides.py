"""On which side a Dataset shows left, by all that tells of it. Pure.

The attributes of a Dataset are lost easily, as by ``ds.image.to_dataset()``; those of its
coordinate along r stay with its values, and say the same. Where neither tells, nothing is taken
for granted; where they contradict each other, nothing that is written could be true.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from atldld_xr.allen.reference import PLANES, REFERENCE_SPACES, SAGITTAL
from atldld_xr.allen.sides import is_mirrored, sides_along_r
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.plan.arguments import is_whole

_R = 2
_OWN = "registered_to_reference_space_id"
_SAID = {sides_along_r(mirrored=mirrored): mirrored for mirrored in (False, True)}
_ALIKE, _UNLIKE = 2e-4, 2e-3  # of tilts: those of a data set's sections differ by 1e-6


@dataclass(frozen=True)
class Sides:
    """Which side is at low r, as far as it is known.

    Attributes
    ----------
    mirrored : bool or None
        Whether left tissue is shown at high r; None where nothing tells.
    space, own : int or None
        The reference space of the coordinates, and the one that the data set is registered to.
    """

    mirrored: bool | None = None
    space: int | None = None
    own: int | None = None


TRUE_SIDES = Sides(mirrored=False)
"""Of what shows left where it is, in whichever space."""


def find_sides(dataset: xr.Dataset, dim: str) -> Sides:
    """Return on which side a Dataset shows left.

    Parameters
    ----------
    dataset : xarray.Dataset
        Whole, sliced or changed; no pixels are read.
    dim : str
        Name of the dimension across sections.

    Raises
    ------
    InvalidArgumentError
        If what tells of it is contradictory.
    """
    statements = dict(_told(dataset, dim))
    if len({*statements.values()}) > 1:
        words = ", and ".join(
            f"{'mirrored' if mirrored else 'not mirrored'} by {where}"
            for where, mirrored in statements.items()
        )
        raise InvalidArgumentError(
            f"on which side this Dataset shows left is told in two ways: {words}. Put right the "
            "one that is wrong, or open the data set anew"
        )
    if _shows_both(dataset, dim):
        raise InvalidArgumentError(
            "this Dataset shows left on both sides: by their tilts, some of its sections are "
            "mirrored and others are not. Write those of each reference space by themselves"
        )
    mirrored = next(iter(statements.values()), None)
    space, own = _space(dataset, "reference_space_id"), _space(dataset, _OWN)
    if mirrored is not None and (space is None) != (own is None):
        told_space = space or own
        other = next(s for s in REFERENCE_SPACES if s != told_space) if mirrored else told_space
        space, own = (space or other, own or other)
    return Sides(mirrored, space, own)


def _told(dataset: xr.Dataset, dim: str) -> Iterator[tuple[str, bool]]:
    """Yield who says whether it is mirrored, and what."""
    along = r_coordinate(dim)
    said = dataset[along].attrs if along in dataset.coords else {}
    if said.get("comment") in _SAID:
        yield f"the comment of the coordinate {along}", _SAID[said["comment"]]
    elif str(said.get("long_name", "")).startswith("mirrored "):
        yield f"the long_name of the coordinate {along}", True
    if dataset.attrs.get("sides") in _SAID:
        yield "the attribute sides", _SAID[dataset.attrs["sides"]]
    if None not in (_space(dataset, "reference_space_id"), _space(dataset, _OWN)):
        yield f"the attribute {_OWN}", is_mirrored(dataset.attrs)


def r_coordinate(dim: str) -> str:
    """Return the name of the coordinate along r."""
    plane = next(plane for plane in PLANES.values() if plane.dim == dim)
    return {plane.section_axis: dim, plane.y_axis: "y", plane.x_axis: "x"}[_R]


def _space(dataset: xr.Dataset, name: str) -> int | None:
    value: Any = dataset.attrs.get(name)
    return int(value) if is_whole(value) and value > 0 else None


def _shows_both(dataset: xr.Dataset, dim: str) -> bool:
    """Return whether sections are tilted as others are in the mirror.

    What is put together of both has the attributes of the first. All sections of a data set have
    one tilt, and no two data sets opposite ones to four digits; by a registration each has its own.
    """
    names = ("tilt_y", "tilt_x")
    if "registration" in dataset.coords or any(
        name not in dataset.coords or dataset[name].dims != (dim,) for name in names
    ):
        return False
    tilts = np.stack([np.asarray(dataset[name].values, dtype=np.float64) for name in names], -1)
    few = np.unique(np.round(tilts[np.isfinite(tilts).all(-1)], 4), axis=0)
    flip = np.array([-1, -1] if dim == SAGITTAL.dim else [1, -1])
    return any(
        np.abs(a - b * flip).max() < _ALIKE and np.abs(a - b).max() > _UNLIKE
        for a, b in combinations(few, 2)
    )
