"""The formats of volumes: their names, suffixes and needs, and what their writers are given."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np

from atldld_xr.errors import InvalidArgumentError, MissingExtraError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_one_of
from atldld_xr.planes.volume_grid import VolumeGrid

FormatName = Literal["nrrd", "nifti", "tiff"]


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes
    ----------
    name : str
        Its name, and that of the extra that it needs.
    suffixes : tuple of str
        What its files' names end with; readers choose by it.
    slowest : int
        Which of (p, i, r) a file runs through once, from its start to its end.
    package : str or None
        What writes it, where we do not.
    """

    name: FormatName
    suffixes: tuple[str, ...]
    slowest: int
    package: str | None


FORMATS = {
    f.name: f
    for f in (
        Format("nrrd", (".nrrd",), 2, None),
        Format("nifti", (".nii", ".nii.gz"), 2, "nibabel"),
        Format("tiff", (".tif", ".tiff"), 0, "tifffile"),
    )
}


@dataclass(frozen=True)
class Volume:
    """What a writer needs to know.

    Attributes
    ----------
    grid : VolumeGrid
        Where the voxels are.
    dtype : numpy.dtype
        Of a voxel, or of its channels.
    colour : bool
        Whether a voxel is red, green and blue.
    title : str
        What it is, in a line.
    text : str
        The list of its planes, in a line of ASCII.
    """

    grid: VolumeGrid
    dtype: np.dtype[Any]
    colour: bool
    title: str
    text: str

    @property
    def nbytes(self) -> int:
        """Size of the voxels, in bytes."""
        return count_bytes(self.grid, self.dtype, self.colour)


def count_bytes(grid: VolumeGrid, dtype: np.dtype[Any], colour: bool) -> int:
    """Return the size of the voxels of a volume, in bytes."""
    p, i, r = grid.shape
    return p * i * r * dtype.itemsize * (3 if colour else 1)


def choose_format(path: Path, name: str | None) -> Format:
    """Return the format of a file, by its suffix or by name.

    Raises
    ------
    InvalidArgumentError
        For an unknown one, or a suffix that is another's.
    MissingExtraError
        If the package that writes it is not installed.
    """
    if name is not None and not is_one_of(name, tuple(FORMATS)):
        raise InvalidArgumentError(f"format must be one of {', '.join(FORMATS)}, not {short(name)}")
    candidates = [FORMATS[cast(FormatName, name)]] if name else list(FORMATS.values())
    for chosen in candidates:
        if path.name.lower().endswith(chosen.suffixes):
            break
    else:
        suffixes = ", ".join(suffix for f in candidates for suffix in f.suffixes)
        raise InvalidArgumentError(
            f"{short(path.name)} ends with none of {suffixes}, by which readers know the format"
        )
    if chosen.package:
        try:
            import_module(chosen.package)
        except ImportError as error:
            raise MissingExtraError(
                f'{chosen.name} needs {chosen.package}: pip install "atldld-xr[{chosen.name}]"'
            ) from error
    return chosen


def choose_compression(path: Path, format: Format, compress: bool | None) -> bool:
    """Return whether a file is compressed: as asked, and in NIfTI as its suffix says.

    Raises
    ------
    InvalidArgumentError
        If these two do not agree, or what was asked is neither yes nor no.
    """
    if compress is not None and not isinstance(compress, bool | np.bool_):
        raise InvalidArgumentError(f"compress must be True, False or None, not {short(compress)}")
    if format.name != "nifti":
        return compress is None or bool(compress)
    named = path.name.lower().endswith(".gz")
    if compress is not None and bool(compress) != named:
        raise InvalidArgumentError(
            f"{short(path.name)} says that it is {'' if named else 'not '}compressed, and compress="
            f"{compress} that it is{' not' if named else ''}: a compressed NIfTI ends with .nii.gz"
        )
    return named


@contextmanager
def compressed(file: BinaryIO, compress: bool) -> Iterator[BinaryIO]:
    """Give a file to write to, whose bytes go on as they are or as gzip."""
    if not compress:
        yield file
        return
    # Without name and time, so that the same data is the same file. 6 is zlib's own choice: 1 takes
    # half the time for 1.7 times the size, 9 eight times as long for 0.9.
    with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as out:
        yield cast(BinaryIO, out)
