"""A mirror as a source: a folder of Allen's files on a disk, in a bucket or on a web server.

Its layout, d being the tier, w and h the size of a tile in pixels of the tier::

    section_data_set_{id}.json                                          the service's answer
    section_image_{id}_downsample_{d}.jpg                               a whole section
    section_image_{id}_downsample_{d}_{left}_{top}_{w}x{h}.jpg          a tile of one
    ..._expression.jpg, ..._intensity.jpg                               the same of its mask
    mirror.json                                                         what it holds, if made here
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from atldld_xr import jpeg
from atldld_xr.errors import (
    DatasetNotFoundError,
    InvalidArgumentError,
    MetadataError,
    MissingExtraError,
    SectionImageError,
    StoreError,
)
from atldld_xr.metadata import SectionImage, single_record
from atldld_xr.retry import TransportError, TryError, persist
from atldld_xr.sources import rma
from atldld_xr.sources.base import Tile, View, service_tile_side
from atldld_xr.sources.ids import check_id
from atldld_xr.storage_options import SharedOptions, share, store_errors
from atldld_xr.tiers import tier_size

MANIFEST = "mirror.json"
"""What a mirror holds, for those that cannot list it; and what could not be put there."""

_EXTRAS = "the extras s3, gcs, azure and http bring what fsspec needs: pip install atldld-xr[s3]"

_DATASET_FILE = re.compile(r"section_data_set_(\d+)\.json")
_IMAGE_FILE = re.compile(
    r"section_image_(\d+)_downsample_(\d+)(_\d+_\d+_\d+x\d+)?(?:_(expression|intensity))?\.jpg"
)


@dataclass(frozen=True)
class MirrorSource:
    """A folder of Allen's files, read through fsspec.

    Parameters
    ----------
    path : str
        A local path, or a URL that fsspec knows: ``s3://``, ``https://``, ``memory://``, ...
    storage_options : mapping or SharedOptions, optional
        Passed to fsspec. They may hold credentials, so they are kept as a `SharedOptions`, which
        pickles and graphs carry without them. The workers of a Dask cluster are told when a
        Dataset is opened while its client is connected; otherwise see `atldld_xr.cluster.ship`.

    Raises
    ------
    InvalidArgumentError
        If the URL holds a password or a signature, which would end up in attributes and errors,
        or the options are no mapping.
    """

    path: str
    storage_options: Mapping[str, Any] | SharedOptions | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        path = os.fspath(self.path)
        if "://" not in path and "::" not in path:
            # Absolute, since other processes may have another working directory.
            path = os.path.abspath(os.path.expanduser(path))
        elif ":" in urlsplit(path).netloc.rpartition("@")[0]:
            raise InvalidArgumentError(
                "the mirror's address holds a password; give it in storage_options"
            )
        elif path.startswith(("http://", "https://")) and "?" in path:
            # The names of files are put after it; and such queries are signatures.
            raise InvalidArgumentError(
                "the mirror's address holds a query (?...), after which no file can be named"
            )
        object.__setattr__(self, "path", path.rstrip("/") or path)
        object.__setattr__(self, "storage_options", share(self.storage_options))

    @property
    def url(self) -> str:
        """Where it is, for people."""
        return self.path

    def dataset_record(self, dataset_id: int) -> Mapping[str, Any]:
        """Return Allen's ``SectionDataSet`` record.

        Raises
        ------
        InvalidArgumentError
            If the id is no positive whole number.
        DatasetNotFoundError
            If the mirror, or the data set in it, is not there.
        MetadataError
            If its file is damaged or another's.
        StoreError
            If the mirror cannot be read.
        """
        dataset_id = check_id(dataset_id, "section data set")
        # A mirror may have grown since this process listed it; whoever opens a data set looks anew.
        _contents.cache_clear()
        try:
            body = self.cat(dataset_file(dataset_id))
        except FileNotFoundError:
            raise DatasetNotFoundError(
                f"there is no section data set {dataset_id} in {self.path}: {self._holdings()}"
            ) from None
        return self._parse(body, dataset_id)

    def image_record(self, image_id: int) -> Mapping[str, Any]:
        """Return Allen's ``SectionImage`` record; raises as `dataset_record` does."""
        image_id = check_id(image_id, "section image")
        for dataset_id in sorted(_contents(self).datasets):
            dataset = self._parse(self.cat(dataset_file(dataset_id)), dataset_id)
            for record in dataset.get("section_images") or ():
                if isinstance(record, Mapping) and record.get("id") == image_id:
                    return record
        raise DatasetNotFoundError(
            f"there is no section image {image_id} in {self.path}: {self._holdings()}"
        )

    def tiers(self, image: SectionImage, view: View) -> frozenset[int] | None:
        """Return the tiers at hand; None where that cannot be told: no listing, no manifest."""
        contents = _contents(self)
        if not contents.known:
            return None
        return frozenset(contents.images.get((image.id, view), ()))

    def tile_side(self, image: SectionImage, tier: int, view: View) -> int:
        """Return the side of the grid of tiles: a whole section is one tile, however large."""
        if _contents(self).images.get((image.id, view), {}).get(tier):
            return max(tier_size(image.width, tier), tier_size(image.height, tier))
        return service_tile_side(image, tier)

    def read(self, image: SectionImage, tile: Tile, view: View) -> NDArray[np.uint8]:
        """Return verified pixels: (height, width, 3), or (height, width) for the intensity view.

        Raises
        ------
        SectionImageError
            If the mirror does not have them, or not whole.
        """
        return self._read(image, tile, view)[1]

    def fetch_bytes(self, image: SectionImage, tile: Tile, view: View) -> bytes:
        """Return the verified JPEG that `read` decodes; raises as `read` does."""
        return self._read(image, tile, view)[0]

    def _read(self, image: SectionImage, tile: Tile, view: View) -> tuple[bytes, NDArray[np.uint8]]:
        name = image_file(image.id, tile, view)
        address = f"{self.path}/{name}"

        # Options that this process does not know are no failure of the image: neither tried again
        # nor recorded.
        share(self.storage_options).options()

        def attempt() -> tuple[bytes, NDArray[np.uint8]]:
            try:
                data = self.cat(name)
                return data, decode_tile(data, tile, view)
            except FileNotFoundError:
                raise TryError(self._missing(image, tile, view), again=False) from None
            except ValueError as error:
                raise TryError(str(error), again=not self.is_local) from error
            except StoreError as error:
                raise TryError(str(error), again=not self.is_local) from error

        try:
            return persist(attempt, address)
        except TransportError as error:
            raise SectionImageError(image.id, address, error.full_reason) from error

    def _missing(self, image: SectionImage, tile: Tile, view: View) -> str:
        what = "image" if view == "image" else f"{view} mask"
        tiers = self.tiers(image, view)
        if tiers is None:
            return f"the mirror has no {what} of it at tier {tile.tier}"
        if tile.tier in tiers:
            return f"the mirror misses a part of its {what} at tier {tile.tier}"
        has = f"tiers {', '.join(map(str, sorted(tiers)))}" if tiers else "none at all"
        return f"the mirror has no {what} of it at tier {tile.tier} (it has {has})"

    def cat(self, name: str) -> bytes:
        """Return a file's bytes; FileNotFoundError where there is none, StoreError for the rest."""
        fs, root = self.open()
        absent = FileNotFoundError, NotADirectoryError
        try:
            with self.errors("read", but=absent):
                return bytes(fs.cat_file(f"{root}/{name}"))
        except absent:
            raise FileNotFoundError(name) from None

    def open(self) -> tuple[Any, str]:
        """Return fsspec's file system and the folder on it.

        Raises
        ------
        MissingExtraError
            If it needs another package.
        StoreError
            If it cannot be had with these options.
        """
        import fsspec

        options = share(self.storage_options).options()
        try:
            with self.errors("opened", but=(ImportError,)):
                fs, root = fsspec.core.url_to_fs(self.path, **options)
        except ImportError as error:
            raise MissingExtraError(f"{self.path}: {error}; {_EXTRAS}") from error
        return fs, root.rstrip("/")

    def errors(
        self, done: str, but: tuple[type[Exception], ...] = ()
    ) -> AbstractContextManager[None]:
        """Turn a file system's errors, `but` some, into a StoreError: "cannot be " what is done."""
        what = f"the mirror {self.path} cannot be {done}"
        return store_errors(what, share(self.storage_options), but=but)

    @property
    def is_local(self) -> bool:
        """Whether it is on a disk of this machine."""
        return self.open()[0].protocol[0] in ("file", "local")

    def _parse(self, body: bytes, dataset_id: int) -> Mapping[str, Any]:
        name = f"section data set {dataset_id}"
        try:
            envelope = rma.parse_envelope(body)
        except ValueError as error:
            raise MetadataError(
                f"{name}: {self.path}/{dataset_file(dataset_id)} is damaged: {error}"
            ) from error
        record = single_record(envelope["msg"], name)
        if record.get("id") != dataset_id:
            raise MetadataError(
                f"{name}: {self.path}/{dataset_file(dataset_id)} is about {record.get('id')!r}"
            )
        return record

    def _holdings(self) -> str:
        contents = _contents(self)
        if not contents.known:
            return "there is no mirror there, or none that can be listed"
        ids = [str(i) for i in sorted(contents.datasets)]
        more = f" and {len(ids) - 10} more" if len(ids) > 10 else ""
        return f"it holds {', '.join(ids[:10])}{more}" if ids else "it holds none"


