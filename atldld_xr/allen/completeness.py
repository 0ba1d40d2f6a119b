"""Whether a record of the service has all that is asked of it, as far as that can be told. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atldld_xr.allen.fluorescence import parse_channels
from atldld_xr.allen.metadata import FAILED, parse_dataset, parse_image
from atldld_xr.errors import MetadataError


def is_complete_dataset(record: Mapping[str, Any]) -> bool:
    """Whether a data set's record has all that registers its sections, but for failed ones.

    What is missing, or cannot be used, may be there the next time: services answer in part.
    """
    try:
        return all(excluded.reason == FAILED for excluded in parse_dataset(record).excluded)
    except MetadataError:
        return False


def is_complete_image(record: Mapping[str, Any]) -> bool:
    """Whether a section image's record has all that opens it."""
    try:
        parse_image(record)
    except MetadataError:
        return False
    return True


def lacks_range(record: Mapping[str, Any]) -> bool:
    """Whether a record of fluorescence does not tell by which range: earlier versions did not ask.

    Of a data set, or of an image with its data set's; of bright field nothing is lacking.
    """
    about = record.get("section_data_set", record)
    if not isinstance(about, Mapping) or "equalization" in about:
        return False
    return parse_channels({"section_images": [record], **about}) is not None
