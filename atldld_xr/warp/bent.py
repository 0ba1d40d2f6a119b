"""Sampling a section that is bent: its positions are no sums of rows and columns. Pure."""

from __future__ import annotations

from collections.abc import Callable

from atldld_xr.plan.bent_section import BentSectionPlan
from atldld_xr.plan.load_plan import Block
from atldld_xr.warp.averages import MOST_AT_ONCE, Pixels
from atldld_xr.warp.footprint import Inside, RowSpans
from atldld_xr.warp.positions import bent_maps, samples_at

_STRIP = 64  # rows at a time, so that their maps stay in the processor's cache


def sample_bent(
    section: BentSectionPlan,
    block: Block,
    source: Pixels,
    origin: tuple[int, int],
    inside: RowSpans | Inside | None,
    out: Pixels,
    combine: Callable[[Pixels, Pixels], None],
    flag: int,
) -> None:
    """Put a block's pixels where they are wanted, as `sample` does of sections that are not bent.

    What is partly outside of the image is as in images of many pixels, however few it has: samples
    outside take the value of the nearest pixel inside.
    """
    import cv2

    n, (rows, columns) = section.subsamples, block.shape
    step = max(min(_STRIP, MOST_AT_ONCE // (n * columns)) // n, 1)
    for top in range(0, rows, step):
        bottom = min(top + step, rows)
        left, right = (0, columns) if inside is None else inside.bounds(slice(top, bottom))
        if left >= right:
            continue
        # In a row the first samples of all pixels, then their second ones: to be added up fast.
        rows_at = samples_at(block.y0 + top, block.y0 + bottom, n).reshape(-1)
        columns_at = samples_at(block.x0 + left, block.x0 + right, n).T.reshape(-1)
        maps = bent_maps(section, rows_at, columns_at, origin)
        fine = cv2.remap(source, *maps, flag, borderMode=cv2.BORDER_REPLICATE)
        wanted = out[top:bottom, left:right]
        if n == 1:
            wanted[...] = fine.reshape(wanted.shape)
        else:
            combine(fine.reshape(-1, n, n, right - left, *source.shape[2:]), wanted)
