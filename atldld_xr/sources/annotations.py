"""Allen's annotations: where each comes from, unpacked once and kept in blocks.

Nothing is asked for, nor unpacked, before a label is read. The blocks are kept by the cache, and a
process has those of the last annotations that it read; without a cache it has those alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from atldld_xr.allen.reference import REFERENCE_SPACES
from atldld_xr.attribution import Attribution
from atldld_xr.errors import MetadataError, ServiceError
from atldld_xr.files.file_store import FileStore
from atldld_xr.files.storage_options import StorageOptionsRef
from atldld_xr.files.zip_files import ZipFiles
from atldld_xr.forks import PerProcess
from atldld_xr.settings import as_bool, setting
from atldld_xr.sources import http
from atldld_xr.sources.cache import default_cache
from atldld_xr.sources.nrrd import (
    MOST_HEADER_BYTES,
    NrrdHeader,
    parse_nrrd_header,
    read_slabs,
)
from atldld_xr.sources.packed_labels import (
    BLOCK,
    Box,
    Labels,
    PackedLabels,
    pack_labels,
    parse_packed,
)
from atldld_xr.sources.service_images import cache_folder

_MOST_BYTES = 400_000_000  # of a packed file from elsewhere: Allen's of 10 um have some 40 MB
_HELD = 2  # packed annotations in memory: 4 MB at 25 um, some 50 MB at 10 um

Shape = tuple[int, int, int]


class LabelVolume(Protocol):
    """Labels over (p, i, r) of the whole reference space. Picklable; holds no labels itself."""

    @property
    def url(self) -> str:
        """Where it is, for people."""

    @property
    def spacing(self) -> float:
        """Size of a voxel, in micrometres."""

    def read(self, box: Box) -> Labels:
        """Return the labels of a box within the volume.

        Raises
        ------
        MetadataError
            If it is damaged, or no annotation.
        ServiceError, StoreError
            If it cannot be had.
        """

    def load(self, *, fresh: bool = False) -> object:
        """Have it at hand, asked for anew or not; raises as `read` does."""


def shape_of(spacing: float) -> Shape:
    """Return how many voxels of a size the reference space has along (p, i, r)."""
    p, i, r = (round(side / spacing) for side in REFERENCE_SPACES[9].extent)
    return p, i, r


@dataclass(frozen=True)
class WebLabels:
    """An annotation at an address of the web, as Allen has them.

    Attributes
    ----------
    url : str
        Of the NRRD file.
    spacing : float
        Size of a voxel, in micrometres.
    offline : bool or None
        Whether the cache alone is looked into; None as the setting is then.
    """

    url: str
    spacing: float
    offline: bool | None = None

    def read(self, box: Box) -> Labels:
        """Return the labels of a box, as `LabelVolume.read` does."""
        return self.load().read(box)

    def load(self, *, fresh: bool = False) -> PackedLabels:
        """Return all of it, packed."""
        key = f"{cache_folder(self.url)}/annotation/{self.spacing:g}.labels"
        return _HELD_LABELS().get(key, self._fetch, self.spacing, fresh=fresh)

    @property
    def is_offline(self) -> bool:
        """Whether the cache alone is looked into, as things are now."""
        return setting("offline", as_bool) if self.offline is None else self.offline

    def _fetch(self) -> bytes:
        try:
            return http.get(self.url, check=self._pack, limit=_MOST_BYTES, offline=self.is_offline)
        except http.TransportError as error:
            if error.status == 404:
                raise ServiceError(f"there is no annotation at {self.url}") from None
            raise ServiceError(f"the annotation of {self.spacing:g} um: {error}") from error

    def _pack(self, content: bytes) -> bytes:
        header = parse_nrrd_header(content[:MOST_HEADER_BYTES])
        if header.spacing != self.spacing:
            raise ValueError(f"its voxels have {header.spacing:g} um, not {self.spacing:g}")
        slabs = read_slabs(io.BytesIO(content), header, BLOCK[2])
        return pack_labels(header.shape, header.spacing, slabs)


@dataclass(frozen=True)
class FileLabels:
    """An annotation in a file on a disk or in a bucket.

    Attributes
    ----------
    folder : FileStore
        Where it is.
    name : str
        Of the file, below the folder.
    spacing : float
        Size of a voxel, in micrometres.
    version : str
        What tells it from what was there before: its size and time, of a file on a disk.
    """

    folder: FileStore | ZipFiles
    name: str
    spacing: float
    version: str

    @property
    def url(self) -> str:
        """Where it is, for people."""
        return f"{self.folder.url}/{self.name}"

    @property
    def storage_options(self) -> StorageOptionsRef:
        """For the file system; workers are told them."""
        return self.folder.shared

    def __dask_tokenize__(self) -> object:
        return type(self).__name__, self.url, self.spacing, self.version

    def read(self, box: Box) -> Labels:
        """Return the labels of a box, as `LabelVolume.read` does."""
        return self.load().read(box)

    def load(self, *, fresh: bool = False) -> PackedLabels:
        """Return all of it, packed."""
        key = f"{cache_folder(self.url)}/annotation/{self.version}.labels"
        return _HELD_LABELS().get(key, self._pack, self.spacing, fresh=fresh)

    def digest(self) -> str:
        """Return what tells it from what was there before: of all its bytes."""
        if not self.folder.is_local:
            return hashlib.sha256(self.folder.get(self.name, _MOST_BYTES) or b"").hexdigest()
        try:
            with Path(self.url).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: OSError) -> MetadataError:
        reason = error.strerror or type(error).__name__
        return MetadataError(f"{self.url} cannot be read: {reason}")

    def _pack(self) -> bytes:
        with contextlib.ExitStack() as stack:
            file: io.BufferedIOBase
            try:
                if self.folder.is_local:
                    file = stack.enter_context(Path(self.url).open("rb"))
                else:
                    file = io.BytesIO(self.folder.get(self.name, _MOST_BYTES) or b"")
                header = _header(file.read(MOST_HEADER_BYTES), self.url)
                slabs = read_slabs(file, header, BLOCK[2])
                return pack_labels(header.shape, header.spacing, slabs)
            except OSError as error:
                raise self._unreadable(error) from None
            except MetadataError:
                raise
            except ValueError as error:
                raise _no_annotation(self.url, error) from None


@dataclass(frozen=True)
class PhantomLabels:
    """The annotation of the phantom, by formula at each voxel's centre.

    Attributes
    ----------
    spacing : float
        Size of a voxel, in micrometres.
    """

    spacing: float

    @property
    def url(self) -> str:
        """Where it is, for people."""
        return "phantom"

    @property
    def attribution(self) -> Attribution:
        """Whose it is: ours."""
        from atldld_xr.attribution import PHANTOM

        return PHANTOM

    def read(self, box: Box) -> Labels:
        """Return the labels of a box."""
        from atldld_xr.phantom.atlas import label

        p, i, r = ((np.asarray(k, np.float64) + 0.5) * self.spacing for k in box)
        out = np.empty(tuple(map(len, box)), np.uint32)
        for n, plane in enumerate(p):  # what the formula needs is twenty times as much
            out[n] = label(plane, i[:, None], r)
        return out

    def load(self, *, fresh: bool = False) -> None:
        """Do nothing: all of it is at hand."""


def find_labels(folder: FileStore | ZipFiles, names: list[str]) -> FileLabels | None:
    """Return the first of some files that is there, None if none is.

    Raises
    ------
    MetadataError
        If its header is none of an annotation.
    StoreError
        If it cannot be told whether it is there.
    """
    for name in names:
        start = folder.get(name, MOST_HEADER_BYTES)
        if start is None:
            continue
        header = _header(start, f"{folder.url}/{name}")
        version = f"{header.spacing:g}"
        if folder.is_local:
            status = Path(folder.url, name).stat()
            version = f"{version}-{status.st_size}-{status.st_mtime_ns}"
        return FileLabels(folder, name, header.spacing, version)
    return None


def _header(start: bytes, url: str) -> NrrdHeader:
    try:
        return parse_nrrd_header(start)
    except ValueError as error:
        raise _no_annotation(url, error) from None


def _no_annotation(url: str, error: ValueError) -> MetadataError:
    return MetadataError(f"{url} is no annotation like Allen's: {error}")


class _HeldLabels:
    """The packed annotations that a process has, the last used ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, PackedLabels] = {}

    def get(
        self, key: str, make: Callable[[], bytes], spacing: float, *, fresh: bool
    ) -> PackedLabels:
        """Return what is under a key of the cache; of many that ask, one unpacks."""
        with self._lock:
            found = self._held.pop(key, None)
            if found is None or fresh:
                found = self._load(key, make, spacing, fresh)
            self._held[key] = found
            for old in list(self._held)[:-_HELD]:
                del self._held[old]
            return found

    def _load(
        self, key: str, make: Callable[[], bytes], spacing: float, fresh: bool
    ) -> PackedLabels:
        cache = default_cache()
        if cache and not fresh and (kept := cache.get(key)) is not None:
            with contextlib.suppress(ValueError, KeyError):
                found = parse_packed(kept)
                if found.shape == shape_of(spacing):
                    return found
            cache.discard(key)  # the disk's fault, or another's hand
        content = make()
        if cache:
            cache.put(key, content)
        return parse_packed(content)

    def forget(self) -> None:
        """Hold none any more."""
        with self._lock:
            self._held.clear()


_HELD_LABELS = PerProcess(_HeldLabels)


def forget_labels() -> None:
    """Have this process hold no annotation: what is read next comes from the cache."""
    _HELD_LABELS().forget()
