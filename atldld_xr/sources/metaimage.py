"""Allen's grids as they come: MetaImage headers and raw values, also in a zip. Pure; not trusted.

A header says how much follows, and a zip how much it unfolds to: neither is believed beyond bounds,
and memory is spent on no more than a grid of the size that both say.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atldld_xr.messages.repeating import short

MOST_HEADER_BYTES = 4096
MOST_VOXELS = 1_000_000
"""Of a grid: the adult mouse's have 159 326, those of other ages fewer or some more."""

MOST_ZIP_BYTES = 16_000_000
_MOST_FILES = 64
_FARTHEST = 1e6  # micrometres

_ZIP_ERRORS = (
    zipfile.BadZipFile,
    NotImplementedError,  # of ways of packing
    RuntimeError,  # of passwords
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    KeyError,
    UnicodeDecodeError,
)


@dataclass(frozen=True, eq=False)
class MetaImage:
    """A grid of values over (p, i, r).

    Attributes
    ----------
    values : ndarray of float32
        Along (p, i, r), as they came: -1 is no data.
    spacing, origin : tuple of float
        Along (p, i, r), in micrometres; value 0 is at the origin.
    """

    values: NDArray[np.float32]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]


@dataclass(frozen=True)
class Header:
    """What a MetaImage header says.

    Attributes
    ----------
    shape : tuple of int
        Along (p, i, r).
    spacing, origin : tuple of float
        Along (p, i, r), in micrometres.
    dtype : str
        NumPy's name of the values' type.
    file : str
        The name of the file of values, beside the header.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    dtype: str
    file: str

    @property
    def nbytes(self) -> int:
        """Bytes that the file of values has."""
        return 4 * math.prod(self.shape)


def parse_header(content: bytes) -> Header:
    """Return what a MetaImage header says.

    Raises
    ------
    ValueError
        If it is none of a grid like Allen's: three axes, in order, of 32-bit floats in one file;
        in words.
    """
    if len(content) > MOST_HEADER_BYTES:
        raise ValueError(f"its header has more than {MOST_HEADER_BYTES} bytes")
    fields: dict[str, str] = {}
    for line in content.decode("latin-1").splitlines():
        name, equals, value = line.partition("=")
        if equals:
            fields[name.strip()] = value.strip()

    def expect(name: str, *values: str, default: str | None = None) -> str:
        found = fields.get(name, default)
        if found is None:
            raise ValueError(f"its header has no {name}")
        if found.lower() not in values:
            raise ValueError(f"its header has {name} = {short(found)}, not {' or '.join(values)}")
        return found.lower()

    expect("NDims", "3")
    expect("ElementType", "met_float")
    expect("BinaryData", "true", default="True")
    expect("CompressedData", "false", default="False")
    expect("ElementNumberOfChannels", "1", default="1")
    expect("HeaderSize", "0", default="0")
    msb = expect("BinaryDataByteOrderMSB", "true", "false", default="False")
    msb = expect("ElementByteOrderMSB", "true", "false", default=msb)
    if _numbers(fields, "TransformMatrix", 9, "1 0 0 0 1 0 0 0 1") != [1, 0, 0, 0, 1, 0, 0, 0, 1]:
        raise ValueError("its header turns its axes, which lie along (p, i, r) in Allen's grids")
    sides = _numbers(fields, "DimSize", 3)
    if any(side < 1 or side != int(side) for side in sides) or math.prod(sides) > MOST_VOXELS:
        raise ValueError(
            f"its header has DimSize = {short(fields['DimSize'])}, where a grid has whole numbers "
            f"of at most {MOST_VOXELS:,} voxels"
        )
    spacing = _numbers(fields, "ElementSpacing", 3)
    if any(step <= 0 for step in spacing):
        raise ValueError(f"its header has ElementSpacing = {short(fields['ElementSpacing'])}")
    p, i, r = map(int, sides)
    file = fields.get("ElementDataFile", "")
    if not file or file.startswith(".") or any(c in file for c in "/\\\0:%") or len(file) > 200:
        raise ValueError(f"its header names no file beside it: {short(file)}")
    return Header(
        (p, i, r),
        (spacing[0], spacing[1], spacing[2]),
        _three(_numbers(fields, "Offset", 3, "0 0 0")),
        ">f4" if msb == "true" else "<f4",
        file,
    )


def read_values(header: Header, content: bytes) -> MetaImage:
    """Return a grid of its header and file of values.

    Raises
    ------
    ValueError
        If there are more or fewer values than the header says; in words.
    """
    if len(content) != header.nbytes:
        size = "more" if len(content) > header.nbytes else f"{len(content)}"
        raise ValueError(f"its values have {size} bytes, and its header says {header.nbytes}")
    # p runs fastest.
    stored = np.frombuffer(content, header.dtype).reshape(header.shape[::-1])
    values = np.ascontiguousarray(stored.transpose(2, 1, 0), dtype=np.float32)
    return MetaImage(values, header.spacing, header.origin)


def read_zip(content: bytes, names: Sequence[str] | None = None) -> dict[str, MetaImage]:
    """Return the grids in a zip, such as the service sends.

    Parameters
    ----------
    content : bytes
        The zip.
    names : sequence of str, optional
        Which: ``NAME.mhd`` and the file that it names. Default: all that are there, of `VARIABLES`.

    Raises
    ------
    ValueError
        If it is no such zip, or has not all of these; in words.
    """
    if len(content) > MOST_ZIP_BYTES:
        raise ValueError(f"it has more than {MOST_ZIP_BYTES:,} bytes")
    # Python keeps an object for each file that a zip announces.
    if content.count(b"PK\x01\x02") > _MOST_FILES:
        raise ValueError(f"it is a zip of more than {_MOST_FILES} files")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            there = set(archive.namelist())
            if names is None:
                names = [name for name in VARIABLES if f"{name}.mhd" in there]
                if not names:
                    raise ValueError(f"it has none of {', '.join(VARIABLES)}")
            return {name: _in_zip(archive, there, name) for name in names}
    except _ZIP_ERRORS as error:
        raise ValueError(f"it is no zip, or damaged ({type(error).__name__})") from error


VARIABLES = ("energy", "density", "intensity")
"""What Allen makes grids of."""


def _in_zip(archive: zipfile.ZipFile, there: set[str], name: str) -> MetaImage:
    try:
        header = parse_header(_unpacked(archive, there, f"{name}.mhd", MOST_HEADER_BYTES))
        return read_values(header, _unpacked(archive, there, header.file, header.nbytes))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _unpacked(archive: zipfile.ZipFile, there: set[str], file: str, most: int) -> bytes:
    """Return a file's content; of one that has more than it can have, a byte more than that."""
    if file not in there:
        raise ValueError(f"it has no {short(file)}")
    # Python bounds what it unpacks at a time of no other ways.
    if archive.getinfo(file).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{short(file)} is packed in a way that is not taken")
    with archive.open(file) as opened:
        return opened.read(most + 1)


def _numbers(
    fields: dict[str, str], name: str, count: int, default: str | None = None
) -> list[float]:
    text = fields.get(name, default)
    if text is None:
        raise ValueError(f"its header has no {name}")
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(abs(number) <= _FARTHEST for number in numbers):
        raise ValueError(f"its header has {name} = {short(text)}, not {count} numbers")
    return numbers


def _three(numbers: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = numbers
    return first, second, third
