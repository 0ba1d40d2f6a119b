"""The displacement field and the sampling kernel. Pure.

Sample positions are computed from the output index in float64 and rounded once to 1/32 of a source
pixel on a grid fixed per section, before the origin of any window or block is subtracted; from
there on the arithmetic is in integers. A pixel is therefore the same, to the bit, whatever block
it is computed in.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from atldld_xr.plan import Block, Interpolation, SectionPlan

Pixels = NDArray[np.uint8]

# Positions have 16 fractional bits while they are summed; OpenCV's tables take the upper 5 of them.
_FRACTION = 16
_TABLE = 5
_STRIP = 64  # rows warped at a time, so that their maps stay in the processor's cache
_WINDOW = 2048  # about the largest side of a source window at a time, in pixels


def render(
    section: SectionPlan,
    block: Block,
    read: Callable[[int, int], Pixels | None],
    fill_value: int,
) -> tuple[Pixels, NDArray[np.bool_]]:
    """Return a block of a registered section, and where it has pixels.

    Parameters
    ----------
    section : SectionPlan
        The section.
    block : Block
        The output pixels wanted.
    read : callable
        Takes a (row, column) of the tile grid and returns the tile at the section's level, or None
        where it could not be had. Asked for the tiles that ``section.tiles(block)`` names.
    fill_value : int
        The value where the section has no pixel.

    Returns
    -------
    pixels : ndarray of uint8, shape (rows, columns) or (rows, columns, channels)
    covered : ndarray of bool, shape (rows, columns)
        False where `pixels` is fill.
    """
    covered = coverage(section, block)
    out: Pixels | None = None
    for part in block.split(_part_side(section)):
        window = section.window(part)
        if window is None:
            continue
        source, known = _mosaic(section, part, window, read)
        if source is None:
            inside = _within(block, part)
            covered[inside] = False
            continue
        if out is None:
            out = np.full(block.shape + source.shape[2:], fill_value, dtype=np.uint8)
        inside = _within(block, part)
        out[inside] = sample(section, part, source, window[:2])
        if known is not None:
            covered[inside] &= sample(section, part, known, window[:2]) == 255
    if out is None:  # nothing was read, so the number of channels is the caller's to give
        return np.full(block.shape, fill_value, dtype=np.uint8), np.zeros_like(covered)
    out[~covered] = fill_value
    return out, covered


def sample(
    section: SectionPlan, block: Block, source: Pixels, origin: tuple[int, int]
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
    out = np.empty((rows, columns, *source.shape[2:]), dtype=np.uint8)
    step = max(_STRIP // n, 1)
    for top in range(0, rows, step):
        bottom = min(top + step, rows)
        fine_rows = slice(top * n, bottom * n)
        maps = _maps(
            x_rows[fine_rows], x_columns, y_rows[fine_rows], y_columns, section.interpolation
        )
        fine = cv2.remap(source, *maps, flag, borderMode=cv2.BORDER_REPLICATE)
        if n > 1:
            fine = cv2.resize(fine, (columns, bottom - top), interpolation=cv2.INTER_AREA)
        out[top:bottom] = fine.reshape((bottom - top, columns, *source.shape[2:]))
    return out


def _positions(
    section: SectionPlan, block: Block, origin: tuple[int, int]
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]:
    """Return, for x and for y, the parts of the sample positions due to rows and to columns.

    An affine position is a sum of the two. Each is rounded as a fixed-point number from the global
    index alone; the origin is whole pixels, so subtracting it is exact.
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
        out.append((by_row, by_column))
    return tuple(out)


