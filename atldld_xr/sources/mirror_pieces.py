"""From which of a mirror's files a rectangle of an image is read. Pure, but for the reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import GREY, Tile, View
from atldld_xr.sources import answers
from atldld_xr.sources.kept_pieces import cut, side_of, split, square_of

Pixels = NDArray[np.uint8]


def find_pixels(
    image: SectionImage,
    wanted: Tile,
    sides: Sequence[int],
    read: Callable[[Tile, Tile], Pixels | None],
    *,
    otherwise: Sequence[int] = (),
) -> Pixels | None:
    """Return a rectangle's pixels: of its file, of a larger one's, or of smaller ones' together.

    Parameters
    ----------
    image : SectionImage
        The section image.
    wanted : Tile
        The rectangle: a square of tiles, or the whole image.
    sides : sequence of int
        Of the squares in which the mirror is said to have that tier.
    read : callable
        ``read(piece, wanted)`` returns the pixels of a rectangle's file for the sake of one that
        lies in it, None if there is no such file.
    otherwise : sequence of int
        Of squares that are looked for last, though nothing tells of them.

    Returns
    -------
    ndarray of uint8, optional
        None if the mirror does not have them all.
    """
    for piece in _around(image, wanted, sides, otherwise):
        if (pixels := read(piece, wanted)) is not None:
            return cut(pixels, piece, wanted)
    smaller = [side for side in sides if side < side_of(wanted.width, wanted.height)]
    if not smaller or wanted.whole:
        return None
    together: Pixels | None = None
    for part in split(wanted, max(smaller)):
        pixels = find_pixels(image, part, smaller, read)
        if pixels is None:
            return None
        if together is None:
            together = np.empty((wanted.height, wanted.width, *pixels.shape[2:]), np.uint8)
        top, left = part.top - wanted.top, part.left - wanted.left
        together[top : top + part.height, left : left + part.width] = pixels
    return together


def _around(
    image: SectionImage, wanted: Tile, sides: Sequence[int], otherwise: Sequence[int]
) -> Iterator[Tile]:
    """Yield the rectangles whose files may have one, each once: the likeliest first."""
    if wanted.whole:
        yield wanted
        return
    likely = [square_of(image, wanted, side) for side in sorted(sides, reverse=True)]
    last = [square_of(image, wanted, side) for side in otherwise]
    yield from dict.fromkeys(piece for piece in (*likely, wanted, *last) if piece)


def decode_tile(data: bytes, tile: Tile, view: View) -> NDArray[np.uint8]:
    """Return the pixels of a tile's JPEG; raises ValueError, with the reason, if it is no good."""
    pixels = answers.decode(data, tile, grey=view in GREY).pixels
    assert pixels is not None  # None is of a whole image, which is not expected here
    return pixels
