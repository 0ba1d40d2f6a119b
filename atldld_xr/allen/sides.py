"""Left and right: which side of the brain sections are of, and on which side they are shown. Pure.

Left is at low r in the space that a data set is registered to: 9 for coronal, 10 for sagittal ones.
In the other of the two everything is at ``11350 - r``. That is Allen's mirror image, made for
looking at left sections beside the right half of an atlas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from atldld_xr.allen import transforms
from atldld_xr.allen.metadata import SectionDataset
from atldld_xr.allen.reference import MIDLINE, REFERENCE_SPACES, SAGITTAL, ReferenceSpace

NOT_KNOWN: Literal["not known"] = "not known"
"""Which side is where, if nothing tells."""

Hemisphere = Literal["left", "right", "both", "not known"]


def find_hemisphere(data: SectionDataset) -> Hemisphere:
    """Return which side of the brain the sections of a data set are of.

    Sagittal sections are where their centres are; others are of all that they reach over. What
    counts is the data set's own registration, and the midline of its space, which is known of the
    adult's alone.
    """
    own = data.reference_space_id
    if own not in REFERENCE_SPACES:
        return NOT_KNOWN
    if data.plane == SAGITTAL:
        points = [transforms.detect(data, image, reference_space=own) for image in data.images]
    else:
        points = [transforms.footprint(data, image, reference_space=own) for image in data.images]
    r = np.concatenate(points).reshape(-1, 3)[:, 2]
    if (r < MIDLINE).all():
        return "left"
    return "right" if (r >= MIDLINE).all() else "both"


def is_mirrored(attributes: Mapping[Any, Any]) -> bool:
    """Return whether the attributes of a Dataset say that it shows left tissue right."""
    own = attributes.get("registered_to_reference_space_id")
    shown = attributes.get("reference_space_id")
    return own is not None and shown is not None and bool(own != shown)


def sides_along_r(*, mirrored: bool | None) -> str:
    """Return in words which side is at low and at high r; None is not known."""
    if mirrored is None:
        return NOT_KNOWN
    if mirrored:
        return "mirrored: the brain's right is at low r, and its left at high r"
    return "the brain's left is at low r, and its right at high r"


def orientation(*, mirrored: bool | None) -> tuple[str, str, str]:
    """Return where (p, i, r) lead in the brain, in the words of OME-NGFF; None is not known."""
    across = {True: "right-to-left", False: "left-to-right", None: NOT_KNOWN}[mirrored]
    return "anterior-to-posterior", "superior-to-inferior", across


def space_in_words(space: ReferenceSpace, *, mirrored: bool) -> str:
    """Return what a reference space is called, and that it mirrors a data set if it does."""
    called = f" ({space.name})" if space.name else ""
    name = f"Allen reference space {space.id}{called}, affine"
    return f"{name}; the mirror image of the data set's own registration" if mirrored else name
