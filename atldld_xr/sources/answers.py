"""What a service may answer with where a tile was asked for, and the tile's pixels from it. Pure.

How Allen's tiers are rounded is known from its public bucket, not from the service. An image that
is a pixel or two larger or smaller than the metadata says is no less the image; nor is the whole
image, where a window of it was asked for. All else is not what was asked for.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import Tile, tier_size
from atldld_xr.sources import jpeg

Kind = Literal["exact", "near", "whole"]

# Two pixels are what a tier halved from another can differ by. Of a few pixels, less is.
_MOST_OFF = 2

# Channels of a grey image differ by what JPEG loses, those of false colours by much.
_COLOUR = 64


class Answer(NamedTuple):
    """A JPEG that was taken for a tile.

    Attributes
    ----------
    kind : {"exact", "near", "whole"}
        Whether it has the tile's size, nearly so, or is the whole image.
    width, height : int
        Its own size.
    pixels : ndarray of uint8, optional
        The tile's; None of a whole image, which is not decoded.
    """

    kind: Kind
    width: int
    height: int
    pixels: NDArray[np.uint8] | None


def decode(data: bytes, tile: Tile, *, grey: bool, image: SectionImage | None = None) -> Answer:
    """Return a tile's pixels from an answer, cut or padded to the tile's size.

    Parameters
    ----------
    data : bytes
        The answer.
    tile : Tile
        What was asked for. Memory is spent on no pixels but as many as it has, give or take two
        rows and columns.
    grey : bool
        Whether one channel is wanted, see `jpeg.decode`.
    image : SectionImage, optional
        The section image, if all of it will do as well.

    Raises
    ------
    InvalidJpegError
        If it is not what was asked for, or damaged.
    """
    width, height = jpeg.size(data)
    if _is_near(width, tile.width) and _is_near(height, tile.height):
        pixels = jpeg.decode(data, width=width, height=height, grey=grey)
        is_exact = (width, height) == (tile.width, tile.height)
        return Answer(
            "exact" if is_exact else "near", width, height, fit(pixels, tile.width, tile.height)
        )
    if image is not None and not tile.whole:
        whole = whole_tile(image, tile.tier)
        if _is_near(width, whole.width) and _is_near(height, whole.height):
            return Answer("whole", width, height, None)
    raise jpeg.InvalidJpegError(
        f"its size is {width} x {height}, the metadata announces {tile.width} x {tile.height}"
    )


def fit(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return pixels cut at the right and below to a size, or padded by repeating the last ones."""
    rows, columns = pixels.shape[:2]
    if (columns, rows) == (width, height):
        return pixels
    more = [(0, max(height - rows, 0)), (0, max(width - columns, 0)), (0, 0)][: pixels.ndim]
    return np.pad(pixels[:height, :width], more, mode="edge")


def whole_tile(image: SectionImage, tier: int) -> Tile:
    """Return all of a section image at a tier."""
    width, height = tier_size(image.width, tier), tier_size(image.height, tier)
    return Tile(tier, 0, 0, width, height, whole=True)


def most_bytes(image: SectionImage, tile: Tile, *, or_whole: bool) -> int:
    """Return the most bytes that an answer can sensibly have, see `jpeg.most_bytes`.

    Parameters
    ----------
    image : SectionImage
        The section image.
    tile : Tile
        What is asked for.
    or_whole : bool
        Whether all of it may come.
    """
    most = jpeg.most_bytes(tile.width, tile.height)
    whole = whole_tile(image, tile.tier)
    if not or_whole or tile.whole or whole.width * whole.height > jpeg.MOST_PIXELS:
        return most
    # Two thirds of its pixels' own bytes: nothing that a microscope saw takes so many.
    return max(most, 2 * whole.width * whole.height)


def has_colours(pixels: NDArray[np.uint8]) -> bool:
    """Tell whether (height, width, 3) pixels are more than a grey image that JPEG has been at."""
    low, high = pixels.min(axis=2), pixels.max(axis=2)
    return bool((high - low > _COLOUR).any())


def _is_near(side: int, expected: int) -> bool:
    # Never half or twice as many: that would be another tier.
    return abs(side - expected) <= min(_MOST_OFF, (expected - 1) // 2, (side - 1) // 2)
