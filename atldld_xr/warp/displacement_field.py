"""DisplacementField: a 2D field of displacements, and warping an image along it."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.files.paths import local_file
from atldld_xr.messages.repeating import short

Array = NDArray[np.float32]

# By name, OpenCV's constant. In remap, "area" is the same as "linear".
_INTERPOLATIONS = {
    "nearest": "INTER_NEAREST",
    "linear": "INTER_LINEAR",
    "cubic": "INTER_CUBIC",
    "area": "INTER_AREA",
    "lanczos": "INTER_LANCZOS4",
}
_BORDERS = {
    "constant": "BORDER_CONSTANT",
    "replicate": "BORDER_REPLICATE",
    "reflect": "BORDER_REFLECT",
    "wrap": "BORDER_WRAP",
    "reflect_101": "BORDER_REFLECT_101",
    "transparent": "BORDER_TRANSPARENT",
}
# Borders for which a part of the image is enough: the others bring in pixels from far off.
_LOCAL_BORDERS = ("constant", "replicate", "transparent")

_MOST = 32766  # OpenCV's remap takes no longer side, of the image nor of the field
_PART = 1024  # side of the parts in which a larger one is warped
_REACH = 5  # pixels that the widest kernel (lanczos) reads to either side, and one for rounding


class DisplacementField:
    """Where each pixel of a registered image comes from, as an offset from its own place.

    Parameters
    ----------
    delta_x, delta_y : array_like, shape (rows, columns)
        Offsets along columns (positive to the right) and rows (positive down), in pixels of the
        image that is warped. Kept as float32, and not copied if they already are.

    Attributes
    ----------
    delta_x, delta_y : ndarray of float32, shape (rows, columns)
        The offsets.

    Raises
    ------
    InvalidArgumentError
        If they are not two 2D arrays of finite numbers, of one shape.

    Examples
    --------
    >>> import numpy as np
    >>> from atldld_xr import DisplacementField
    >>> image = np.array([[1, 2, 3]], dtype=np.uint8)
    >>> DisplacementField(np.full((1, 3), 1.0), np.zeros((1, 3))).warp(image)
    array([[2, 3, 0]], dtype=uint8)
    """

    # NumPy would make an array of fields of array * field; this refuses it, as field * array is.
    __array_ufunc__ = None

    def __init__(self, delta_x: ArrayLike, delta_y: ArrayLike) -> None:
        self.delta_x, self.delta_y = _checked(delta_x, delta_y, np.dtype(np.float32))

    @classmethod
    def from_transform(cls, f_x: ArrayLike, f_y: ArrayLike) -> DisplacementField:
        """Return the field of a transformation.

        Parameters
        ----------
        f_x, f_y : array_like, shape (rows, columns)
            Column and row of the image that each pixel comes from.

        Raises
        ------
        InvalidArgumentError
            If they are not two 2D arrays of finite numbers, of one shape.
        """
        x, y = _checked(f_x, f_y, np.dtype(np.float64))
        rows, columns = x.shape
        return cls(x - np.arange(columns), y - np.arange(rows)[:, None])

    @classmethod
    def from_file(cls, file_path: str | PathLike[str]) -> DisplacementField:
        """Read a field that `save` wrote.

        Parameters
        ----------
        file_path : str or path
            A ``.npy`` file of an array (rows, columns, 2), delta_x and delta_y.

        Raises
        ------
        InvalidArgumentError
            If the file is something else.
        OSError
            If it cannot be read.
        """
        path = _npy_path(file_path)
        try:
            deltas = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, MemoryError, OverflowError) as error:
            raise InvalidArgumentError(f"{path} is no .npy file of a field: {error}") from error
        if deltas.ndim != 3 or deltas.shape[2] != 2:
            raise InvalidArgumentError(
                f"{path} holds an array of shape {deltas.shape}; a field's is (rows, columns, 2)"
            )
        return cls(deltas[..., 0], deltas[..., 1])

    def save(self, path: str | PathLike[str]) -> None:
        """Write the field to a ``.npy`` file: float32 (rows, columns, 2), delta_x and delta_y.

        Raises
        ------
        InvalidArgumentError
            If the path does not end with ``.npy``.
        OSError
            If it cannot be written.
        """
        np.save(_npy_path(path), np.stack([self.delta_x, self.delta_y], axis=2))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the registered image."""
        rows, columns = self.delta_x.shape
        return rows, columns

    @property
    def norm(self) -> Array:
        """Length of each displacement, in pixels: float32 (rows, columns)."""
        out: Array = np.hypot(self.delta_x, self.delta_y)
        return out

    @property
    def transformation(self) -> tuple[Array, Array]:
        """Column and row of the image that each pixel comes from: float32 (rows, columns) each."""
        rows, columns = (np.arange(size, dtype=np.float32) for size in self.shape)
        return self.delta_x + columns, self.delta_y + rows[:, None]

    def warp(
        self,
        img: ArrayLike,
        interpolation: Literal["nearest", "linear", "cubic", "area", "lanczos"] = "linear",
        border_mode: Literal[
            "constant", "replicate", "reflect", "wrap", "reflect_101", "transparent"
        ] = "constant",
        c: float | Sequence[float] = 0,
    ) -> NDArray[Any]:
        """Warp an image.

        Parameters
        ----------
        img : array_like, shape (height, width) or (height, width, channels)
            The image, of a dtype that OpenCV samples: uint8, uint16, int16, float32 or float64.
        interpolation : {"linear", "nearest", "cubic", "area", "lanczos"}
            How it is sampled between its pixels.
        border_mode : {"constant", "replicate", "reflect", "wrap", "reflect_101", "transparent"}
            What lies outside of it. "transparent" leaves such pixels at `c`, and does not blend the
            others with it.
        c : float or sequence of float
            The value outside, for all channels or for each.

        Returns
        -------
        ndarray, shape (rows, columns) or (rows, columns, channels)
            The registered image, of the dtype of `img`.

        Raises
        ------
        InvalidArgumentError
            For an unknown option, an image of another shape or dtype, or one that exceeds OpenCV's
            32 766 px a side where more of it than that is needed at once.
        """
        flag = _option("interpolation", interpolation, _INTERPOLATIONS)
        border = _option("border_mode", border_mode, _BORDERS)
        image = np.asarray(img)
        if image.ndim not in (2, 3) or 0 in image.shape:
            raise InvalidArgumentError(
                "an image is an array (height, width) or (height, width, channels) with pixels, "
                f"not one of shape {image.shape}"
            )
        value = _border_value(c, image)
        if self._fits(image):
            return _remap(image, *self.transformation, flag, border, value)
        if border_mode not in _LOCAL_BORDERS:
            raise InvalidArgumentError(
                f"with more than {_MOST} px a side, border_mode must be one of "
                f"{', '.join(_LOCAL_BORDERS)}, not {short(border_mode)}"
            )
        out = np.empty(self.shape + image.shape[2:], dtype=image.dtype)
        for top in range(0, self.shape[0], _PART):
            for left in range(0, self.shape[1], _PART):
                part = np.s_[top : top + _PART, left : left + _PART]
                columns, x = _window(self.delta_x[part].astype(np.float64), left, 1, image.shape[1])
                rows, y = _window(self.delta_y[part].astype(np.float64), top, 0, image.shape[0])
                source = np.ascontiguousarray(image[rows, columns])
                out[part] = _remap(source, x, y, flag, border, value)
        return out

    def _fits(self, image: NDArray[Any]) -> bool:
        return bool(max(image.shape[:2] + self.shape) <= _MOST)

    def __eq__(self, other: object) -> bool:
        """Whether another field has the same shape and, up to rounding, displacements."""
        if not isinstance(other, DisplacementField):
            return NotImplemented
        return (
            self.shape == other.shape
            and np.allclose(self.delta_x, other.delta_x)
            and np.allclose(self.delta_y, other.delta_y)
        )

    __hash__ = None  # type: ignore[assignment]  # its arrays can change

    def __mul__(self, factor: float) -> DisplacementField:
        """Return the field with every displacement multiplied by a number."""
        if not isinstance(factor, int | float | np.integer | np.floating):
            return NotImplemented
        return DisplacementField(self.delta_x * float(factor), self.delta_y * float(factor))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"DisplacementField(shape={self.shape})"


