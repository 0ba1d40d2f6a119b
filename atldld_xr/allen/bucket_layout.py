"""The layout of Allen's public bucket: files by name, and where on its slide a section is. Pure.

It has the image of each slide at each tier as a TIFF, and of each data set one JSON file that says
which part of a slide a section is. It has no matrices and no masks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import tier_size
from atldld_xr.errors import MetadataError
from atldld_xr.messages.repeating import short

DATASETS_FILE = "section_data_sets.json"
"""The bucket's own list of what it has, at its top."""

_LARGEST_SIDE = 200_000
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
_TIER = re.compile(r"downsample_(\d{1,2})")
_MOST_OFF = 2  # pixels that sizes may differ by, as a service's may


@dataclass(frozen=True)
class Crop:
    """The part of a slide's image at a tier that a section is, in pixels of the tier.

    Attributes
    ----------
    x, y, width, height : int
        The part.
    slide_width, slide_height : int
        The whole image.
    """

    x: int
    y: int
    width: int
    height: int
    slide_width: int
    slide_height: int


@dataclass(frozen=True)
class SlideImage:
    """Where in the bucket a section image is.

    Attributes
    ----------
    file : str
        The name of its slide's files, one a tier; other sections may be on the same slide.
    crops : mapping of int to Crop
        By tier.
    """

    file: str
    crops: Mapping[int, Crop]


def dataset_key(dataset_id: int) -> str:
    """Return the name of the file about a data set."""
    return f"section_data_set_{dataset_id}/section_data_set.json"


def slide_key(dataset_id: int, tier: int, file: str) -> str:
    """Return the name of a slide's TIFF at a tier."""
    return f"section_data_set_{dataset_id}/downsample_{tier}/{file}"


def parse_slides(record: Any, dataset_id: int) -> dict[int, SlideImage]:
    """Return where the section images of a data set are, by their ids.

    Parameters
    ----------
    record : object
        What the data set's JSON file says.
    dataset_id : int
        Which data set that is to be.

    Raises
    ------
    MetadataError
        If it is about another, or is not of the bucket's layout.
    """
    name = f"section data set {dataset_id}: {dataset_key(dataset_id)}"
    if not isinstance(record, Mapping) or not isinstance(record.get("section_images"), list):
        raise MetadataError(f"{name} is no record of section images")
    if record.get("id") != dataset_id:
        raise MetadataError(f"{name} is about {short(record.get('id'))}")
    found: dict[int, SlideImage] = {}
    for image in record["section_images"]:
        try:
            found[_whole(image["id"], 1 << 63)] = SlideImage(
                _file(image["image_file_name"]),
                {_tier(key): _crop(crop) for key, crop in image["downsampling"].items()},
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            number = short(image.get("id")) if isinstance(image, Mapping) else short(image)
            raise MetadataError(f"{name} is wrong about section image {number}: {error}") from None
    return found


def check_crop(crop: Crop, image: SectionImage, tier: int) -> None:
    """See that a crop is the section that the service registers.

    Raises
    ------
    ValueError
        If it starts elsewhere or has another size: it would be shown in the wrong place.
    """
    offset, size = (crop.x, crop.y), (crop.width, crop.height)
    expected = image.x >> tier, image.y >> tier
    if offset != expected:
        raise ValueError(
            f"the bucket has it at {offset} of its slide at tier {tier}, the service at {expected}"
        )
    sizes = tier_size(image.width, tier), tier_size(image.height, tier)
    if any(abs(a - b) > _MOST_OFF for a, b in zip(size, sizes, strict=True)):
        raise ValueError(f"its size is {size} in the bucket at tier {tier}, {sizes} in the service")


def _file(value: object) -> str:
    if not isinstance(value, str) or not _FILE.fullmatch(value):
        raise ValueError(f"{short(value)} names no file")
    return value


def _tier(key: object) -> int:
    match = _TIER.fullmatch(key) if isinstance(key, str) else None
    if not match:
        raise ValueError(f"{short(key)} is no tier")
    return int(match[1])


def _crop(value: Any) -> Crop:
    names = ("x", "y", "width", "height", "image_file_width", "image_file_height")
    crop = Crop(*(_whole(value[name], _LARGEST_SIDE) for name in names))
    is_inside = (
        crop.x + crop.width <= crop.slide_width and crop.y + crop.height <= crop.slide_height
    )
    if not is_inside or not crop.width or not crop.height:
        raise ValueError(f"no slide has the part {short(dict(value))}")
    return crop


def _whole(value: object, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{short(value)} is no such number")
    return value
