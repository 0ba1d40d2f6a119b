"""NIfTI: one file, raw or gzip, with the header of nibabel; needs the extra "nifti"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from atldld_xr.volumes.formats import Volume, compressed

_LARGEST = 2**15 - 1  # voxels along an axis, in the first version of the format
_ALIGNED = "aligned"  # to another's coordinates: those of the reference space
_RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


def write(file: BinaryIO, volume: Volume, slabs: Iterable[NDArray[Any]], *, compress: bool) -> None:
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
    """
    import nibabel
    from nibabel.nifti1 import Nifti1Extension

    kind: Any = nibabel.Nifti1Header if max(volume.grid.shape) <= _LARGEST else nibabel.Nifti2Header
    header = kind(endianness="<")
    header.set_data_dtype(_RGB if volume.colour else volume.dtype)
    header.set_data_shape(volume.grid.shape)
    header.set_qform(volume.grid.affine, code=_ALIGNED)
    header.set_sform(volume.grid.affine, code=_ALIGNED)
    header.set_xyzt_units("mm")
    header.set_slope_inter(1, 0)
    header["descrip"] = volume.title.encode("ascii", errors="replace")[:79]
    header.extensions.append(Nifti1Extension("comment", volume.text.encode("ascii")))
    with compressed(file, compress) as out:
        header.write_to(out)
        for slab in slabs:
            out.write(slab.data)