def _checked(x: ArrayLike, y: ArrayLike, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Return two arrays of the dtype that can be the parts of a field."""
    try:
        with np.errstate(over="ignore"):  # told below, as not finite
            out = [np.asarray(v).astype(dtype, casting="same_kind", copy=False) for v in (x, y)]
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"a field is made of real numbers: {error}") from error
    if any(v.ndim != 2 for v in out) or out[0].shape != out[1].shape or 0 in out[0].shape:
        raise InvalidArgumentError(
            "a field is made of two 2D arrays of one shape, not of the shapes "
            f"{out[0].shape} and {out[1].shape}"
        )
    # OpenCV would take these to another place on every processor.
    if not all(np.isfinite(v).all() for v in out):
        raise InvalidArgumentError("a field has only finite numbers")
    return out[0], out[1]


def _npy_path(file_path: str | PathLike[str]) -> Path:
    path = local_file(file_path)
    if path.suffix != ".npy":
        raise InvalidArgumentError(f"fields are kept in .npy files, not in {short(path.name)}")
    return path


def _option(name: str, value: str, known: dict[str, str]) -> int:
    import cv2

    if not isinstance(value, str) or value not in known:
        raise InvalidArgumentError(f"{name} must be one of {', '.join(known)}, not {short(value)}")
    return int(getattr(cv2, known[value]))


def _border_value(c: float | Sequence[float], image: NDArray[Any]) -> tuple[float, ...]:
    """Return what OpenCV takes: four numbers, where a single one would mean the first channel."""
    channels = 1 if image.ndim == 2 else image.shape[2]
    try:
        values = np.atleast_1d(np.asarray(c, dtype=np.float64))
    except (TypeError, ValueError):
        values = np.empty(0)
    if c is None or values.ndim != 1 or values.size not in {1, channels} or values.size > 4:
        raise InvalidArgumentError(f"c must be a number, or one for each channel, not {short(c)}")
    if image.dtype.kind in "iu":
        least, most = np.iinfo(image.dtype).min, np.iinfo(image.dtype).max
        if not ((values >= least) & (values <= most)).all():
            raise InvalidArgumentError(f"c must be from {least} to {most}, not {short(c)}")
    return tuple(np.resize(values, 4) if values.size == 1 else np.pad(values, (0, 4 - values.size)))


def _window(delta: NDArray[Any], start: int, axis: int, size: int) -> tuple[slice, Array]:
    """Return the rows (or columns) of the image that a part needs, and its positions in them."""
    index = np.arange(start, start + delta.shape[axis])
    position = delta + (index[:, None] if axis == 0 else index)
    # What lies farther out than any kernel reaches is outside all the same. Its fraction is kept:
    # the kernels' weights are rounded for each, so another could be a grey level off.
    whole = np.floor(position)
    position += np.clip(whole, -_REACH - 1, size + _REACH) - whole
    low = min(max(int(position.min()) - _REACH, 0), size - 1)
    low -= low % 2  # OpenCV rounds halves to even numbers, which these then stay
    high = max(min(int(position.max()) + _REACH + 2, size), low + 1)
    if high - low > _MOST:
        raise InvalidArgumentError(
            f"{_PART} x {_PART} px of the field need {high - low} px of the image at once, and "
            f"OpenCV takes {_MOST} a side; warp a smaller image, for instance at a coarser tier"
        )
    return slice(low, high), (position - low).astype(np.float32)


def _remap(
    image: NDArray[Any],
    x: Array,
    y: Array,
    interpolation: int,
    border: int,
    value: tuple[float, ...],
) -> NDArray[Any]:
    import cv2

    shape = x.shape + image.shape[2:]
    out = None
    if border == cv2.BORDER_TRANSPARENT:  # what is outside stays as OpenCV finds it
        out = np.empty(shape, image.dtype)
        out[...] = value[0] if image.ndim == 2 else np.resize(value, image.shape[2])
    try:
        remapped = cv2.remap(
            image, x, y, interpolation, dst=out, borderMode=border, borderValue=value
        )
    except cv2.error as error:
        raise InvalidArgumentError(
            f"OpenCV cannot warp an image of {image.dtype} {image.shape} so: {error}"
        ) from error
    return np.asarray(remapped).reshape(shape)
