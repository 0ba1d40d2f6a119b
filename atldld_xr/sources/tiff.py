"""TIFFs in parts: which segments a window needs, and their pixels. A file is read by nobody here.

A header of others is not trusted: what it announces is held against what an image of a slide can
be, before memory is spent on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.errors import AtldldError, MissingExtraError
from atldld_xr.sources.jpeg import most_bytes

MOST_HEADER_BYTES = 6_000_000
_MOST_SEGMENTS = 1 << 18  # 735 Mpx in tiles of 64 px are 180 000
_LARGEST_SIDE = 200_000
_READABLE = {1: "none", 5: "LZW", 7: "JPEG", 8: "deflate", 32946: "deflate", 32773: "PackBits"}
_ROWS = 1 << 18  # bytes of rows that are read at a time of what is not compressed
_JPEG, _NONE = 7, 1
_RGB, _YCBCR = 2, 6


class InvalidTiffError(AtldldError, ValueError):
    """The bytes are no TIFF that can be read, or a damaged one; the message is the reason.

    `may_pass` is False of what is whole, and of a kind that is not read.
    """

    may_pass = True


class UnknownTiffError(InvalidTiffError):
    """It is a TIFF of a kind that is not read."""

    may_pass = False


@dataclass(frozen=True)
class Segment:
    """A tile, or a strip, of an image.

    Attributes
    ----------
    index : int
        Which.
    start, end : int
        Its bytes in the file.
    left, top, width, height : int
        Its pixels, as far as they are in the image.
    """

    index: int
    start: int
    end: int
    left: int
    top: int
    width: int
    height: int


class Tiff:
    """The first image of a TIFF: 8 bit RGB, in tiles or strips.

    Parameters
    ----------
    file : file object
        The TIFF; it is read here alone, up to `MOST_HEADER_BYTES`.
    size : int
        Bytes of the file.

    Attributes
    ----------
    width, height : int
        Of the image.
    side : tuple of int
        Width and height of a segment; those at the right and below may have less.

    Raises
    ------
    InvalidTiffError
        If it is none, or one that cannot be read.
    MissingExtraError
        If the packages that read it are not installed.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        page = _first_page(file)
        try:
            self._read(page, size)
        except InvalidTiffError:
            raise
        except Exception as error:  # of tags that are no numbers, or too many
            raise InvalidTiffError(f"its header is damaged: {error}") from error

    def _read(self, page: Any, size: int) -> None:
        self.width, self.height = int(page.imagewidth), int(page.imagelength)
        self._compression = int(page.compression)
        _check_kind(page)
        width, height = self.width, self.height
        if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE):
            raise InvalidTiffError(f"an image of {width} x {height} pixels cannot be")
        self._is_tiled = bool(page.is_tiled)
        if self._is_tiled:
            self.side = int(page.tilewidth), int(page.tilelength)
        else:
            self.side = width, min(int(page.rowsperstrip), height)
        if min(self.side) < 1 or max(self.side) > 2 * _LARGEST_SIDE:
            raise InvalidTiffError(f"segments of {self.side} pixels cannot be")
        self._tables: bytes | None = page.jpegtables
        self._starts = np.array(page.dataoffsets, np.int64)
        self._counts = np.array(page.databytecounts, np.int64)
        count = math.prod(self.grid)
        if count > _MOST_SEGMENTS or not len(self._starts) == len(self._counts) == count:
            raise InvalidTiffError(
                f"it has {len(self._starts)} segments of {len(self._counts)} sizes, not {count}"
            )
        ends = self._starts + self._counts
        if self._starts.min() < 8 or self._counts.min() < 0 or ends.max() > size:
            raise InvalidTiffError(f"it ends before its pixels do: it has {size:,} bytes")
        self._decode: Callable[..., tuple[Any, Any, Any]] = page.decode
        if count == 1 and not self._is_tiled and self._compression == _NONE:
            self._split_strip()

    @property
    def nbytes(self) -> int:
        """About how many bytes it takes in memory."""
        return 100_000 + 100 * len(self._starts)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of segments."""
        width, height = self.side
        return -(-self.height // height), -(-self.width // width)

    @property
    def segment_bytes(self) -> int:
        """Bytes of a segment's pixels."""
        return 3 * math.prod(self.side)

    def segments(self, left: int, top: int, width: int, height: int) -> list[Segment]:
        """Return what has pixels of a window.

        Raises
        ------
        InvalidTiffError
            If that reaches beyond the image, as of a header that says another size.
        """
        across, down = self.side
        rows, columns = self.grid
        last_row, last_column = -(-(top + height) // down), -(-(left + width) // across)
        if last_row > rows or last_column > columns:
            raise InvalidTiffError(f"its {self.width} x {self.height} pixels end before the window")
        return [
            self._segment(row * columns + column)
            for row in range(top // down, last_row)
            for column in range(left // across, last_column)
        ]

    def decode(self, segment: Segment, data: bytes) -> NDArray[np.uint8]:
        """Return a segment's pixels, (height, width, 3).

        Raises
        ------
        InvalidTiffError
            If they are damaged; no memory is spent on more of them than there can be.
        """
        if len(data) != segment.end - segment.start:
            raise InvalidTiffError(f"{len(data)} bytes came of {segment.end - segment.start}")
        across, down = self.side
        if not self._is_tiled:
            down = segment.height
        if self._compression == _NONE and not self._is_tiled:
            return _raw(data, segment)
        if len(data) > most_bytes(across, down):
            raise InvalidTiffError(f"a segment of {across} x {down} pixels has {len(data):,} bytes")
        if self._compression == _JPEG and _jpeg_size(data) not in (
            (across, down),
            (segment.width, segment.height),
        ):
            raise InvalidTiffError(f"a segment's JPEG is of {_jpeg_size(data)} pixels")
        try:
            pixels = self._decode(data, segment.index, jpegtables=self._tables)[0][0]
        except Exception as error:  # each codec has its own kinds
            raise InvalidTiffError(f"a segment is damaged: {error}") from error
        pixels = pixels[: segment.height, : segment.width]
        if pixels.shape != (segment.height, segment.width, 3) or pixels.dtype != np.uint8:
            raise InvalidTiffError(f"a segment has pixels of {pixels.dtype}, {pixels.shape}")
        return np.ascontiguousarray(pixels)

    def _segment(self, index: int) -> Segment:
        row, column = divmod(index, self.grid[1])
        across, down = self.side
        left, top = column * across, row * down
        start = int(self._starts[index])
        width, height = min(across, self.width - left), min(down, self.height - top)
        return Segment(index, start, start + int(self._counts[index]), left, top, width, height)

    def _split_strip(self) -> None:
        """Take one strip that is not compressed as strips of a few rows."""
        row = 3 * self.width
        if self._counts[0] < row * self.height:
            raise InvalidTiffError(f"its strip has {self._counts[0]:,} bytes")
        rows = min(max(_ROWS // row, 1), self.height)
        self.side = self.width, rows
        tops = np.arange(0, self.height, rows, dtype=np.int64)
        self._starts = self._starts[0] + tops * row
        self._counts = np.minimum(rows, self.height - tops) * row


def check_installed() -> None:
    """See that what reads TIFFs is there.

    Raises
    ------
    MissingExtraError
        If it is not; the message names the extra.
    """
    for name in ("tifffile", "imagecodecs"):  # without the second the first decodes little
        if find_spec(name) is None:
            raise MissingExtraError(
                f'slides of the bucket are TIFFs, and need {name}: pip install "atldld-xr[bucket]"'
            )


def _first_page(file: IO[bytes]) -> Any:
    check_installed()
    import tifffile

    try:
        page = tifffile.TiffFile(file, name="slide").pages.first
        page.decode  # noqa: B018  # made now, of what it is made of
    except Exception as error:  # of a file of anybody's, whatever can go wrong
        raise InvalidTiffError(f"it is no TIFF that can be read: {error}") from error
    return page


def _check_kind(page: Any) -> None:
    compression, photometric = int(page.compression), int(page.photometric)
    if compression not in _READABLE:
        known = ", ".join(sorted(set(_READABLE.values())))
        raise UnknownTiffError(f"its compression is {compression}; what is read is {known}")
    bits, samples = page.bitspersample, int(page.samplesperpixel)
    is_rgb = photometric == _RGB or (photometric == _YCBCR and compression == _JPEG)
    is_plain = int(page.planarconfig) == 1 and int(page.fillorder) == 1
    if bits != 8 or samples != 3 or not is_rgb or not is_plain or int(page.imagedepth) != 1:
        raise UnknownTiffError(
            f"it is of {samples} samples of {bits} bits (photometric {photometric}, planar "
            f"configuration {int(page.planarconfig)}); RGB of 8 bits is read"
        )


def _raw(data: bytes, segment: Segment) -> NDArray[np.uint8]:
    size = segment.width * segment.height * 3
    if len(data) < size:
        raise InvalidTiffError(f"a strip has {len(data):,} bytes of {size:,}")
    shape = segment.height, segment.width, 3
    return np.frombuffer(data, np.uint8, size).reshape(shape)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return the width and height that a JPEG's frame has, whether its tables are there or not."""
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(
                data[at + 5 : at + 7], "big"
            )
        at += 2 + length
    return None
