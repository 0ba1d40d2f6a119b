"""LoadPlan: which source tiles each output block needs. Pure; the executors only follow it.

Everything that decides about pixels (tier, tile grid, antialiasing) is fixed here per section,
never per block, so that no result depends on how the output is chunked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from hashlib import sha256
from itertools import accumulate
from operator import index
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import GREY, Tile, View, affine_to_tier, largest_scale, tier_size
from atldld_xr.errors import InvalidArgumentError

Interpolation = Literal["nearest", "linear", "cubic", "lanczos"]
INTERPOLATIONS: tuple[Interpolation, ...] = ("nearest", "linear", "cubic", "lanczos")


def default_fill(view: View, fluorescence: bool) -> int:
    """Return what looks like no tissue: white in bright field; black in fluorescence and masks."""
    return 255 if view == "image" and not fluorescence else 0


# Source pixels that each kernel reads to either side of a position, one more for rounding.
_REACH = {"nearest": 2, "linear": 2, "cubic": 3, "lanczos": 5}

Matrix = tuple[tuple[float, float, float], tuple[float, float, float]]
Span = tuple[float, float]


@dataclass(frozen=True)
class Block:
    """A rectangle of output pixels: rows y0 to y1, columns x0 to x1, ends excluded.

    They may be given as NumPy's integers, and are kept as Python's, which do not overflow.
    """

    y0: int
    y1: int
    x0: int
    x1: int

    def __post_init__(self) -> None:
        for name in ("y0", "y1", "x0", "x1"):
            object.__setattr__(self, name, index(getattr(self, name)))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y1 - self.y0, self.x1 - self.x0

    def split(self, side: int) -> Iterator[Block]:
        """Yield the parts of at most `side` rows and columns, in reading order."""
        for y in range(self.y0, self.y1, side):
            for x in range(self.x0, self.x1, side):
                yield Block(y, min(y + side, self.y1), x, min(x + side, self.x1))


@dataclass(frozen=True)
class SectionPlan:
    """How one section is read and sampled.

    Attributes
    ----------
    image : SectionImage
        The section image.
    affine : tuple
        The (2, 3) matrix from output index (row, column, 1) to full-resolution pixels (x, y).
    tier : int
        The tier that is fetched.
    reduction : int
        How many times its pixels are then halved here, by area average: more than 0 only where a
        finer tier is fetched than the output needs.
    subsamples : int
        Samples per output pixel along each axis; their mean is the pixel.
    tile_side : int
        Side of the source tile grid, in pixels of the tier.
    interpolation : str
        How samples are taken between pixels.
    readable : bool
        False for a section of which the source has no such view: it has no pixel anywhere.
    """

    image: SectionImage
    affine: Matrix
    tier: int
    reduction: int
    subsamples: int
    tile_side: int
    interpolation: Interpolation
    readable: bool = True

    def __post_init__(self) -> None:
        if self.tile_side % 2**self.reduction and self.tile_grid != (1, 1):
            raise InvalidArgumentError(
                f"section image {self.image.id}: tiles of {self.tile_side} px cannot be halved "
                f"{self.reduction} times; a source's tiles are multiples of 512 px a side"
            )

    @property
    def sampled_tier(self) -> int:
        """The tier that is sampled: the fetched one, reduced."""
        return self.tier + self.reduction

    @property
    def sampled_size(self) -> tuple[int, int]:
        """Width and height at `sampled_tier`, in its pixels; the last ones may be parts."""
        width, height = (tier_size(s, self.tier) for s in (self.image.width, self.image.height))
        side = 1 << self.reduction
        return -(-width // side), -(-height // side)

    @cached_property
    def sampled_affine(self) -> NDArray[np.float64]:
        """The (2, 3) matrix from output index to pixels of `sampled_tier`."""
        affine = np.asarray(self.affine)
        return affine_to_tier(affine, self.sampled_tier, self.image, fetched=self.tier)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is derived: tasks are to be small."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def tier_affine(self) -> NDArray[np.float64]:
        """The (2, 3) matrix from output index to pixels of the fetched tier."""
        return affine_to_tier(np.asarray(self.affine), self.tier, self.image)

    @property
    def sampled_tile_side(self) -> int:
        """Side of the tile grid in pixels of `sampled_tier`."""
        return -(-self.tile_side // (1 << self.reduction))

    @property
    def scale(self) -> float:
        """Size of an output pixel in pixels of `sampled_tier`, along its longer side."""
        return largest_scale(self.sampled_affine)

    def window(self, block: Block) -> tuple[int, int, int, int] | None:
        """Return left, top, right, bottom of what a block samples, in `sampled_tier`; or None.

        The window is clipped to the image, with ends excluded.
        """
        return self.clip(self.span(block)) if self.readable else None

    def span(self, block: Block) -> tuple[Span, Span]:
        """Return from where to where a block lies in `sampled_tier`, along x and y."""
        # Subsamples lie at most half an output pixel from the centres: extend the block by that.
        rows, columns = (block.y0 - 0.5, block.y1 - 0.5), (block.x0 - 0.5, block.x1 - 0.5)
        spans = []
        for a, b, c in self.sampled_affine.tolist():
            ends = [a * j + b * k + c for j in rows for k in columns]
            spans.append((min(ends), max(ends)))
        return spans[0], spans[1]

    def clip(self, spans: tuple[Span, Span]) -> tuple[int, int, int, int] | None:
        """Return left, top, right, bottom of what is sampled between some ends; or None."""
        reach = self.reach
        bounds = []
        for (low, high), size in zip(spans, self.sampled_size, strict=True):
            # Beyond half a pixel outside, pixel centres are not covered; the reach allows for more.
            if high < -reach or low > size - 1 + reach:
                return None
            low_px = min(max(math.floor(low) - reach, 0), size - 1)
            high_px = min(max(math.ceil(high) + reach + 1, low_px + 1), size)
            bounds.append((low_px, high_px))
        (left, right), (top, bottom) = bounds
        return left, top, right, bottom

    def tiles_of(self, window: tuple[int, int, int, int]) -> Iterator[tuple[int, int]]:
        """Yield the (row, column) of every source tile that a window has pixels of."""
        left, top, right, bottom = window
        side = self.sampled_tile_side
        for row in range(top // side, (bottom - 1) // side + 1):
            for column in range(left // side, (right - 1) // side + 1):
                yield row, column

    def tiles(self, block: Block) -> list[tuple[int, int]]:
        """Return the (row, column) on the tile grid of every source tile that a block needs.

        These are the tiles that come within the kernel's reach of the parallelogram that the block
        is on the image, so that the blocks of any chunking together need the same tiles.
        """
        return list(self._tiles(block))

    def touches(self, block: Block) -> bool:
        """Return whether a block needs any tile: one that needs none has no pixel of the image."""
        return next(self._tiles(block), None) is not None

    def _tiles(self, block: Block) -> Iterator[tuple[int, int]]:
        window = self.window(block)
        if window is None:
            return
        side = self.sampled_tile_side
        for row, column in self.tiles_of(window):
            if self._meets(block, column * side, row * side):
                yield row, column

    def _meets(self, block: Block, left: int, top: int) -> bool:
        """Return whether a block's parallelogram comes within reach of the tile that starts here.

        The window does already: what may part the two besides is one of the parallelogram's own
        sides, that is, a line along which the output's row or column is constant.
        """
        reach, side = self.reach, self.sampled_tile_side
        (ax, bx, cx), (ay, by, cy) = self.sampled_affine.tolist()
        determinant = ax * by - bx * ay
        if not determinant:
            return True
        xs = (left - reach - cx, left + side - 1 + reach - cx)
        ys = (top - reach - cy, top + side - 1 + reach - cy)
        rows = [(by * x - bx * y) / determinant for x in xs for y in ys]
        columns = [(ax * y - ay * x) / determinant for x in xs for y in ys]
        return bool(
            min(rows) <= block.y1 - 0.5
            and max(rows) >= block.y0 - 0.5
            and min(columns) <= block.x1 - 0.5
            and max(columns) >= block.x0 - 0.5
        )

    @property
    def reach(self) -> int:
        """How many source pixels to either side of a position are read; at least one to spare."""
        return _REACH[self.interpolation]

    @property
    def tile_grid(self) -> tuple[int, int]:
        """Rows and columns of the tile grid."""
        width, height = (tier_size(s, self.tier) for s in (self.image.width, self.image.height))
        return -(-height // self.tile_side), -(-width // self.tile_side)

    def tile(self, row: int, column: int) -> Tile:
        """Return the source tile at a place on the tile grid."""
        width, height = (tier_size(s, self.tier) for s in (self.image.width, self.image.height))
        left, top = column * self.tile_side, row * self.tile_side
        return Tile(
            tier=self.tier,
            left=left,
            top=top,
            width=min(self.tile_side, width - left),
            height=min(self.tile_side, height - top),
            whole=self.tile_grid == (1, 1),
        )


@dataclass(frozen=True)
class LoadPlan:
    """Everything needed to make one data variable of a data set, as data.

    Attributes
    ----------
    sections : tuple of SectionPlan
        In the order of the section dimension.
    shape : tuple of int
        Rows and columns of every section.
    chunks : tuple of tuple of int
        Rows, and columns, of the blocks.
    view : View
        What is read of each section image.
    fill_value : int
        The value where a section has no pixel.
    on_error : {"raise", "fill"}
        Whether unreadable tiles raise, or are filled.
    """

    sections: tuple[SectionPlan, ...]
    shape: tuple[int, int]
    chunks: tuple[tuple[int, ...], tuple[int, ...]]
    view: View
    fill_value: int
    on_error: Literal["raise", "fill"]

    @property
    def channels(self) -> tuple[int, ...]:
        """What follows rows and columns in the shape of the pixels."""
        return () if self.view in GREY else (3,)

    @property
    def whole(self) -> Block:
        """All output pixels of a section."""
        return Block(0, self.shape[0], 0, self.shape[1])

    def block(self, row: int, column: int) -> Block:
        """Return the block at a place among the chunks."""
        (y0, y1), (x0, x1) = (
            (edges[at], edges[at + 1]) for edges, at in zip(self._edges, (row, column), strict=True)
        )
        return Block(y0, y1, x0, x1)

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks, in reading order."""
        for row in range(len(self.chunks[0])):
            for column in range(len(self.chunks[1])):
                yield self.block(row, column)

    @cached_property
    def fetch_token(self) -> str:
        """A digest of what is read, whatever is made of it: images, tiers, tiles, view, policy."""
        reads = [(s.image, s.tier, s.reduction, s.tile_side) for s in self.sections]
        return digest((reads, self.view, self.on_error))

    @cached_property
    def content_token(self) -> str:
        """A digest of what pixels are, in whatever blocks, and whatever is done about errors."""
        return digest((self.sections, self.shape, self.view, self.fill_value))

    def __dask_tokenize__(self) -> str:
        """Name the plan by a digest: Dask's own way through dataclasses takes a second for 1000."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return digest(tuple(getattr(self, field.name) for field in fields(self)))

    @cached_property
    def _edges(self) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(accumulate(sizes, initial=0)) for sizes in self.chunks)


def digest(value: object) -> str:
    """Return a name of dataclasses, tuples and numbers by what is in them."""
    # Their representation is exact, and the same everywhere.
    return sha256(repr(value).encode()).hexdigest()
