"""An image as OME-Zarr can hold it: its grid, its pyramid and its blocks. Pure.

Blocks hold all channels: viewers show colours of blocks that do, and a section's block is made
whole. A level is a quarter of the one before it: y and x are halved, and z never is, for sections
are apart from one another, and a mean of two would show neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, TypeVar

import numpy as np
import xarray as xr

from atldld_xr.allen.reference import PLANES
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_whole, split_blocks
from atldld_xr.planes.axis import Axis, find_axis
from atldld_xr.planes.planes import Planes, find_planes

AXES = ("c", "z", "y", "x")
REFERENCE_AXES = ("c", "p", "i", "r")

Axes = Literal["zyx", "pir"]
"""Names of the axes: planes, rows and columns; or those of the reference space, in its order."""

T = TypeVar("T")

Shape = tuple[int, int, int, int]
"""Channels, planes, rows and columns."""

TRUE = 255
"""What is true, in an image; what is false is 0."""

# The last level is at most so large: an overview of all sections then takes a few megabytes.
_OVERVIEW_SIDE = 256

# Viewers keep a block as one texture, whose sides have a limit.
_LARGEST_BLOCK = 2048


@dataclass(frozen=True)
class Pyramid:
    """What is to be written.

    Attributes
    ----------
    variable : str
        The data variable that it is made of.
    planes : Planes
        Across sections.
    y, x : Axis
        Pixels of level 0.
    channels : int
        3 (red, green, blue) or 1 (grey).
    dtype : numpy.dtype
        uint8 or uint16; uint8 of bool, 255 where it is true.
    fill_value : int
        Where there is no section.
    block : tuple of int
        Rows and columns of a block; levels smaller than it are one block.
    levels : int
        How many there are.
    names : tuple of str
        Of the store's axes.
    order : tuple of int
        Which of (c, z, y, x) each of them is; the same leads back.
    """

    variable: str
    planes: Planes
    y: Axis
    x: Axis
    channels: int
    dtype: np.dtype[Any]
    fill_value: int
    block: tuple[int, int]
    levels: int
    names: tuple[str, ...] = AXES
    order: tuple[int, ...] = (0, 1, 2, 3)

    def path(self, level: int) -> str:
        """Return where a level is in the store."""
        return str(level)

    @property
    def section_axis(self) -> int:
        """Which of the store's axes runs across sections."""
        return self.order.index(1)

    def turned(self, values: Sequence[T]) -> tuple[T, ...]:
        """Return what is given for (c, z, y, x) in the order of the store's axes, or back."""
        return tuple(values[axis] for axis in self.order)

    def axes(self, level: int) -> tuple[Axis, Axis, Axis]:
        """Return where the planes, rows and columns of a level are."""
        return self.planes.axis, self.y.level(level), self.x.level(level)

    def sections(self, level: int) -> dict[int, int]:
        """Return the section in each plane of a level that has one, by its place."""
        return self.planes.sections

    def shape(self, level: int) -> Shape:
        """Return the shape of a level, as (c, z, y, x)."""
        z, y, x = self.axes(level)
        return self.channels, z.size, y.size, x.size

    def chunks(self, level: int) -> Shape:
        """Return the shape of a level's blocks, as (c, z, y, x)."""
        _, _, rows, columns = self.shape(level)
        return self.channels, 1, min(self.block[0], rows), min(self.block[1], columns)

    def blocks(self, level: int) -> Iterator[Shape]:
        """Yield the places of blocks that hold a section; all others are fill, and stay absent.

        As (c, z, y, x).
        """
        _, _, rows, columns = (
            -(-size // step)
            for size, step in zip(self.shape(level), self.chunks(level), strict=True)
        )
        for plane, row, column in product(sorted(self.planes.places), range(rows), range(columns)):
            yield 0, plane, row, column


def plan_pyramid(
    dataset: xr.Dataset,
    *,
    variable: str = "image",
    step: float | None = None,
    levels: int | None = None,
    axes: Axes = "zyx",
) -> Pyramid:
    """Plan the OME-Zarr image of a data set.

    Parameters
    ----------
    dataset : xarray.Dataset
        As `atldld_xr.open_dataset` returns it, whole or sliced; no pixels are read.
    variable : str
        Which data variable: over (coronal or sagittal, y, x) and, if it has colours, channel.
    step : float, optional
        From one plane to the next, in micrometres. Default: as `find_planes` has it.
    levels : int, optional
        How many levels the pyramid has. Default: until no side is longer than 256 pixels.
    axes : {"zyx", "pir"}
        What the store's axes are: planes, rows and columns, or those of the reference space.

    Returns
    -------
    Pyramid
        With blocks of y and x as the variable's chunks are.

    Raises
    ------
    InvalidArgumentError
        If OME-Zarr cannot say what this is: two sections in one plane, pixels in unequal steps,
        other dimensions, another dtype.
    """
    if not isinstance(dataset, xr.Dataset):
        raise InvalidArgumentError(f"expected an xarray.Dataset, not {type(dataset).__name__}")
    if variable not in [*dataset.data_vars]:  # which also takes what cannot be hashed
        names = ", ".join(map(str, dataset.data_vars)) or "none"
        raise InvalidArgumentError(f"the Dataset has no variable {short(variable)}; it has {names}")
    # Without coordinates, whose chunks are no concern.
    array = dataset[variable].drop_vars(list(dataset[variable].coords))
    planes = find_planes(dataset, step=step)
    axis_names, order = _check_axes(axes, planes.dim)
    y, x = find_axis(dataset, "y"), find_axis(dataset, "x")
    return Pyramid(
        variable=variable,
        planes=planes,
        y=y,
        x=x,
        channels=_check_channels(array, planes.dim),
        dtype=_check_dtype(array),
        fill_value=_check_fill(array),
        block=_find_block(array),
        levels=_check_levels(levels, y, x),
        names=axis_names,
        order=order,
    )


def _check_axes(axes: Any, dim: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the names of the store's axes, and which of (c, z, y, x) each of them is."""
    plain = tuple(range(len(AXES)))
    if isinstance(axes, str) and axes == "zyx":
        return AXES, plain
    if not isinstance(axes, str) or axes != "pir":
        raise InvalidArgumentError(f'axes must be "zyx" or "pir", not {short(axes)}')
    plane = next(plane for plane in PLANES.values() if plane.dim == dim)
    by_axis = {plane.section_axis: 1, plane.y_axis: 2, plane.x_axis: 3}
    return REFERENCE_AXES, (0, *(by_axis[axis] for axis in range(3)))


def _check_channels(array: xr.DataArray, dim: str) -> int:
    grey = {dim, "y", "x"}
    if set(array.dims) not in (grey, grey | {"channel"}):
        raise InvalidArgumentError(
            f"OME-Zarr needs a variable over {dim}, y, x and, if it has colours, channel; "
            f"{array.name} is over {', '.join(map(str, array.dims))}"
        )
    channels = array.sizes.get("channel", 1)
    if channels not in (1, 3):
        raise InvalidArgumentError(
            f"{array.name} has {channels} channels: one is shown as grey and three as red, green "
            "and blue; select the ones to write"
        )
    return channels


def _check_dtype(array: xr.DataArray) -> np.dtype[Any]:
    if array.dtype == bool:
        return np.dtype(np.uint8)
    dtype = np.dtype(array.dtype).newbyteorder("=")  # files are in no other, whatever it was
    if dtype not in (np.uint8, np.uint16):
        raise InvalidArgumentError(
            f"{array.name} is of {array.dtype}: viewers take uint8, uint16 and bool, so scale it "
            "and use .astype, or write it to plain Zarr"
        )
    return dtype


def _check_fill(array: xr.DataArray) -> int:
    if array.dtype == bool:
        return 0
    fill = array.attrs.get("fill_value")
    if not is_whole(fill) or not 0 <= fill <= np.iinfo(array.dtype).max:
        raise InvalidArgumentError(
            f"what {array.name} holds where there is no section is not known: set its attribute "
            f"fill_value to a value of {array.dtype} (255 in bright-field images, 0 in masks); it "
            f"is {short(fill)}"
        )
    return int(fill)


def _find_block(array: xr.DataArray) -> tuple[int, int]:
    chunks = array.chunksizes
    preferred = array.encoding.get("preferred_chunks", {})
    # The usual blocks, where the Dataset has none, or larger ones than viewers take.
    usual = split_blocks("auto", (array.sizes["y"], array.sizes["x"]))
    sides = []
    for dim, split in zip(("y", "x"), usual, strict=True):
        side = max(chunks[dim]) if dim in chunks else int(preferred.get(dim, split[0]))
        sides.append(side if 1 <= side <= _LARGEST_BLOCK else split[0])
    return sides[0], sides[1]


def _check_levels(levels: int | None, y: Axis, x: Axis) -> int:
    longest = max(y.size, x.size)
    if levels is None:
        levels = 1
        while -(-longest // 2 ** (levels - 1)) > _OVERVIEW_SIDE:
            levels += 1
        return levels
    most = (longest - 1).bit_length() + 1
    if not is_whole(levels) or not 1 <= levels <= most:
        raise InvalidArgumentError(
            f"levels must be a whole number from 1 to {most}, where one pixel is left, not "
            f"{short(levels)}"
        )
    return int(levels)
