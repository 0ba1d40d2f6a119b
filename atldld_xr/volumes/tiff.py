"""TIFF: a stack of coronal planes as OME-TIFF, of tifffile; needs the extra "tiff"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

from numpy.typing import NDArray

from atldld_xr._version import __version__
from atldld_xr.volumes.formats import Volume

_CLASSIC = 2**32 - 2**25  # bytes of voxels that leave room for the rest below 4 GiB
_CENTIMETRE = 10_000.0  # micrometres


def write(file: BinaryIO, volume: Volume, slabs: Iterable[NDArray[Any]], *, compress: bool) -> None:
    """Write a volume, whose pages are the planes (i, r) for each p.

    Parameters
    ----------
    file : binary file
        Open for writing.
    volume : Volume
        What is written.
    slabs : iterable of ndarray, shape (i, r) or (i, r, 3)
        For each p.
    compress : bool
        Whether by deflate.
    """
    import tifffile

    p, i, r = volume.grid.spacing
    sizes = {"X": r, "Y": i, "Z": p}
    big = volume.nbytes > _CLASSIC
    metadata: dict[str, Any] = {"axes": "ZYXS" if volume.colour else "ZYX", "Name": volume.title}
    metadata |= {f"PhysicalSize{axis}": size for axis, size in sizes.items()}
    metadata |= {f"PhysicalSize{axis}Unit": "µm" for axis in sizes}
    with tifffile.TiffWriter(file, bigtiff=big, byteorder="<", ome=True) as out:
        out.write(
            iter(slabs),
            shape=volume.grid.shape + (3,) * volume.colour,
            dtype=volume.dtype,
            photometric="rgb" if volume.colour else "minisblack",
            planarconfig="contig" if volume.colour else None,
            compression="zlib" if compress else None,
            # Threads would have many planes waiting for them.
            maxworkers=1,
            resolution=(_CENTIMETRE / r, _CENTIMETRE / i),
            resolutionunit="CENTIMETER",
            software=f"atldld_xr {__version__}",
            metadata={**metadata, "Description": volume.text},
        )
