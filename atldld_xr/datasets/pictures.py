"""Pictures of section images as they are, unregistered, at any size: they span all of the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import plan_section
from atldld_xr.arrays.variables import pixels_variable
from atldld_xr.datasets.assemble import assemble
from atldld_xr.plan.load_plan import LoadPlan, SectionPlan, default_fill
from atldld_xr.sources.protocol import Source


def picture_size(image: SectionImage, longest: int) -> tuple[int, int]:
    """Return the width and height of a picture that is no longer than so many pixels."""
    shrink = min(longest / max(image.width, image.height), 1.0)
    return max(round(image.width * shrink), 1), max(round(image.height * shrink), 1)


def read_picture(image: SectionImage, size: tuple[int, int], source: Source) -> NDArray[np.uint8]:
    """Return a section image, averaged to (height, width, 3).

    A tier's image lacks what does not fill a pixel of it, and may begin before the section does:
    this has the section alone, from edge to edge.

    Raises
    ------
    SectionImageError
        If it cannot be read.
    """
    width, height = size
    x, y = image.width / width, image.height / height  # pixels of the image in one of the picture
    affine = np.array([[0.0, x, (x - 1) / 2], [y, 0.0, (y - 1) / 2]])
    tier, reduction, subsamples = plan_section(
        image,
        affine,
        tier=None,
        tiers=source.tiers(image, "image"),
        interpolation="linear",
        resolution=image.resolution * min(x, y),
    )
    row_x, row_y = affine.tolist()
    section = SectionPlan(
        image=image,
        affine=(tuple(row_x), tuple(row_y)),
        tier=tier,
        reduction=reduction,
        subsamples=subsamples,
        tile_side=source.tile_side(image, tier, "image"),
        interpolation="linear",
    )
    plan = LoadPlan(
        sections=(section,),
        shape=(height, width),
        chunks=((height,), (width,)),
        view="image",
        fill_value=default_fill("image", fluorescence=False),
        on_error="raise",
    )
    made = assemble([pixels_variable("image", plan)], "section", source, None)
    pixels: NDArray[np.uint8] = made["image"].values[0]
    return pixels
