"""Volumes in NRRD files as they come: a header in text, and values, packed or not. Pure.

A header is not believed beyond bounds: its size has to be that of a volume of the reference space,
and of what is packed no more is unpacked than that, a slab at a time.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.reference import REFERENCE_SPACES
from atldld_xr.messages.repeating import short

MOST_HEADER_BYTES = 16_384
_FINEST = 5.0  # micrometres: half of Allen's finest
_COARSEST = 1000.0
_PIECE = 1 << 20

# The names that NRRD has for types of whole numbers.
_TYPES = {
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"),
}
_DTYPES = {name: dtype for dtype, names in _TYPES.items() for name in names}
_FLOATS = {"float": "f4", "double": "f8"}
_FIELD = re.compile(r"([^:]+):(?!=)\s*(.*)")


@dataclass(frozen=True)
class NrrdHeader:
    """What the header of a label volume says.

    Attributes
    ----------
    shape : tuple of int
        Along (p, i, r), of which p runs fastest.
    spacing : float
        Size of a voxel along each of them, in micrometres.
    dtype : str
        NumPy's name of the values' type.
    is_packed : bool
        Whether by gzip.
    start : int
        Where the values begin in the file.
    """

    shape: tuple[int, int, int]
    spacing: float
    dtype: str
    is_packed: bool
    start: int

    @property
    def nbytes(self) -> int:
        """Bytes of all values, unpacked."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def parse_nrrd_header(start: bytes, *, floats: bool = False) -> NrrdHeader:
    """Return what the header says that a file starts with.

    Parameters
    ----------
    start : bytes
        The file's first `MOST_HEADER_BYTES`, or all of it.
    floats : bool
        Whether numbers of any kind will do, and not only labels.

    Raises
    ------
    ValueError
        If it is none of labels over (p, i, r) of the whole reference space; in words.
    """
    if not start.startswith(b"NRRD000"):
        raise ValueError("it is no NRRD file")
    found = re.search(rb"\r?\n\r?\n", start[:MOST_HEADER_BYTES])
    if not found:
        raise ValueError(f"its header does not end within {MOST_HEADER_BYTES:,} bytes")
    fields: dict[str, str] = {}
    for line in start[: found.start()].decode("latin-1").splitlines()[1:]:
        if not line.startswith("#") and (match := _FIELD.fullmatch(line)):
            fields[match[1].strip().lower()] = match[2].strip()
    if "data file" in fields or "datafile" in fields:
        raise ValueError("its values are in another file, which is not taken")
    skipped = [fields.get(name, "0") for name in ("line skip", "lineskip", "byte skip", "byteskip")]
    if any(count != "0" for count in skipped):
        raise ValueError("its header skips lines or bytes, which is not taken")
    if fields.get("dimension") != "3":
        raise ValueError(f"it has {short(fields.get('dimension'))} dimensions, not 3")
    kind = fields.get("type", "").lower()
    known = _DTYPES | _FLOATS if floats else _DTYPES
    if kind not in known:
        raise ValueError(
            f"its values are of the type {short(kind)}"
            + (", which is no number" if floats else ", where labels are whole numbers")
        )
    encoding = fields.get("encoding", "").lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise ValueError(f"its encoding is {short(encoding)}, not raw or gzip")
    endian = fields.get("endian", "little" if known[kind] == "u1" else "").lower()
    if endian not in ("little", "big"):
        raise ValueError(f"its endian is {short(endian)}, not little or big")
    sizes, spacing = _sizes(fields), _spacing(fields)
    extent = REFERENCE_SPACES[9].extent
    if sizes != tuple(round(side / spacing) for side in extent):
        expected = " x ".join(f"{side / spacing:.6g}" for side in extent)
        raise ValueError(
            f"it has {' x '.join(map(str, sizes))} voxels of {spacing:g} um, where all of the "
            f"reference space has {expected} along (p, i, r)"
        )
    order = "<" if endian == "little" else ">"
    dtype = f"{order}{known[kind]}"
    return NrrdHeader(sizes, spacing, dtype, encoding != "raw", found.end())


