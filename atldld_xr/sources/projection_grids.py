"""Allen's grids of projections: NRRD files of the whole reference space, one quantity each."""

from __future__ import annotations

import io
import math
import tempfile
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from atldld_xr.errors import MetadataError
from atldld_xr.messages.repeating import short
from atldld_xr.sources.grids import kept_grid
from atldld_xr.sources.metaimage import MetaImage
from atldld_xr.sources.nrrd import MOST_HEADER_BYTES, parse_nrrd_header, read_slabs
from atldld_xr.sources.protocol import Source

KINDS = (
    "projection_density",
    "projection_energy",
    "injection_fraction",
    "injection_density",
    "injection_energy",
    "data_mask",
)
RESOLUTIONS = (10, 25, 50, 100)
"""Micrometres; 10 have 1.2 billion voxels."""

_MOST_BYTES = {10: 2_000_000_000, 25: 350_000_000, 50: 50_000_000, 100: 8_000_000}
"""Of a file, packed or not; of 10 um none that is not packed."""

_MOST_IN_MEMORY = 400_000_000
_SLAB = 16  # voxels along r


@runtime_checkable
class ProjectionGridSource(Source, Protocol):
    """A source that has Allen's grids of projections."""

    def projection_grid(self, dataset_id: int, kind: str, resolution: int) -> MetaImage:
        """Return a grid of a data set, of `KINDS` and `RESOLUTIONS`.

        Raises
        ------
        DatasetNotFoundError
            If there is none.
        ServiceError
            If it cannot be had.
        """


def service_projection_grid(
    url: str, dataset_id: int, kind: str, resolution: int, *, fresh: bool, offline: bool
) -> MetaImage:
    """Return a grid from the service at an address: one request, kept as images are.

    Raises as `ProjectionGridSource.projection_grid` does.
    """
    return kept_grid(
        url,
        f"download_file/{dataset_id}",
        {"image": kind, "resolution": str(resolution)},
        f"{dataset_id}-{kind}-{resolution}.nrrd",
        f"{kind} grid of section data set {dataset_id} at {resolution} um",
        lambda content: read_projection_grid(content, resolution),
        limit=_MOST_BYTES[resolution],
        fresh=fresh,
        offline=offline,
    )


def read_projection_file(path: Path, resolution: int) -> MetaImage:
    """Return the grid in a file on this machine.

    Raises
    ------
    MetadataError
        If it cannot be read, or is none of that resolution.
    """
    most = _MOST_BYTES[resolution]
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise ValueError(f"it has more than {most:,} bytes")
        return read_projection_grid(content, resolution)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MetadataError(f"{short(str(path))} cannot be read: {reason}") from None
    except ValueError as error:
        raise MetadataError(f"{path} is no grid like Allen's: {error}") from None


def read_projection_grid(content: bytes, resolution: int) -> MetaImage:
    """Return the grid in an NRRD file; raises ValueError, in words, if it is none.

    Values are unpacked a slab at a time; what is large stays in a temporary file, and is looked at
    there.
    """
    header = parse_nrrd_header(content[:MOST_HEADER_BYTES], floats=True)
    if header.spacing != resolution:
        raise ValueError(f"its voxels are of {header.spacing:g} um, not {resolution}")
    values = _room(header.shape[::-1])
    start = 0
    for slab in read_slabs(io.BytesIO(content), header, _SLAB):
        part = values[start : start + len(slab)]
        np.copyto(part, slab, casting="unsafe")
        start += len(slab)
    spacing = float(resolution)
    return MetaImage(values.transpose(2, 1, 0), (spacing,) * 3, (spacing / 2,) * 3)


def _room(shape: tuple[int, ...]) -> NDArray[np.float32]:
    if 4 * math.prod(shape) <= _MOST_IN_MEMORY:
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile() as file:  # its name is gone, its place is until it is unmapped
        return np.memmap(file, np.float32, "w+", shape=shape)