def _maps(
    x_rows: NDArray[np.int64],
    x_columns: NDArray[np.int64],
    y_rows: NDArray[np.int64],
    y_columns: NDArray[np.int64],
    interpolation: Interpolation,
) -> tuple[NDArray[np.int16], NDArray[np.uint16] | None]:
    """Return OpenCV's fixed-point maps: whole pixels, and the index of the fraction in its table."""
    shift = _FRACTION - (0 if interpolation == "nearest" else _TABLE)
    half = 1 << (shift - 1)
    x = _outer_sum(x_rows + half, x_columns) >> shift
    y = _outer_sum(y_rows + half, y_columns) >> shift
    whole = np.empty((*x.shape, 2), dtype=np.int16)
    if interpolation == "nearest":
        whole[..., 0], whole[..., 1] = x, y
        return whole, None
    np.right_shift(x, _TABLE, out=whole[..., 0], casting="unsafe")
    np.right_shift(y, _TABLE, out=whole[..., 1], casting="unsafe")
    mask = (1 << _TABLE) - 1
    x &= mask
    y &= mask
    y <<= _TABLE
    y |= x
    return whole, y.astype(np.uint16)


def _outer_sum(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int32]:
    # Blocks are split so that positions within a window fit 32 bits (see `_part_side`); what
    # lies outside the window by more is clipped, which is exact: it takes the edge's value.
    out: NDArray[np.int32] = np.add.outer(rows, columns)
    if abs(rows).max() + abs(columns).max() >= 1 << 30:
        out = np.clip(out, -(1 << 30), 1 << 30)
    return out.astype(np.int32)


def coverage(section: SectionPlan, block: Block) -> NDArray[np.bool_]:
    """Return which output pixels have their centre inside the section image, edges included.

    Parameters
    ----------
    section : SectionPlan
        The section.
    block : Block
        The output pixels.

    Returns
    -------
    ndarray of bool, shape (rows, columns)
        The same at every tier: it is decided in full-resolution pixels.
    """
    inside = np.ones(block.shape, dtype=bool)
    sizes = (section.image.width, section.image.height)
    for position, size in zip(_full_positions(section, block), sizes, strict=True):
        inside &= position >= -0.5
        inside &= position < size - 0.5
    return inside


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


def _full_positions(
    section: SectionPlan, block: Block
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = np.arange(block.y0, block.y1), np.arange(block.x0, block.x1)
    (ax, bx, cx), (ay, by, cy) = section.affine
    return np.add.outer(ax * rows + cx, bx * columns), np.add.outer(ay * rows + cy, by * columns)


def _part_side(section: SectionPlan) -> int:
    """Return how many output pixels a side to warp at a time: their window is then of bounded size."""
    return max(int(_WINDOW / max(section.scale, 1.0)) // 2, 1)


def _within(block: Block, part: Block) -> tuple[slice, slice]:
    return (
        slice(part.y0 - block.y0, part.y1 - block.y0),
        slice(part.x0 - block.x0, part.x1 - block.x0),
    )


def _mosaic(
    section: SectionPlan,
    block: Block,
    window: tuple[int, int, int, int],
    read: Callable[[int, int], Pixels | None],
) -> tuple[Pixels | None, Pixels | None]:
    """Return a window put together from its tiles, and a mask of its known pixels (None: all)."""
    left, top, right, bottom = window
    side = section.level_tile_side
    places = section.tiles(block)
    tiles = {place: read(*place) for place in places}
    found = [t for t in tiles.values() if t is not None]
    if not found:
        return None, None
    if len(places) == 1:
        (row, column), tile = places[0], found[0]
        return tile[top - row * side : bottom - row * side, left - column * side : right - column * side], None
    out = np.zeros((bottom - top, right - left, *found[0].shape[2:]), dtype=np.uint8)
    known = None if len(found) == len(places) else np.zeros(out.shape[:2], dtype=np.uint8)
    for (row, column), tile in tiles.items():
        if tile is None:
            continue
        y, x = row * side, column * side
        y0, x0 = max(y, top), max(x, left)
        y1, x1 = min(y + tile.shape[0], bottom), min(x + tile.shape[1], right)
        out[y0 - top : y1 - top, x0 - left : x1 - left] = tile[y0 - y : y1 - y, x0 - x : x1 - x]
        if known is not None:
            known[y0 - top : y1 - top, x0 - left : x1 - left] = 255
    return out, known


def _opencv():  # type: ignore[no-untyped-def]
    """Import OpenCV where it is used, with one thread: parallelism is over blocks."""
    import cv2

    if cv2.getNumThreads() != 1:
        cv2.setNumThreads(1)
    return cv2