@dataclass(frozen=True)
class Contents:
    """What a mirror holds.

    Attributes
    ----------
    known : bool
        False where neither a listing nor a manifest is to be had.
    datasets : frozenset of int
        The ids of the data sets whose metadata are there.
    images : mapping
        By image id and view, the tiers, each with whether it is there in one piece.
    """

    known: bool
    datasets: frozenset[int] = frozenset()
    images: Mapping[tuple[int, str], Mapping[int, bool]] = field(default_factory=dict)


def dataset_file(dataset_id: int) -> str:
    """Return the name of a data set's metadata in a mirror."""
    return f"section_data_set_{dataset_id}.json"


def image_file(image_id: int, tile: Tile, view: View) -> str:
    """Return the name of a tile's JPEG in a mirror."""
    place = "" if tile.whole else f"_{tile.left}_{tile.top}_{tile.width}x{tile.height}"
    suffix = "" if view == "image" else f"_{view}"
    return f"section_image_{image_id}_downsample_{tile.tier}{place}{suffix}.jpg"


def decode_tile(data: bytes, tile: Tile, view: View) -> NDArray[np.uint8]:
    """Return the pixels of a tile's JPEG; raises ValueError, with the reason, if it is no good."""
    return jpeg.decode(data, width=tile.width, height=tile.height, grey=view == "intensity")


