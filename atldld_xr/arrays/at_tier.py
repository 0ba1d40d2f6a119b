"""A section in pixels of another size: planned anew, from the tier that these need."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from atldld_xr.allen.tiers import View, plan_section
from atldld_xr.plan.load_plan import SectionPlan
from atldld_xr.sources.protocol import Source


def at_its_tier(
    section: SectionPlan, affine: ArrayLike, resolution: float, *, view: View, source: Source
) -> SectionPlan:
    """Return how a section is read in other pixels.

    Parameters
    ----------
    section : SectionPlan
        As it was planned.
    affine : array_like, shape (2, 3)
        From (row, column, 1) of the pixels to full-resolution pixels (x, y) of its image.
    resolution : float
        Size of the pixels, in micrometres.
    view, source
        What is read of it, and where.
    """
    matrix = np.asarray(affine, dtype=np.float64)
    tier, reduction, subsamples = plan_section(
        section.image,
        matrix,
        tier=None,
        tiers=source.tiers(section.image, view),
        interpolation=section.interpolation,
        resolution=resolution,
    )
    row_x, row_y = (tuple(row) for row in matrix.tolist())
    return replace(
        section,
        affine=(row_x, row_y),
        tier=tier,
        reduction=reduction,
        subsamples=subsamples,
        tile_side=source.tile_side(section.image, tier, view),
    )
