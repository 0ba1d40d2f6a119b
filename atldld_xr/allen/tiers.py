"""Tiers of the image pyramid: which one to read, and where its pixel centres are. Pure.

Tier d has 2**d full-resolution pixels to each of its own, along both axes. Tiers are of whole
slides: a section's image at a tier starts with the pixel that the section's corner is in, which is
before the corner where its offset on the slide is no multiple of 2**d. This is the only module that
knows it, and that adds or subtracts half a pixel on the image side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage

# Scale up to which output pixels are not subsampled: registration stretches by a few percent.
_NO_SUBSAMPLES = 1.05

# Tile sides are multiples of 2**9, so that the tiles of a reduced image still lie on a grid.
_MOST_HALVINGS = 9

# No image is halved to less than this: of its few pixels then, those at the edges count for much.
_LEAST_SIDE = 30


def pick_tier(target: float, native: float, tier_count: int) -> int:
    """Return the coarsest tier whose pixels are still no larger than the target's.

    Parameters
    ----------
    target, native : float
        Size of an output pixel and of a full-resolution image pixel, in micrometres.
    tier_count : int
        How many tiers the image has.
    """
    return min(max(math.floor(math.log2(target / native)), 0), tier_count - 1)


def tier_size(size: int, tier: int) -> int:
    """Return a full-resolution side's length at a tier.

    Allen's tiers halve and round down: 14001, 7000, 3500, 1750 (sizes in its public bucket).
    """
    return max(size >> tier, 1)


def starts_before(offset: int, tier: int) -> int:
    """Return how many full-resolution pixels before a section its image at a tier starts.

    In Allen's public bucket a tier's offsets are ``floor(x / 2**tier)`` in 144 of 144 entries.

    Parameters
    ----------
    offset : int
        The section's ``x`` or ``y`` on its slide, in full-resolution pixels.
    tier : int
        The tier.
    """
    return offset % (1 << tier)


def to_tier(x_full: NDArray[np.float64], tier: int, before: int = 0) -> NDArray[np.float64]:
    """Take full-resolution pixel positions to a tier's, both counted at pixel centres.

    `before` is how much before the section the tier's image starts, see `starts_before`.
    """
    return (x_full + before + 0.5) / float(2**tier) - 0.5


def to_full(x_tier: NDArray[np.float64], tier: int, before: int = 0) -> NDArray[np.float64]:
    """Take a tier's pixel positions to full-resolution ones; the inverse of `to_tier`."""
    return (x_tier + 0.5) * float(2**tier) - 0.5 - before


def pixel_to_distance(pixel: NDArray[np.float64], resolution: float) -> NDArray[np.float64]:
    """Return how far pixel centres are from the edge at which pixel 0 begins, in micrometres."""
    return (pixel + 0.5) * resolution


def affine_to_tier(
    affine: NDArray[np.float64], tier: int, image: SectionImage, *, fetched: int | None = None
) -> NDArray[np.float64]:
    """Turn a (2, 3) affine that yields full-resolution pixels into one that yields a tier's.

    Parameters
    ----------
    affine : ndarray
        To full-resolution pixels of the section.
    tier : int
        The tier.
    image : SectionImage
        The section image, which says where on its slide it is.
    fetched : int, optional
        The tier that this one is made of, if the service does not make it.
    """
    start = tier if fetched is None else fetched
    out: NDArray[np.float64] = affine / 2**tier
    for row, offset in enumerate((image.x, image.y)):
        out[row, 2:] = to_tier(affine[row, 2:], tier, starts_before(offset, start))
    return out


def slide_offset(offset: int, at: int, tier: int) -> int:
    """Return where, in full-resolution pixels of the slide, pixel `at` of a section's tier starts.

    It is where a pixel of the slide's tier starts, which a service need not round.

    Parameters
    ----------
    offset : int
        The section's ``x`` or ``y`` on its slide, in full-resolution pixels.
    at : int
        A column or row of the section at that tier.
    tier : int
        The tier.
    """
    return offset - starts_before(offset, tier) + (at << tier)


def plan_section(
    image: SectionImage,
    affine: NDArray[np.float64],
    *,
    tier: int | None,
    tiers: frozenset[int] | None,
    interpolation: str,
    resolution: float,
) -> tuple[int, int, int]:
    """Return (tier, reduction, subsamples) for one section.

    Parameters
    ----------
    image : SectionImage
        The section image.
    affine : ndarray, shape (2, 3)
        Output index to full-resolution pixels.
    tier : int, optional
        The tier to fetch; None picks the one that the output resolution needs.
    tiers : frozenset of int, optional
        The tiers that the source has, None for all.
    interpolation : str
        "nearest" samples points: no averaging.
    resolution : float
        Output pixel size, in micrometres.
    """
    wanted = pick_tier(resolution, image.resolution, image.tier_count) if tier is None else tier
    fetched = wanted
    if tier is None and tiers is not None and wanted not in tiers:
        finer = [t for t in tiers if t < wanted]
        fetched = max(finer, default=wanted)  # with none finer, reading reports what is missing
    scale = largest_scale(affine / 2**fetched)
    if interpolation == "nearest":
        return fetched, 0, 1
    reduction = min(max(math.floor(math.log2(scale / _NO_SUBSAMPLES)), 0), _MOST_HALVINGS)
    if tier is None and fetched != wanted:
        # What the service's own tier would have been.
        reduction = min(wanted - fetched, _MOST_HALVINGS)
    while reduction and min(image.width, image.height) >> (fetched + reduction) < _LEAST_SIDE:
        reduction -= 1
    scale /= 2**reduction
    subsamples = 1 if scale <= _NO_SUBSAMPLES else math.ceil(scale)
    return fetched, reduction, subsamples


def largest_scale(affine: NDArray[np.float64]) -> float:
    """Return how far an affine moves at most, where its input moves by one along an axis."""
    return float(max(np.hypot(affine[0, 0], affine[1, 0]), np.hypot(affine[0, 1], affine[1, 1])))


View = Literal["image", "expression", "intensity", "projection", "projection_intensity"]
"""What is read: the section image (RGB), its expression mask as the service colours it (RGB) or as
one grey channel, and its projection mask in the same two ways."""

PROJECTIONS: frozenset[View] = frozenset({"projection", "projection_intensity"})
"""Those of connectivity."""

GREY: frozenset[View] = frozenset({"intensity", "projection_intensity"})
"""The views of one channel."""


def has_view(image: SectionImage, view: View) -> bool:
    """Return whether the service has a view of an image, as far as its record tells.

    None tells of projection masks: who asks knows that the data set has some.
    """
    return view == "image" or view in PROJECTIONS or image.has_expression


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of one tier of one section image, in pixels of that tier.

    Attributes
    ----------
    tier : int
        The tier.
    left, top, width, height : int
        The rectangle, counted from the section's own corner.
    whole : bool
        Whether it is all of the tier's image.
    """

    tier: int
    left: int
    top: int
    width: int
    height: int
    whole: bool
