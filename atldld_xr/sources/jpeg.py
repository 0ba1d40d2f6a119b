"""Verified JPEG decoding: pixels come out only of a whole file of the announced size. Pure.

The Allen service does answer 200 with a body that is no image, or with part of one
(atldld issue 107), so nothing about a body is taken on trust.
"""

from __future__ import annotations

from threading import BoundedSemaphore

import numpy as np
from numpy.typing import NDArray

from atldld_xr.compute.processors import processors
from atldld_xr.errors import AtldldError
from atldld_xr.forks import PerProcess

MOST_SIDE = 65_535
"""Of a JPEG, in pixels: its header has 16 bits for each side."""
MOST_PIXELS = 250_000_000
"""Of an image that is read at once: 0.75 GB. The largest sections of expression have 110 million,
those of connectivity a thousand and more, of which windows are read."""

_START = b"\xff\xd8"
_END = b"\xff\xd9"
_PADDING = b"\0 \t\r\n"  # what some servers append after the end marker

# More threads wait for answers than there are processors; if all decode at a time, they only make
# more memory: an export of whole images took an eighth longer.
_DECODING = PerProcess(lambda: BoundedSemaphore(processors()))


class InvalidJpegError(AtldldError, ValueError):
    """The bytes are no whole JPEG of the announced size; the message is the reason, in words."""


def most_bytes(width: int, height: int) -> int:
    """Return the most bytes that a JPEG of a size can sensibly have.

    Even black and white noise at the highest quality takes 1.6 times the pixels' own bytes.
    """
    return 2 * (3 * width * height) + 65536


def size(data: bytes) -> tuple[int, int]:
    """Return a JPEG's width and height, as its header says.

    Raises
    ------
    InvalidJpegError
        If it is none, or has no end.
    """
    _check_markers(data)
    rows, columns, _ = _header(data)
    return columns, rows


def is_grey(data: bytes) -> bool:
    """Tell whether a JPEG has one channel."""
    return _header(data)[2].lower() == "gray"


def colours(data: bytes) -> tuple[str, str]:
    """Return a JPEG's colour space, and at what resolution it holds colours: "444", "420"."""
    import simplejpeg

    _check_markers(data)
    _header(data)
    _, _, space, sampling = simplejpeg.decode_jpeg_header(data)
    return str(space), str(sampling)


def encode(pixels: NDArray[np.uint8], quality: int = 100) -> bytes:
    """Return (height, width, 3) or (height, width) pixels as a JPEG with every pixel's colour."""
    import simplejpeg

    pixels = np.ascontiguousarray(pixels)
    if pixels.ndim == 2:
        grey = {"colorspace": "GRAY", "colorsubsampling": "Gray"}
        return bytes(simplejpeg.encode_jpeg(pixels[..., None], quality=quality, **grey))
    return bytes(simplejpeg.encode_jpeg(pixels, quality=quality, colorsubsampling="444"))


def decode(data: bytes, *, width: int, height: int, grey: bool) -> NDArray[np.uint8]:
    """Decode a JPEG, having checked that it is whole and of the announced size.

    Parameters
    ----------
    data : bytes
        The file.
    width, height : int
        Its size in pixels, as the metadata announces it. The header is compared with it before
        memory is spent on pixels.
    grey : bool
        Whether to return one channel: the luma, which for a colourless image is its value.

    Returns
    -------
    ndarray of uint8
        Shape (height, width), or (height, width, 3) in the order red, green, blue.

    Raises
    ------
    InvalidJpegError
        If anything is wrong with it.
    """
    import simplejpeg

    _check_markers(data)
    rows, columns, colorspace = _header(data)
    if (columns, rows) != (width, height):
        raise InvalidJpegError(
            f"its size is {columns} x {rows}, the metadata announces {width} x {height}"
        )
    if width * height > MOST_PIXELS:
        raise InvalidJpegError(f"it has {width} x {height} px, more than are read at once")
    if colorspace in ("CMYK", "YCCK"):
        raise InvalidJpegError("it is a CMYK JPEG; RGB and grey ones can be read")
    try:
        with _DECODING():
            # Colours are spread plainly, not smoothed across blocks: so pixels are the same, to the
            # bit, whatever larger window they are cut from.
            pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
                data, colorspace="GRAY" if grey else "RGB", strict=True, fastupsample=True
            )
    except ValueError as error:
        raise InvalidJpegError(f"its JPEG data are damaged: {error}") from error
    return pixels[..., 0] if grey else pixels


def _header(data: bytes) -> tuple[int, int, str]:
    """Return rows, columns and the colour space."""
    import simplejpeg

    try:
        rows, columns, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise InvalidJpegError(f"its JPEG header is damaged: {error}") from error
    return rows, columns, colorspace


def _check_markers(data: bytes) -> None:
    if not data:
        raise InvalidJpegError("the answer is empty")
    if not data.startswith(_START):
        start = data[:40].decode("utf-8", "replace").split("\n")[0]
        raise InvalidJpegError(f"the answer is no JPEG but starts with {start!r}")
    if not data[-64:].rstrip(_PADDING).endswith(_END) and not data.rstrip(_PADDING).endswith(_END):
        raise InvalidJpegError(f"the JPEG is truncated: its {len(data)} bytes have no end marker")
