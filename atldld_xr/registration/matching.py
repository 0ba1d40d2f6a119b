"""Which slice of a file is which section image of a data set: by Allen's ids in names. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.errors import RegistrationError
from atldld_xr.registration.series import Slice

_DIGITS = re.compile(r"[0-9]+")
_SHAPE = 0.02  # by how much the ratio of a picture's sides may differ, beside two pixels


def ids_in(text: str, ids: Collection[int]) -> set[int]:
    """Return which ids a text has, as numbers of their own."""
    return {found for run in _DIGITS.findall(text) if len(run) < 20 and (found := int(run)) in ids}


def match_slices(slices: Iterable[Slice], images: Mapping[int, SectionImage]) -> dict[int, Slice]:
    """Return the anchored slices of section images, by the images' ids.

    The id is in the name of the picture's file, else in that of its folders, else it is its number.
    Those of other images are left out.

    Raises
    ------
    RegistrationError
        If one has several of the ids, two of one image differ, or a picture has another shape than
        the image that it is named after.
    """
    found: dict[int, Slice] = {}
    for slice_ in slices:
        image_id = _image_id(slice_, images)
        if image_id is None or slice_.anchors is None:
            continue
        other = found.get(image_id)
        if other is not None and (other.anchors, other.markers) != (slice_.anchors, slice_.markers):
            raise RegistrationError(
                f"section image {image_id} is there twice, at two places: {other} and {slice_}"
            )
        _check_shape(slice_, images[image_id])
        found[image_id] = slice_
    return found


def _image_id(slice_: Slice, images: Mapping[int, SectionImage]) -> int | None:
    name = re.split(r"[/\\]", slice_.filename)[-1]
    found = ids_in(name, images) or ids_in(slice_.filename, images)
    if len(found) > 1:
        named = " and ".join(map(str, sorted(found)[:3]))
        raise RegistrationError(f"the slice {slice_} has the ids of section images {named}")
    if found:
        return found.pop()
    return slice_.number if slice_.number in images else None


def _check_shape(slice_: Slice, image: SectionImage) -> None:
    """Refuse a picture that is not all of the section image, or not of it alone."""
    if slice_.size is None:
        return
    width, height = slice_.size
    expected = width * image.height / image.width
    # Of a reduced picture each side is rounded, or cut, to a whole pixel.
    slack = 2 * (1 + image.height / image.width) + _SHAPE * expected
    if abs(height - expected) > slack:
        raise RegistrationError(
            f"the picture {slice_} has {width:g} x {height:g} pixels, and section image {image.id} "
            f"{image.width} x {image.height}: anchors of a part of it, or of more, are of no use"
        )