def read_slabs(file: BinaryIO, header: NrrdHeader, thickness: int) -> Iterator[NDArray[Any]]:
    """Yield a volume's values in slabs (r, i, p) of some voxels along r, the last one of fewer.

    Parameters
    ----------
    file : binary file
        Read on from wherever its values begin.
    header : NrrdHeader
        What its header says.
    thickness : int
        Of a slab, in voxels.

    Raises
    ------
    ValueError
        If it ends before all are read, goes on after them, or is damaged; in words.
    """
    file.seek(header.start)
    values = _Unpacked(file) if header.is_packed else _Plain(file)
    p, i, r = header.shape
    dtype = np.dtype(header.dtype)
    for first in range(0, r, thickness):
        count = min(thickness, r - first)
        content = values.read(count * i * p * dtype.itemsize)
        if content is None:
            raise ValueError(f"it is cut short: its header says {header.nbytes:,} bytes of values")
        yield np.frombuffer(content, dtype).reshape(count, i, p)
    if not values.is_at_end():
        raise ValueError(f"it goes on after the {header.nbytes:,} bytes that its header says")


class _Plain:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes | None:
        content = self._file.read(size)
        return content if len(content) == size else None

    def is_at_end(self) -> bool:
        return not self._file.read(1)


class _Unpacked:
    """What is packed by gzip, in one part or several, as far as it is asked for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._packed = b""
        self._unpacker = zlib.decompressobj(wbits=31)
        self._is_begun = False

    def read(self, size: int) -> bytearray | None:
        out = bytearray()
        while len(out) < size:
            piece = self._some(min(size - len(out), _PIECE))
            if piece is None:
                return None
            out += piece
        return out

    def is_at_end(self) -> bool:
        # The end of a part is read for its checksum, which is looked at there.
        while (piece := self._some(1)) is not None:
            if piece:
                return False
        if not self._unpacker.eof and self._is_begun:
            raise ValueError("it is cut short, or its end is damaged")
        return True

    def _some(self, most: int) -> bytes | None:
        """Return some bytes, maybe none; None where the file has no more."""
        if not self._packed:
            self._packed = self._file.read(_PIECE)
        if self._unpacker.eof:
            self._packed = self._packed.lstrip(b"\0")  # which may fill up a file
            if not self._packed:
                return None
            self._unpacker = zlib.decompressobj(wbits=31)
        elif not self._packed:
            return self._unpacker.decompress(b"", most) or None
        try:
            out = self._unpacker.decompress(self._packed, most)
        except zlib.error as error:
            raise ValueError(f"its gzip is damaged ({error})") from None
        self._is_begun = True
        self._packed = self._unpacker.unused_data or self._unpacker.unconsumed_tail
        return out


def _sizes(fields: dict[str, str]) -> tuple[int, int, int]:
    words = fields.get("sizes", "").split()
    if len(words) != 3 or not all(word.isdecimal() and len(word) < 7 for word in words):
        raise ValueError(f"its header has sizes: {short(fields.get('sizes'))}, not three numbers")
    p, i, r = map(int, words)
    return p, i, r


def _spacing(fields: dict[str, str]) -> float:
    """Return the size of a voxel, which lies along the axes and is a cube."""
    said = fields.get("space directions")
    if said is not None:
        vectors = re.findall(r"\(([^()]*)\)", said)
        try:
            matrix = np.array([[float(n) for n in vector.split(",")] for vector in vectors])
        except ValueError:
            matrix = np.empty(0)
        if matrix.shape != (3, 3):
            raise ValueError(f"its header has space directions: {short(said)}, not three vectors")
        steps = np.diag(matrix)
        if np.any(matrix != np.diag(steps)):
            raise ValueError(
                f"its header has space directions: {short(said)}, where axes of Allen's volumes "
                "lie along (p, i, r)"
            )
    else:
        said = fields.get("spacings", "")
        try:
            steps = np.array([float(word) for word in said.split()])
        except ValueError:
            steps = np.empty(0)
    cube = steps.size == 3 and np.all(steps == steps[0])
    step = float(steps[0]) if cube else math.nan
    if 0 < step < _FINEST / 10:  # in millimetres
        step = round(step * 1000, 6)
    if not _FINEST <= step <= _COARSEST:
        raise ValueError(
            f"its voxels are {short(said)} along its axes, not cubes of {_FINEST:g} to "
            f"{_COARSEST:g} um"
        )
    return step
