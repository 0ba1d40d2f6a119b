"""Label volumes packed in blocks, of which any can be had alone: as they are kept. Pure.

308 MB of labels at 25 um take some 4 MB so. The last bytes say what is where, and whether all of it
is as it was written.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.files.checksum import checksum

Box = tuple[range, range, range]
"""Voxels along (p, i, r), each from a first one on."""

Labels = NDArray[np.uint32]

BLOCK = (64, 128, 16)
"""Voxels of a block along (p, i, r). The last is also the thickness of the slabs that are packed at
a time: 11 MB of them at 25 um, 67 MB at 10 um."""

_MAGIC = b"atldld labels 1\n"
_END = struct.Struct("<QI")  # bytes of the index, and the checksum of all before
_MOST = 2**32 - 1


@dataclass(frozen=True, eq=False)
class PackedLabels:
    """A label volume, packed.

    Attributes
    ----------
    shape : tuple of int
        Along (p, i, r).
    spacing : float
        Size of a voxel, in micrometres.
    """

    shape: tuple[int, int, int]
    spacing: float
    _content: bytes
    _index: NDArray[np.int64]  # by block: offset, bytes, and the label where all are one

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return len(self._content)

    def read(self, box: Box) -> Labels:
        """Return the labels of a box, which lies within the volume; steps are 1."""
        out: Labels = np.empty(tuple(map(len, box)), np.uint32)
        blocks = [range(r.start // b, -(-r.stop // b)) for r, b in zip(box, BLOCK, strict=True)]
        for place in product(*blocks) if out.size else ():
            to, within = [], []
            for k, wanted, block in zip(place, box, BLOCK, strict=True):
                first, stop = max(wanted.start, k * block), min(wanted.stop, (k + 1) * block)
                to.append(slice(first - wanted.start, stop - wanted.start))
                within.append(slice(first - k * block, stop - k * block))
            out[tuple(to)] = self._block(place)[tuple(within)]
        return out

    def _block(self, place: tuple[int, ...]) -> Any:
        sides = [
            min(block, size - k * block)
            for k, block, size in zip(place, BLOCK, self.shape, strict=True)
        ]
        offset, size, label = self._index[place].tolist()
        if not size:
            return np.broadcast_to(np.uint32(label), sides)
        unpacked = _codec().decode(self._content[offset : offset + size])
        return np.frombuffer(unpacked, "<u4").reshape(sides)


def pack_labels(
    shape: tuple[int, int, int], spacing: float, slabs: Iterable[NDArray[np.integer]]
) -> bytes:
    """Return a volume packed, of which a slab is in memory at a time.

    Parameters
    ----------
    shape : tuple of int
        Along (p, i, r).
    spacing : float
        Size of a voxel, in micrometres.
    slabs : iterable of ndarray
        Of labels over (r, i, p), as thick as `BLOCK`, one after another along r.

    Raises
    ------
    ValueError
        If a label does not fit in 32 bits without a sign.
    """
    parts, offset = [_MAGIC], len(_MAGIC)
    index = np.zeros((*(-(-n // b) for n, b in zip(shape, BLOCK, strict=True)), 3), np.int64)
    for k, slab in enumerate(slabs):
        least, most = int(slab.min()), int(slab.max())
        if least < 0 or most > _MOST:
            raise ValueError(f"it has the label {least if least < 0 else most}, which none can be")
        for p, i in np.ndindex(index.shape[:2]):
            within = (slice(n * b, (n + 1) * b) for n, b in ((i, BLOCK[1]), (p, BLOCK[0])))
            block = np.ascontiguousarray(slab[:, *within].transpose(2, 1, 0), "<u4")
            first = int(block.flat[0])
            if (block == first).all():
                index[p, i, k] = offset, 0, first
                continue
            packed = bytes(_codec().encode(block))
            index[p, i, k] = offset, len(packed), 0
            parts.append(packed)
            offset += len(packed)
    said = json.dumps({"shape": shape, "spacing": spacing, "block": BLOCK}).encode()
    last = struct.pack("<I", len(said)) + said + bytes(_codec().encode(index.astype("<i8")))
    content = b"".join([*parts, last])
    return content + _END.pack(len(last), checksum(content))


def parse_packed(content: bytes) -> PackedLabels:
    """Return what `pack_labels` has packed.

    Raises
    ------
    ValueError
        If it is not as it was written.
    """
    body = len(content) - _END.size
    if not content.startswith(_MAGIC) or body < len(_MAGIC):
        raise ValueError("these are no packed labels")
    size, expected = _END.unpack(content[body:])
    if checksum(content[:body]) != expected:
        raise ValueError("the packed labels are damaged")
    last = content[body - size : body]
    (length,) = struct.unpack_from("<I", last)
    said = json.loads(last[4 : 4 + length])
    if said["block"] != list(BLOCK):
        raise ValueError("the packed labels are in other blocks")
    shape = tuple(said["shape"])
    blocks = [-(-n // b) for n, b in zip(shape, BLOCK, strict=True)]
    index = np.frombuffer(_codec().decode(last[4 + length :]), "<i8").reshape(*blocks, 3)
    return PackedLabels(shape, float(said["spacing"]), content, index)


@lru_cache(maxsize=1)
def _codec() -> Any:
    import numcodecs

    return numcodecs.Blosc("zstd", clevel=4, shuffle=numcodecs.Blosc.SHUFFLE)
