"""Reading all of a section image at one tier, from a source of any kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import GREY, Tile, View, tier_size
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.sources.jpeg import MOST_PIXELS, MOST_SIDE
from atldld_xr.sources.protocol import Source


def read_whole(source: Source, image: SectionImage, tier: int, view: View) -> NDArray[np.uint8]:
    """Return the pixels of a section image.

    Parameters
    ----------
    source : Source
        Where it is read.
    image : SectionImage
        The section image.
    tier : int
        The tier.
    view : View
        What is read of it.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3), or (height, width) for the intensity view
        In one request, where the source answers any; otherwise put together from its tiles.

    Raises
    ------
    InvalidArgumentError
        If it has more than `jpeg.MOST_PIXELS`.
    SectionImageError
        If any of them cannot be had.
    """
    width, height = tier_size(image.width, tier), tier_size(image.height, tier)
    if width * height > MOST_PIXELS:
        raise InvalidArgumentError(
            f"section image {image.id} has {width} x {height} px at tier {tier}, too many to be "
            "read whole: take a coarser tier, or a window of what open_image gives"
        )
    side = source.tile_side(image, tier, view)
    # A source that lists its tiers holds files, as tiles; one that does not makes what is asked.
    is_made = source.tiers(image, view) is None and max(width, height) <= MOST_SIDE
    if is_made or side >= max(width, height):
        return source.read(image, Tile(tier, 0, 0, width, height, whole=True), view)
    out = np.empty((height, width) if view in GREY else (height, width, 3), dtype=np.uint8)
    for top in range(0, height, side):
        for left in range(0, width, side):
            tile = Tile(
                tier, left, top, min(side, width - left), min(side, height - top), whole=False
            )
            out[top : top + side, left : left + side] = source.read(image, tile, view)
    return out