def list_contents(names: list[str]) -> Contents:
    """Tell from the names of its files what a mirror holds."""
    datasets = set()
    images: dict[tuple[int, str], dict[int, bool]] = {}
    for name in names:
        if match := _DATASET_FILE.fullmatch(name):
            datasets.add(int(match[1]))
        elif match := _IMAGE_FILE.fullmatch(name):
            tiers = images.setdefault((int(match[1]), match[4] or "image"), {})
            tiers[int(match[2])] = tiers.get(int(match[2]), False) or match[3] is None
    return Contents(True, frozenset(datasets), images)


@functools.lru_cache(maxsize=32)
def _contents(mirror: MirrorSource) -> Contents:
    """List a mirror; where that yields nothing, as on most web servers, read its manifest."""
    fs, root = mirror.open()
    fs.invalidate_cache()
    names: list[str] = []
    try:
        with mirror.errors("listed", but=(FileNotFoundError, NotADirectoryError)):
            names = [path.rstrip("/").rsplit("/", 1)[-1] for path in fs.ls(root, detail=False)]
    except (FileNotFoundError, NotADirectoryError):
        pass
    except StoreError:
        if not mirror.path.startswith(("http://", "https://")):  # a refusal just means no listing
            raise
    contents = list_contents(names)
    if contents.datasets or contents.images:
        return contents
    try:
        return read_manifest(json.loads(mirror.cat(MANIFEST)))
    except (FileNotFoundError, StoreError, ValueError, TypeError, KeyError, AttributeError):
        return Contents(known=bool(names))


def read_manifest(manifest: Mapping[str, Any]) -> Contents:
    """Tell from its manifest what a mirror holds."""
    images = {
        (int(image_id), view): {int(t): bool(whole) for t, whole in tiers.items()}
        for image_id, views in manifest["images"].items()
        for view, tiers in views.items()
    }
    return Contents(True, frozenset(manifest["section_data_sets"]), images)
