"""One section image by its own record, and which views of it are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from atldld_xr.allen.fluorescence import Channels, parse_channels, range_of
from atldld_xr.allen.metadata import SectionImage, parse_image
from atldld_xr.allen.products import has_projections, product_ids
from atldld_xr.allen.tiers import View
from atldld_xr.allen.windowed import windowed
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.plan.arguments import check_mask


@dataclass(frozen=True)
class OneImage:
    """A section image, and what its record says of the data set that it is of.

    Attributes
    ----------
    image : SectionImage
        The image, as it is read.
    products : tuple of int
        Ids of Allen's products.
    channels : Channels, optional
        What its channels show; None of bright field.
    has_projection : bool
        Whether it has a projection mask.
    """

    image: SectionImage
    products: tuple[int, ...]
    channels: Channels | None
    has_projection: bool

    def views(self, expression: bool | str, projection: bool | str) -> list[View]:
        """Return what is read: the image, and the masks that are asked for.

        Raises
        ------
        InvalidArgumentError
            If it has no such mask.
        """
        out: list[View] = ["image"]
        if expression:
            check_mask(self.image)
            out.append("intensity" if expression == "intensity" else "expression")
        if projection:
            if not self.has_projection:
                raise InvalidArgumentError(
                    f"section image {self.image.id} has no projection mask: those of connectivity "
                    "have"
                )
            out.append("projection_intensity" if projection == "intensity" else "projection")
        return out


def parse_one(record: Mapping[str, Any], given: object) -> OneImage:
    """Check a section image's record; `given` is the range, as users give it.

    Raises
    ------
    InvalidArgumentError, MetadataError
        If the record or the range cannot be used.
    """
    image = parse_image(record)
    about = record.get("section_data_set")
    whole = {**(about if isinstance(about, Mapping) else {}), "section_images": [record]}
    products, channels = product_ids(whole), parse_channels(whole)
    values = range_of(given, channels, f"section image {image.id}")
    projection = has_projections(whole, products)
    return OneImage(windowed(image, values), products, channels, projection)
