"""The displacement field and the sampling kernel. Pure.

OpenCV works on the thread that calls it, as parallelism is over blocks: it is given too little at
a time to share it out. How many threads it may use otherwise is the program's own affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.tiers import largest_scale
from atldld_xr.errors import SectionImageError
from atldld_xr.known_as import known_as
from atldld_xr.plan.bent_section import BentSectionPlan
from atldld_xr.plan.load_plan import Block, SectionPlan
from atldld_xr.warp.averages import MOST_AT_ONCE, Pixels, any_of_samples, mean_of_samples
from atldld_xr.warp.bent import sample_bent
from atldld_xr.warp.footprint import Inside, RowSpans, find_inside
from atldld_xr.warp.positions import Positions, opencv_maps, positions, samples_at
from atldld_xr.warp.scratch import Scratch

Tiles = Mapping[tuple[int, int], Pixels | SectionImageError]

_STRIP = 64  # rows warped at a time, so that their maps stay in the processor's cache
_WINDOW = 2048  # about the largest side of a source window at a time, in pixels
_SMALL = 128  # output pixels: of an image of as many both ways, those at its edges are few
_SCRATCH = Scratch()


@known_as("atldld_xr.warp")
def render(
    section: SectionPlan,
    block: Block,
    tiles: Tiles,
    *,
    fill_value: int,
    channels: tuple[int, ...] = (3,),
) -> Pixels:
    """Return a block of a registered section.

    Parameters
    ----------
    section : SectionPlan
        The section.
    block : Block
        The output pixels wanted.
    tiles : mapping
        By (row, column) of the tile grid, the tiles that ``section.tiles(block)`` names, at the
        section's sampled tier; the error in place of one that could not be had.
    fill_value : int
        The value where the section has no pixel.
    channels : tuple of int
        What follows rows and columns in the tiles' shape: (3,), or () for one grey channel.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, *channels)
    """
    out = np.empty(block.shape + channels, dtype=np.uint8)
    for part in block.split(part_side(section)):
        pixels = out[within(block, part)]
        inside, window = find_inside(section, part), section.window(part)
        if window is None or not inside.any():
            pixels[...] = fill_value
            continue
        found = {place: tiles.get(place) for place in section.tiles(part)}
        source = mosaic(section, window, found, channels)
        whole = inside.all()
        sample(section, part, source, window[:2], None if whole else inside, pixels)
        lost = lost_pixels(section, part, window, found)
        if not whole:
            _fill(pixels, ~inside.mask(), fill_value)
        if lost is not None:
            _fill(pixels, lost, fill_value)
    return out


@known_as("atldld_xr.warp")
def coverage(section: SectionPlan, block: Block, tiles: Tiles | None = None) -> NDArray[np.bool_]:
    """Return which output pixels are the section's, and not fill.

    Parameters
    ----------
    section : SectionPlan
        The section.
    block : Block
        The output pixels.
    tiles : mapping, optional
        As for `render`. Pixels that need a tile that could not be had are not covered. Default:
        all tiles are taken as had.

    Returns
    -------
    ndarray of bool, shape (rows, columns)
        Where the pixel's centre is inside the section image, edges included: the same at every
        tier, as it is decided in full-resolution pixels. What is partly outside counts whole here,
        or not at all.
    """
    covered = find_inside(section, block).mask()
    if not tiles or not covered.any():
        return covered
    for part in block.split(part_side(section)):
        window = section.window(part)
        if window is None:
            continue
        found = {place: tiles.get(place) for place in section.tiles(part)}
        lost = lost_pixels(section, part, window, found)
        if lost is not None:
            covered[within(block, part)] &= ~lost
    return covered


def sample(
    section: SectionPlan,
    block: Block,
    source: Pixels,
    origin: tuple[int, int],
    inside: RowSpans | Inside | None = None,
    out: Pixels | None = None,
    combine: Callable[[Pixels, Pixels], None] = mean_of_samples,
) -> Pixels:
    """Sample a window of a section's sampled tier at a block of output pixels; the kernel.

    Parameters
    ----------
    section : SectionPlan
        The section: where to sample, how, and how many samples to average.
    block : Block
        The output pixels.
    source : ndarray of uint8, shape (height, width) or (height, width, channels)
        The window; positions beyond it take the value of its nearest pixel.
    origin : tuple of int
        Left and top of the window, in pixels of the sampled tier.
    inside : RowSpans or Inside, optional
        The pixels wanted; what others come out as is not said. Default: all.
    out : ndarray of uint8, optional
        Where to put the result, as a part of another array if need be. Default: a new array.
    combine : callable
        What makes one of the samples of a pixel, where there are several.

    Returns
    -------
    ndarray of uint8, shape (rows, columns) or (rows, columns, channels)
        Where the image has less than 128 output pixels along a side, the mean of what is partly
        outside of it is that of the samples inside. Where it has more, such pixels are few: their
        samples outside take the value of the nearest pixel inside, and count as all others.
    """
    import cv2

    n, flag = section.subsamples, _flag(section)
    rows, columns = block.shape
    channels = source.shape[2:]
    if out is None:
        out = np.empty((rows, columns, *channels), dtype=np.uint8)
    if isinstance(section, BentSectionPlan):
        sample_bent(section, block, source, origin, inside, out, combine, flag)
        return out
    at = positions(section, block, origin)
    (x_rows, x_columns), (y_rows, y_columns) = at
    if n > 1 and combine is mean_of_samples and _is_small(section):
        _sample_small(section, block, source, at, out)
        return out
    step = max(min(_STRIP, MOST_AT_ONCE // (n * columns)) // n, 1)
    for top in range(0, rows, step):
        strip = slice(top, min(top + step, rows))
        left, right = (0, columns) if inside is None else inside.bounds(strip)
        if left >= right:
            continue
        # In a row the first samples of all pixels, then their second ones: to be added up fast.
        x = x_rows[strip].reshape(-1), x_columns[:, left:right].reshape(-1)
        y = y_rows[strip].reshape(-1), y_columns[:, left:right].reshape(-1)
        maps = opencv_maps(x, y, section.interpolation)
        wanted = out[strip, left:right]
        if n == 1:
            cv2.remap(source, *maps, flag, dst=wanted, borderMode=cv2.BORDER_REPLICATE)
        else:
            fine = _SCRATCH.array("fine", (*maps[0].shape[:2], *channels), np.uint8)
            cv2.remap(source, *maps, flag, dst=fine, borderMode=cv2.BORDER_REPLICATE)
            combine(fine.reshape(-1, n, n, right - left, *channels), wanted)
    return out


def _sample_small(
    section: SectionPlan, block: Block, source: Pixels, at: Positions, out: Pixels
) -> None:
    """Average what is inside of the image: exactly, pixel by pixel, and rounded once.

    Numbers between pixels are whole 1024ths when they are linear ones, and so their sums are the
    same in whatever order they are made; of others OpenCV makes whole numbers.
    """
    import cv2

    n, (x, y) = section.subsamples, at
    values = source.astype(np.float32) if section.interpolation == "linear" else source
    columns_at = samples_at(block.x0, block.x1, n).T.reshape(-1)
    sizes = section.image.width, section.image.height
    for row in range(block.shape[0]):
        maps = opencv_maps(
            (x[0][row], x[1].reshape(-1)), (y[0][row], y[1].reshape(-1)), section.interpolation
        )
        border = cv2.BORDER_REPLICATE
        samples = cv2.remap(values, *maps, _flag(section), borderMode=border)
        rows_at = samples_at(block.y0 + row, block.y0 + row + 1, n).reshape(-1, 1)
        is_in = np.ones((n, len(columns_at)), dtype=bool)
        for (a, b, c), size in zip(section.affine, sizes, strict=True):
            place = (a * rows_at + c) + b * columns_at
            is_in &= (place >= -0.5) & (place < size - 0.5)
        # Dimensions: the samples of a pixel, by row and column; columns, and channels.
        weights = is_in.reshape(n, n, -1, *(1 for _ in source.shape[2:]))
        weights |= ~weights.any((0, 1))  # an image that passes between a pixel's samples
        samples = samples.reshape(n, n, *out.shape[1:])
        means = (samples * weights).sum((0, 1), dtype=np.float64) / weights.sum((0, 1))
        np.copyto(out[row], np.rint(means), casting="unsafe")


def _is_small(section: SectionPlan) -> bool:
    """Return whether pixels that are partly outside of the image are a good part of it."""
    side = min(section.image.width, section.image.height)
    return side < _SMALL * largest_scale(np.asarray(section.affine))


def _flag(section: SectionPlan) -> int:
    import cv2

    return {
        "nearest": cv2.INTER_NEAREST,
        "linear": cv2.INTER_LINEAR,
        "cubic": cv2.INTER_CUBIC,
        "lanczos": cv2.INTER_LANCZOS4,
    }[section.interpolation]


def displacement(section: SectionPlan, block: Block) -> NDArray[np.float32]:
    """Return the displacement field of a block.

    Parameters
    ----------
    section : SectionPlan
        The section.
    block : Block
        The output pixels.

    Returns
    -------
    ndarray of float32, shape (rows, columns, 2)
        delta_x and delta_y: where in the fetched tier's image, in its pixels, each output pixel
        comes from, as an offset from the output pixel's own column and row.
    """
    affine = section.tier_affine
    rows = np.arange(block.y0, block.y1)
    columns = np.arange(block.x0, block.x1)
    out = np.empty((*block.shape, 2), dtype=np.float32)
    if isinstance(section, BentSectionPlan):
        x, y = section.tier_places(rows.astype(np.float64), columns.astype(np.float64))
        out[..., 0], out[..., 1] = x - columns, y - rows[:, None]
        return out
    for n, (a, b, c) in enumerate(affine.tolist()):
        own = (rows * 0.0, columns) if n == 0 else (rows, columns * 0.0)
        out[..., n] = np.add.outer(a * rows + c - own[0], b * columns - own[1])
    return out


def part_side(section: SectionPlan) -> int:
    """Return the side of the output parts to warp at a time, for windows of bounded size."""
    return max(int(_WINDOW / max(section.scale, 1.0)) // 2, 1)


def within(block: Block, part: Block) -> tuple[slice, slice]:
    return (
        slice(part.y0 - block.y0, part.y1 - block.y0),
        slice(part.x0 - block.x0, part.x1 - block.x0),
    )


def mosaic(
    section: SectionPlan,
    window: tuple[int, int, int, int],
    tiles: Mapping[tuple[int, int], Pixels | SectionImageError | None],
    channels: tuple[int, ...],
) -> Pixels:
    """Return a window put together from its tiles; 0 where one could not be had."""
    left, top, right, bottom = window
    side = section.sampled_tile_side
    found = {
        (row * side, column * side): tile
        for (row, column), tile in tiles.items()
        # Rounding may see a tile at the very end of the reach for a part, and not for the whole.
        if isinstance(tile, np.ndarray)
    }
    if len(found) == 1:
        (((y, x), tile),) = found.items()
        if y <= top and x <= left and bottom <= y + tile.shape[0] and right <= x + tile.shape[1]:
            return tile[top - y : bottom - y, left - x : right - x]
    out: Pixels = _SCRATCH.array("mosaic", (bottom - top, right - left, *channels), np.uint8)
    copies = []
    for (y, x), tile in found.items():
        y0, x0 = max(y, top), max(x, left)
        y1, x1 = min(y + tile.shape[0], bottom), min(x + tile.shape[1], right)
        place = out[y0 - top : y1 - top, x0 - left : x1 - left]
        copies.append((place, tile[y0 - y : y1 - y, x0 - x : x1 - x]))
    if sum(place.size for place, _ in copies) < out.size:
        out[...] = 0
    for place, pixels in copies:
        place[...] = pixels
    return out


def _fill(pixels: Pixels, where: NDArray[np.bool_], value: int) -> None:
    """Fill pixels in place; an assignment by a mask takes a hundred times as long."""
    import cv2

    fill = _SCRATCH.array("fill", pixels.shape, np.uint8)
    fill[...] = value
    cv2.copyTo(fill, where.view(np.uint8), pixels)


def lost_pixels(
    section: SectionPlan,
    block: Block,
    window: tuple[int, int, int, int],
    tiles: Mapping[tuple[int, int], Pixels | SectionImageError | None],
) -> NDArray[np.bool_] | None:
    """Return which pixels of a block need a tile that could not be had; None if all were had.

    The missing part is grown by the kernel's reach rather than sampled with the kernel, whose
    negative weights can make up for a missing pixel.
    """
    bad = [place for place, tile in tiles.items() if isinstance(tile, SectionImageError)]
    if not bad:
        return None
    left, top, right, bottom = window
    side = section.sampled_tile_side
    missing = np.zeros((bottom - top, right - left), dtype=np.uint8)
    grown = section.reach - 1
    for row, column in bad:
        rows, columns = (
            slice(max(at * side - start - grown, 0), max((at + 1) * side - start + grown, 0))
            for at, start in ((row, top), (column, left))
        )
        missing[rows, columns] = 255
    points = replace(section, interpolation="nearest")
    lost = sample(points, block, missing, window[:2], combine=any_of_samples)
    return np.not_equal(lost, 0)
