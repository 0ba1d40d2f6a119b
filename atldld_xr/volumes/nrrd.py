"""NRRD: the header of Allen's own volumes, or an anatomical one; attached, raw or gzip.

pynrrd writes arrays that are whole in memory, and the header is a dozen lines of text: they are
written here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.sides import NOT_KNOWN, sides_along_r
from atldld_xr.volumes.formats import Volume, compressed

_TYPES = {
    "uint8": "unsigned char", "int8": "signed char", "uint16": "unsigned short", "int16": "short",
    "uint32": "unsigned int", "int32": "int", "float32": "float", "float64": "double",
}  # fmt: skip

_TO_LPS = np.diag([-1.0, -1.0, 1.0])  # from right, anterior, superior


def write(
    file: BinaryIO,
    volume: Volume,
    slabs: Iterable[NDArray[Any]],
    *,
    compress: bool,
    anatomical: bool,
) -> None:
    """Write a volume, whose axes are (p, i, r), the first the fastest.

    Parameters
    ----------
    file : binary file
        Open for writing.
    volume : Volume
        What is written.
    slabs : iterable of ndarray, shape (i, p) or (i, p, 3)
        For each r.
    compress : bool
        Whether as gzip.
    anatomical : bool
        Whether the header says where the axes lead, or what Allen's files say.
    """
    lines = _header(volume, compress, anatomical)
    text = "\n".join([*lines, "", ""])
    file.write(text.encode("ascii", errors="replace"))
    with compressed(file, compress) as out:
        for slab in slabs:
            out.write(slab.data)


def _header(volume: Volume, compress: bool, anatomical: bool) -> Iterator[str]:
    sizes = (3, *volume.grid.shape) if volume.colour else volume.grid.shape
    kinds = ["RGB-color"] * volume.colour + ["domain"] * 3
    yield "NRRD0004"
    yield f"content: {' '.join(volume.title.split())}"
    yield f"type: {_TYPES[volume.dtype.name]}"
    yield f"dimension: {len(sizes)}"
    yield from _anatomical(volume) if anatomical else _diagonal(volume)
    yield f"sizes: {' '.join(map(str, sizes))}"
    yield f"kinds: {' '.join(kinds)}"
    yield "endian: little"
    yield f"encoding: {'gzip' if compress else 'raw'}"
    sides = volume.grid.sides
    yield f"reference_space:={sides.space or NOT_KNOWN}"
    yield f"sides:={sides_along_r(mirrored=sides.mirrored)}"
    # As the format has it: a backslash is written as two.
    yield "section_planes:=" + volume.text.replace("\\", "\\\\")


def _diagonal(volume: Volume) -> Iterator[str]:
    """Yield the space as Allen's files have it: micrometres along p, i, r, and origin 0."""
    yield "space dimension: 3"
    yield _directions(np.diag(volume.grid.spacing), volume.colour)
    yield f"space origin: {_vector([0, 0, 0])}"


def _anatomical(volume: Volume) -> Iterator[str]:
    """Yield the space as viewers have it: millimetres, and where the axes truly lead."""
    affine = _TO_LPS @ volume.grid.affine[:3]
    yield "space: left-posterior-superior"
    yield 'space units: "mm" "mm" "mm"'
    yield _directions(affine[:, :3].T, volume.colour)
    yield f"space origin: {_vector(affine[:, 3])}"


def _directions(vectors: NDArray[Any], colour: bool) -> str:
    return "space directions: " + " ".join(["none"] * colour + [_vector(v) for v in vectors])


def _vector(values: Iterable[float]) -> str:
    # Plus zero, for there is no need of -0.
    return f"({','.join(repr(float(v) + 0.0).removesuffix('.0') for v in values)})"
