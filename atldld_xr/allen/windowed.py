"""Section images of which 16 bits are windowed to 8. Pure.

What is read of an image by another range is another image: of other pixels, for caches, graphs and
stores. The range is in a class of its own, as those of bright field have none, and keep the names
by which stores know them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from atldld_xr.allen.fluorescence import Range, range_of
from atldld_xr.allen.metadata import SectionDataset, SectionImage
from atldld_xr.allen.tiers import View


@dataclass(frozen=True)
class WindowedImage(SectionImage):
    """A section image of 16 bits, read by a range of values.

    Attributes
    ----------
    range : tuple of int
        Lower and upper value of red, green and blue, which become 0 and 255.
    """

    range: Range = (0, 4095, 0, 4095, 0, 4095)


def windowed(image: SectionImage, values: Range | None) -> SectionImage:
    """Return a section image as it is read by a range; the image itself if by none."""
    return image if values is None else WindowedImage(**_fields(image), range=values)


def windowed_dataset(data: SectionDataset, given: object) -> SectionDataset:
    """Return a data set whose images are read by the range that is given, or by its own.

    Raises
    ------
    InvalidArgumentError, MetadataError
        As `atldld_xr.allen.fluorescence.range_of` does.
    """
    values = range_of(given, data.channels, f"section data set {data.id}")
    if values is None:
        return data
    return replace(data, images=tuple(windowed(image, values) for image in data.images))


def range_in(image: SectionImage, view: View = "image") -> Range | None:
    """Return by what range a view of an image is read; masks are of 8 bits, and by none."""
    return image.range if isinstance(image, WindowedImage) and view == "image" else None


def as_read(image: SectionImage, view: View) -> SectionImage:
    """Return an image as a view of it is read: masks are the same whatever the range is."""
    if view == "image" or not isinstance(image, WindowedImage):
        return image
    return SectionImage(**_fields(image))


def name_of(image: SectionImage, view: View) -> str:
    """Return a name of what is read of an image, apart from the tier: the view's, or the range's.

    Examples
    --------
    ``image``, ``intensity``, ``range_0_923_0_987_0_4095``.
    """
    values = range_in(image, view)
    return view if values is None else "_".join(("range", *map(str, values)))


def _fields(image: SectionImage) -> dict[str, Any]:
    return {field.name: getattr(image, field.name) for field in fields(SectionImage)}
