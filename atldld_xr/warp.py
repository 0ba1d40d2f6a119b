"""The displacement field and the sampling kernel. Pure.

Sample positions are computed from the output index in float64 and rounded once to 1/32 of a source
pixel on a grid fixed per section, before the origin of any window or block is subtracted; from
there on the arithmetic is in integers. A pixel is therefore the same, to the bit, whatever block
it is computed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.errors import SectionImageError
from atldld_xr.inside import Inside, find_inside
from atldld_xr.plan import Block, Interpolation, SectionPlan
from atldld_xr.scratch import Scratch

Pixels = NDArray[np.uint8]
Tiles = Mapping[tuple[int, int], Pixels | SectionImageError]

# Positions have 16 fractional bits while they are summed; OpenCV's tables take the upper 5 of them.
_FRACTION = 16
_TABLE = 5
_STRIP = 64  # rows warped at a time, so that their maps stay in the processor's cache
_WINDOW = 2048  # about the largest side of a source window at a time, in pixels
_SCRATCH = Scratch()


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
        section's level; the error in place of one that could not be had.
    fill_value : int
        The value where the section has no pixel.
    channels : tuple of int
        What follows rows and columns in the tiles' shape: (3,), or () for one grey channel.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, *channels)
    """
    out = np.empty(block.shape + channels, dtype=np.uint8)
    for part in block.split(_part_side(section)):
        pixels = out[_within(block, part)]
        inside, window = find_inside(section, part), section.window(part)
        if window is None or not inside.any():
            pixels[...] = fill_value
            continue
        found = {place: tiles.get(place) for place in section.tiles(part)}
        source = _mosaic(section, window, found, channels)
        whole = inside.all()
        sample(section, part, source, window[:2], None if whole else inside, pixels)
        lost = _lost(section, part, window, found)
        if not whole:
            _fill(pixels, ~inside.mask(), fill_value)
        if lost is not None:
            _fill(pixels, lost, fill_value)
    return out


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
        tier, as it is decided in full-resolution pixels.
    """
    covered = find_inside(section, block).mask()
    if not tiles or not covered.any():
        return covered
    for part in block.split(_part_side(section)):
        window = section.window(part)
        if window is None:
            continue
        found = {place: tiles.get(place) for place in section.tiles(part)}
        lost = _lost(section, part, window, found)
        if lost is not None:
            covered[_within(block, part)] &= ~lost
    return covered


def sample(
    section: SectionPlan,
    block: Block,
    source: Pixels,
    origin: tuple[int, int],
    inside: Inside | None = None,
    out: Pixels | None = None,
) -> Pixels:
    """Sample a window of a section's level at a block of output pixels; the kernel.

    Parameters
    ----------
    section : SectionPlan
        The section: where to sample, how, and how many samples to average.
    block : Block
        The output pixels.
    source : ndarray of uint8, shape (height, width) or (height, width, channels)
        The window; positions beyond it take the value of its nearest pixel.
    origin : tuple of int
        Left and top of the window, in pixels of the level.
    inside : Inside, optional
        The pixels wanted; what others come out as is not said. Default: all.
    out : ndarray of uint8, optional
        Where to put the result, as a part of another array if need be. Default: a new array.

    Returns
    -------
    ndarray of uint8, shape (rows, columns) or (rows, columns, channels)
    """
    cv2 = _opencv()
    flag = {
        "nearest": cv2.INTER_NEAREST,
        "linear": cv2.INTER_LINEAR,
        "cubic": cv2.INTER_CUBIC,
        "lanczos": cv2.INTER_LANCZOS4,
    }[section.interpolation]
    n = section.subsamples
    (x_rows, x_columns), (y_rows, y_columns) = _positions(section, block, origin)
    rows, columns = block.shape
    if out is None:
        out = np.empty((rows, columns, *source.shape[2:]), dtype=np.uint8)
    step = max(_STRIP // n, 1)
    for top in range(0, rows, step):
        strip = slice(top, min(top + step, rows))
        left, right = (0, columns) if inside is None else inside.bounds(strip)
        if left >= right:
            continue
        j, k = slice(strip.start * n, strip.stop * n), slice(left * n, right * n)
        maps = _maps(x_rows[j], x_columns[k], y_rows[j], y_columns[k], section.interpolation)
        wanted = out[strip, left:right]
        if n == 1:
            cv2.remap(source, *maps, flag, dst=wanted, borderMode=cv2.BORDER_REPLICATE)
        else:
            fine = _SCRATCH.array("fine", (*maps[0].shape[:2], *source.shape[2:]), np.uint8)
            cv2.remap(source, *maps, flag, dst=fine, borderMode=cv2.BORDER_REPLICATE)
            cv2.resize(fine, wanted.shape[1::-1], dst=wanted, interpolation=cv2.INTER_AREA)
    return out


def _positions(
    section: SectionPlan, block: Block, origin: tuple[int, int]
) -> tuple[tuple[NDArray[np.uint32], NDArray[np.uint32]], ...]:
    """Return, for x and for y, the parts of the sample positions due to rows and to columns.

    An affine position is a sum of the two. Each is rounded as a fixed-point number from the global
    index alone; the origin is whole pixels, so subtracting it is exact. The sum is meant modulo
    2**32: windows are of bounded size (see `_part_side`), so it is within some 2**12 pixels of 0.
    """
    n = section.subsamples
    rows = np.arange(block.y0 * n, block.y1 * n)
    columns = np.arange(block.x0 * n, block.x1 * n)
    # The n samples of output pixel k are centred at k, 1/n apart.
    rows_at = (2 * rows + 1) / (2 * n) - 0.5
    columns_at = (2 * columns + 1) / (2 * n) - 0.5
    one = float(1 << _FRACTION)
    out = []
    for (a, b, c), start in zip(section.level_affine.tolist(), origin, strict=True):
        by_row = np.rint((a * rows_at + c) * one).astype(np.int64) - (start << _FRACTION)
        by_column = np.rint(b * columns_at * one).astype(np.int64)
        out.append((by_row.astype(np.uint32), by_column.astype(np.uint32)))
    return tuple(out)


def _maps(
    x_rows: NDArray[np.uint32],
    x_columns: NDArray[np.uint32],
    y_rows: NDArray[np.uint32],
    y_columns: NDArray[np.uint32],
    interpolation: Interpolation,
) -> tuple[NDArray[np.int16], NDArray[np.uint16] | None]:
    """Return OpenCV's fixed-point maps: whole pixels, and the fraction's place in its table."""
    table = 0 if interpolation == "nearest" else _TABLE
    half = np.uint32(1 << (_FRACTION - table - 1))
    shape = len(x_rows), len(x_columns)
    x = np.add((x_rows + half)[:, None], x_columns, out=_SCRATCH.array("x", shape, np.uint32))
    y = np.add((y_rows + half)[:, None], y_columns, out=_SCRATCH.array("y", shape, np.uint32))
    places = None
    if table:
        places = _SCRATCH.array("places", shape, np.uint16)
        np.copyto(places, y, casting="unsafe")
        places >>= _FRACTION - 2 * table
        places &= ((1 << table) - 1) << table
        low = _SCRATCH.array("low", shape, np.uint16)
        np.copyto(low, x, casting="unsafe")
        low >>= _FRACTION - table
        places |= low
    # The upper halves of x and y side by side: a pair of int16, as memory is little-endian.
    x >>= _FRACTION
    y &= ~np.uint32((1 << _FRACTION) - 1)
    y |= x
    return y.view(np.int16).reshape(*shape, 2), places


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
    for n, (a, b, c) in enumerate(affine.tolist()):
        own = (rows * 0.0, columns) if n == 0 else (rows, columns * 0.0)
        out[..., n] = np.add.outer(a * rows + c - own[0], b * columns - own[1])
    return out


def reduce_tile(pixels: Pixels, halvings: int) -> Pixels:
    """Halve an image a number of times by area average; what does not fill a pixel is dropped."""
    if not halvings:
        return pixels
    height, width = (max(side >> halvings, 1) for side in pixels.shape[:2])
    kept = pixels[: height << halvings, : width << halvings]
    return np.asarray(
        _opencv().resize(kept, (width, height), interpolation=_opencv().INTER_AREA)
    ).reshape((height, width, *pixels.shape[2:]))


def _part_side(section: SectionPlan) -> int:
    """Return the side of the output parts to warp at a time, for windows of bounded size."""
    return max(int(_WINDOW / max(section.scale, 1.0)) // 2, 1)


def _within(block: Block, part: Block) -> tuple[slice, slice]:
    return (
        slice(part.y0 - block.y0, part.y1 - block.y0),
        slice(part.x0 - block.x0, part.x1 - block.x0),
    )


def _mosaic(
    section: SectionPlan,
    window: tuple[int, int, int, int],
    tiles: Mapping[tuple[int, int], Pixels | SectionImageError | None],
    channels: tuple[int, ...],
) -> Pixels:
    """Return a window put together from its tiles; 0 where one could not be had."""
    left, top, right, bottom = window
    side = section.level_tile_side
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
    fill = _SCRATCH.array("fill", pixels.shape, np.uint8)
    fill[...] = value
    _opencv().copyTo(fill, where.view(np.uint8), pixels)


def _lost(
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
    side = section.level_tile_side
    missing = np.zeros((bottom - top, right - left), dtype=np.uint8)
    for row, column in bad:
        y, x = max(row * side - top, 0), max(column * side - left, 0)
        missing[y : max((row + 1) * side - top, 0), x : max((column + 1) * side - left, 0)] = 255
    width = 2 * section.reach - 1
    missing = _opencv().dilate(missing, np.ones((width, width), dtype=np.uint8))
    points = replace(section, interpolation="nearest")
    lost: NDArray[np.bool_] = sample(points, block, missing, window[:2]) != 0
    return lost


def _opencv() -> Any:
    """Import OpenCV where it is used, with one thread: parallelism is over blocks."""
    import cv2

    if cv2.getNumThreads() != 1:
        cv2.setNumThreads(1)
    return cv2
