"""Pixels of the phantom's sections: means of the formula over their area.

A pixel is divided into squares of up to 16 um. Over one the brain hardly changes but for its cells,
which are looked for at several places; only at the surface is all looked at several times. On the
glass there are but beads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import GREY, PROJECTIONS, View, starts_before, to_full
from atldld_xr.errors import DatasetNotFoundError
from atldld_xr.phantom.alignment import pixel_to_pir
from atldld_xr.phantom.anatomy import Array, is_glass, is_inside, outline
from atldld_xr.phantom.brain import beads, colour, expression_colour, fields
from atldld_xr.phantom.fluorescent import FluorescentPhantom, light, window
from atldld_xr.phantom.phantom import Phantom

Step = tuple[float, float, float]
Kind = Literal["image", "colour", "grey"]
Points = tuple[Array, Array, Array]

# The longest side of a square, and how far apart cells are looked for, in micrometres: a cell is
# some 20 across. Large pixels hold many.
_SQUARE = 16.0
_CELL_SPACING = 4.0
_CELL_SPACING_OF_MANY = 8.0

# Squares worked on at once: what the processor's cache holds of them.
_STRIP = 1 << 16


def draw(
    phantom: Phantom,
    image: SectionImage | Mapping[str, Any],
    tier: int,
    left: int,
    top: int,
    width: int,
    height: int,
    view: View = "image",
    values: Sequence[int] | None = None,
) -> NDArray[np.uint8]:
    """Draw a window of one section of a phantom.

    Parameters
    ----------
    phantom : Phantom
        The data set.
    image : SectionImage or mapping
        One of its section images, or that image's record.
    tier : int
        The tier; its pixels are the mean of the formula over their area, those of tier 0 the
        formula at their centres.
    left, top, width, height : int
        The window, in pixels of the tier from the one that the section's corner is in. It may
        reach beyond the section.
    view : View
        What is drawn.
    values : sequence of int, optional
        Of a fluorescent phantom's image, by which values 16 bits become 8: lower and upper one of
        red, green and blue. Default: those of its ``equalization`` record.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3), or (height, width) for a mask in grey
        A pixel is the same, to the bit, in whichever window it is drawn.

    Raises
    ------
    DatasetNotFoundError
        If the phantom has no such section image, or no such mask of it.
    """
    place = (tier, left, top, width, height)
    if view == "image" and isinstance(phantom, FluorescentPhantom):
        deep = draw_values(phantom, image, *place)
        return window(deep, phantom.range if values is None else values)
    image_id = image.id if isinstance(image, SectionImage) else int(image["id"])
    if view in PROJECTIONS and not (
        isinstance(phantom, FluorescentPhantom) and phantom.has_projection(image_id)
    ):
        raise DatasetNotFoundError(f"there is no projection mask of section image {image_id}")
    kind: Kind = "image" if view == "image" else "grey" if view in GREY else "colour"
    drawn: NDArray[np.uint8] = _draw(phantom, image, place, kind, colour, np.dtype(np.uint8))
    return drawn


def draw_values(
    phantom: FluorescentPhantom,
    image: SectionImage | Mapping[str, Any],
    tier: int,
    left: int,
    top: int,
    width: int,
    height: int,
) -> NDArray[np.uint16]:
    """Draw what the camera saw: uint16 (height, width, 3), with arguments as `draw` has them."""
    place = (tier, left, top, width, height)
    drawn: NDArray[np.uint16] = _draw(phantom, image, place, "image", light, np.dtype(np.uint16))
    return drawn


def _draw(
    phantom: Phantom,
    image: SectionImage | Mapping[str, Any],
    place: tuple[int, int, int, int, int],
    kind: Kind,
    shade: Callable[[Array, Array, Array], Array],
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    tier, left, top, width, height = place
    # By its id: a section image whose registration was refined is drawn where it was cut.
    if isinstance(image, SectionImage):
        image_id, offsets = image.id, (image.x, image.y)
    else:
        image_id, offsets = int(image["id"]), (int(image["x"]), int(image["y"]))
    before_x, before_y = (starts_before(offset, tier) for offset in offsets)
    to_pir = _rows_to_pir(phantom, image_id)
    squares, cells = _sampling(phantom.resolution, tier)
    side = 2**tier / squares
    (px, py, _), (ix, iy, _), (rx, ry, _) = to_pir
    sides = (px * side, ix * side, rx * side), (py * side, iy * side, ry * side)
    shape = (height, width) if kind == "grey" else (height, width, 3)
    out = np.empty(shape, dtype=dtype)
    most = np.iinfo(dtype).max
    rows = max(_STRIP // max(width, 1), 1)
    for start in range(0, height, rows):
        stop = min(start + rows, height)
        total: list[Array] = []
        for sub_y in range(squares):
            y = to_full(_centres(top + start, top + stop, sub_y, squares), tier, before_y)
            for sub_x in range(squares):
                x = to_full(_centres(left, left + width, sub_x, squares), tier, before_x)
                p, i, r = (
                    ((a * x)[None, :] + (b * y + c)[:, None]).astype(np.float32).ravel()
                    for a, b, c in to_pir
                )
                parts = _means((p, i, r), sides, cells, kind)
                total = [t + q for t, q in zip(total, parts, strict=True)] if total else parts
        mean = [t * np.float32(1 / squares**2) for t in total]
        pixels = shade(*mean) if kind == "image" else mean[0]
        out[start:stop] = np.clip(np.rint(pixels), 0, most).reshape(stop - start, *shape[1:])
    return out


def _sampling(resolution: float, tier: int) -> tuple[int, int]:
    """Return the squares along a pixel's side, and the places for cells along a square's."""
    if tier == 0:
        return 1, 1
    pixel = resolution * 2**tier
    squares = min(math.ceil(pixel / _SQUARE), 2**tier)
    spacing = _CELL_SPACING if pixel <= _SQUARE else _CELL_SPACING_OF_MANY
    return squares, min(math.ceil(pixel / squares / spacing), 2**tier)


def _means(points: Points, sides: tuple[Step, Step], cells: int, kind: Kind) -> list[Array]:
    """Return the means over squares of what a view is made of.

    Parameters
    ----------
    points : tuple of ndarray of float32
        The brain's (p, i, r) at the squares' centres, each in one row.
    sides : tuple of tuple of float
        Two sides of a square, as (p, i, r), in micrometres.
    cells : int
        At how many places along each side to look for cells; at one, nothing is averaged.
    kind : {"image", "colour", "grey"}
        What is drawn: an image, or a mask in false colours or in grey.
    """
    place = outline(*points)
    glass = is_glass(points[0], place)
    inside = is_inside(points[0], place) if cells > 1 else ~glass
    out: list[Array] = []
    for which, look in ((glass, _on_glass), (inside, _inside), (~(glass | inside), _at_surface)):
        index = np.flatnonzero(which)
        p, i, r = (axis[index] for axis in points)
        for number, part in enumerate(look((p, i, r), sides, cells, kind)):
            if number == len(out):
                out.append(np.empty((len(which), *part.shape[1:]), np.float32))
            out[number][index] = part
    return out


def _on_glass(points: Points, sides: tuple[Step, Step], cells: int, kind: Kind) -> list[Array]:
    nothing = np.zeros_like(points[0])
    return _of_view(nothing, nothing, [beads(*points)], kind)


def _inside(points: Points, sides: tuple[Step, Step], cells: int, kind: Kind) -> list[Array]:
    return _of_view(*fields(*points, _places(sides, cells)), kind)


def _at_surface(points: Points, sides: tuple[Step, Step], cells: int, kind: Kind) -> list[Array]:
    """Look at four quarters."""
    (a, b, c), (d, e, f) = sides
    half = (a / 2, b / 2, c / 2), (d / 2, e / 2, f / 2)
    quarters = []
    for step in _places(sides, 2):
        at = [axis + np.float32(s) for axis, s in zip(points, step, strict=True)]
        quarters.append(_inside((at[0], at[1], at[2]), half, -(-cells // 2), kind))
    return [_mean(parts) for parts in zip(*quarters, strict=True)]


def _of_view(tissue: Array, stain: Array, signals: list[Array], kind: Kind) -> list[Array]:
    """Return what is to be averaged, over the places for cells already."""
    if kind == "image":
        return [tissue, stain, _mean(signals)]
    intensities = [signal * np.float32(255.0) for signal in signals]
    if kind == "colour":
        return [_mean([expression_colour(e) for e in intensities])]
    return [_mean(intensities)]


def _mean(values: Sequence[Array]) -> Array:
    # One by one: NumPy's own sum may round otherwise for a single point.
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total * np.float32(1 / len(values))


def _places(sides: tuple[Step, Step], count: int) -> list[Step]:
    """Return the steps from a square's centre to the centres of its count * count parts."""
    steps = [(k + 0.5) / count - 0.5 for k in range(count)]
    right, down = sides
    return [
        (x * right[0] + y * down[0], x * right[1] + y * down[1], x * right[2] + y * down[2])
        for y in steps
        for x in steps
    ]


def _centres(start: int, stop: int, index: int, count: int) -> NDArray[np.float64]:
    """Return where the index-th of `count` parts of each tier pixel is, in tier pixels."""
    return np.arange(start, stop, dtype=np.float64) + ((index + 0.5) / count - 0.5)


@lru_cache(maxsize=1024)
def _rows_to_pir(phantom: Phantom, image_id: int) -> list[tuple[float, float, float]]:
    matrix = pixel_to_pir(phantom.record, phantom.image_record(image_id))
    return [(float(a), float(b), float(c)) for a, b, c in matrix]
