"""What of a Dataset goes into voxels: one variable, its place on the grid and its channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.allen.reference import PLANES, Grid, Plane, space_told
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_one_of
from atldld_xr.planes.spacing import TOLERANCE, find_pixel_size

Channel = Literal["grey", "red", "green", "blue"]

_COLOURS = ("red", "green", "blue")
_CHANNELS = ("grey", *_COLOURS)
_DTYPES = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
_SPACE = 9  # of a Dataset that does not say


@dataclass(frozen=True)
class Pixels:
    """How the sections of a variable become planes of a volume.

    Attributes
    ----------
    variable : xarray.DataArray
        The sections, (section, y, x) or (section, y, x, channel).
    grid : Grid
        The pixels of a whole section.
    top, left : int
        Where the variable's first pixel is on the grid.
    channel : str or None
        What is made of the three channels; None keeps them.
    """

    variable: xr.DataArray
    grid: Grid
    top: int
    left: int
    channel: Channel | None

    @property
    def colour(self) -> bool:
        """Whether a voxel is red, green and blue, and not one number."""
        return "channel" in self.variable.dims and self.channel is None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the voxels, in the byte order of the files."""
        kept: np.dtype[Any] = self.variable.dtype
        return np.dtype(np.uint8) if kept.kind == "b" else kept.newbyteorder("<")

    @property
    def fill(self) -> Any:
        """The value of voxels where there is no section: a number of `dtype`."""
        # No section is no number; where a dtype has no word for that, it is 0.
        unknown = float("nan") if self.dtype.kind == "f" else 0
        value = self.variable.attrs.get("fill_value", unknown)
        try:
            with np.errstate(invalid="ignore"):
                filled = np.full((1, 1, 3), float(value)).astype(self.dtype)
            if self.dtype.kind != "f" and filled[0, 0, 0] != value:
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            raise InvalidArgumentError(
                f"the variable's attribute fill_value is {short(value)}, which is no {self.dtype}"
            ) from None
        return (self._reduce(filled) if self.channel else filled)[0, 0].flat[0]

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """The shape of a whole plane: (y, x), and 3 for colour."""
        return self.grid.shape + ((3,) if self.colour else ())

    def plane(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a section's values as a whole plane of voxels.

        Parameters
        ----------
        values : ndarray, shape (y, x) or (y, x, channel)
            What the variable holds of one section.
        """
        voxels = self._reduce(values) if self.channel else values
        voxels = np.ascontiguousarray(voxels, dtype=self.dtype)
        if voxels.shape == self.plane_shape:
            return voxels
        out = np.full(self.plane_shape, self.fill, dtype=self.dtype)
        rows, columns = voxels.shape[:2]
        out[self.top : self.top + rows, self.left : self.left + columns] = voxels
        return out

    def _reduce(self, values: NDArray[Any]) -> NDArray[Any]:
        if self.channel == "grey":
            import cv2

            return np.asarray(cv2.cvtColor(np.ascontiguousarray(values), cv2.COLOR_RGB2GRAY))
        return values[..., _COLOURS.index(str(self.channel))]


def choose_pixels(dataset: xr.Dataset, variable: str, channel: str | None) -> Pixels:
    """Check that a variable can be a volume, and return how.

    Parameters
    ----------
    dataset : xarray.Dataset
        As `atldld_xr.open_dataset` returns it, or as read back from a store.
    variable : str
        Which variable.
    channel : {"grey", "red", "green", "blue"} or None
        What is made of its channels, if it has any.

    Raises
    ------
    InvalidArgumentError
        If it cannot.
    """
    if not isinstance(dataset, xr.Dataset):
        raise InvalidArgumentError(f"expected an xarray.Dataset, not {type(dataset).__name__}")
    if not isinstance(variable, str) or variable not in dataset.data_vars:
        known = ", ".join(map(str, dataset.data_vars))
        raise InvalidArgumentError(f"the Dataset has no variable {short(variable)}; it has {known}")
    array = dataset[variable]
    plane = _find_plane(array)
    array = array.transpose(plane.dim, "y", "x", ...)
    if 0 in array.shape:
        raise InvalidArgumentError(f"{variable} is empty: its shape is {array.shape}")
    _check_values(array, channel)
    space = space_told(dataset.attrs, _SPACE)
    for axis in (plane.dim, "y", "x"):
        if axis not in array.coords or array[axis].dtype.kind not in "iuf":
            raise InvalidArgumentError(f"{variable} has no coordinate {axis} in micrometres")
    grid = Grid(plane, space, _resolution(dataset))
    top, left = _offset(array, "y", grid, 0), _offset(array, "x", grid, 1)
    return Pixels(array, grid, top, left, channel)  # type: ignore[arg-type]  # checked above


def _find_plane(array: xr.DataArray) -> Plane:
    for plane in PLANES.values():
        dims = {plane.dim, "y", "x"}
        if dims <= set(array.dims):
            more = set(array.dims) - dims
            if more <= {"channel"}:
                return plane
            names = ", ".join(sorted(map(str, more)))
            raise InvalidArgumentError(
                f"{array.name} has the dimension {names}, which a volume has no place for: choose "
                "one part of it with .isel()"
            )
    dims_found = ", ".join(map(str, array.dims))
    raise InvalidArgumentError(
        f"{array.name} has the dimensions ({dims_found}); a volume is made of (coronal, y, x) or "
        "(sagittal, y, x), with a channel or without. One section is chosen with .isel(coronal=[0])"
    )


def _check_values(array: xr.DataArray, channel: str | None) -> None:
    if array.dtype.name not in _DTYPES:
        raise InvalidArgumentError(
            f"{array.name} is of {array.dtype}, which not every reader takes: use .astype() to "
            f"make it one of {', '.join(_DTYPES)}"
        )
    if channel is not None and not is_one_of(channel, _CHANNELS):
        raise InvalidArgumentError(
            f"channel must be one of {', '.join(_CHANNELS)}, not {short(channel)}"
        )
    if "channel" not in array.dims:
        if channel is not None:
            raise InvalidArgumentError(f"{array.name} has no channels, of which {channel} is one")
    elif array.sizes["channel"] != 3 or array.dtype != np.uint8:
        raise InvalidArgumentError(
            f"{array.name} has {array.sizes['channel']} channels of {array.dtype}; voxels in "
            "colour have 3 of uint8. Choose one with .isel(channel=0)"
        )


def _resolution(dataset: xr.Dataset) -> float:
    """Return the size of the pixels."""
    size = find_pixel_size(dataset)
    if size is None:
        raise InvalidArgumentError(
            "the size of a single pixel cannot be told from its coordinates, and the attribute "
            f"resolution is {short(dataset.attrs.get('resolution'))}: set it, in micrometres"
        )
    return abs(size)


def _offset(array: xr.DataArray, axis: str, grid: Grid, number: int) -> int:
    """Return which pixel of the grid an axis begins with.

    Raises
    ------
    InvalidArgumentError
        If it does not go on from there, pixel by pixel.
    """
    count, most = array.sizes[axis], grid.shape[number]
    at = np.asarray(array[axis].values, dtype=np.float64) / grid.resolution - grid.offset
    first = round(float(at[0])) if np.isfinite(at[0]) else -1
    on_grid = np.allclose(at, first + np.arange(count), rtol=0, atol=TOLERANCE)
    if not on_grid or first < 0 or first + count > most:
        raise InvalidArgumentError(
            f"{axis} is not on the grid of the volume, whose pixels are centred at "
            f"(k + 0.5) * {grid.resolution:g} um for k from 0 to {most - 1}: open the Dataset with "
            'anchor="center", and slice it without steps'
        )
    return first
