"""A mirror as a source: a folder of Allen's files, or a zip of one, on whatever fsspec reads.

Its layout, d being the tier, w and h the size of a tile in pixels of the tier::

    section_data_set_{id}.json                                          the service's answer
    section_image_{id}_downsample_{d}.jpg                               a whole section
    section_image_{id}_downsample_{d}_{left}_{top}_{w}x{h}.jpg          a tile of one, or a square
                                                                        of up to 4 x 4 tiles
    ..._expression.jpg, ..._intensity.jpg                               the same of its masks, also
    ..._projection.jpg, ..._projection_intensity.jpg                    those of connectivity
    ..._range_0_923_0_987_0_4095.jpg                                    of 16 bits, so many
    mirror.json                                                         what it holds, if made here
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.ids import check_id
from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import Tile, View, tier_size
from atldld_xr.allen.windowed import name_of
from atldld_xr.errors import (
    DatasetNotFoundError,
    SectionImageError,
    StoreError,
)
from atldld_xr.files.file_store import FileStore
from atldld_xr.files.paths import is_path
from atldld_xr.files.storage_options import StorageOptionsRef, register
from atldld_xr.files.zip_files import ZipFiles
from atldld_xr.foreign_json import MOST_BYTES
from atldld_xr.known_as import known_as
from atldld_xr.sources import jpeg
from atldld_xr.sources.mirror_address import mirror_address
from atldld_xr.sources.mirror_contents import (
    MANIFEST,
    MOST_MANIFEST_BYTES,
    Contents,
    dataset_file,
    find_image,
    image_file,
    list_contents,
    names_in_page,
    parse_record,
    read_manifest,
    told_holdings,
    told_missing,
)
from atldld_xr.sources.mirror_pieces import decode_tile, find_pixels
from atldld_xr.sources.protocol import PIECE_SIDE, TILE_SIDE, service_tile_side
from atldld_xr.sources.recent_pixels import recent_pieces
from atldld_xr.sources.retry import TransportError, TryError, persist


@known_as("atldld_xr.sources.mirror")
@dataclass(frozen=True)
class MirrorSource:
    """A folder of Allen's files, or a zip of one, read through fsspec.

    Parameters
    ----------
    path : str
        A local path, or a URL that fsspec knows: ``s3://``, ``https://``, ``memory://``, ... What
        ends in ``.zip`` is one, unless it is a folder of this machine.
    storage_options : mapping or StorageOptionsRef, optional
        Passed to fsspec. They may hold credentials, so they are kept as a `StorageOptionsRef`,
        which pickles and graphs carry without them. The workers of a Dask cluster are told when a
        Dataset is opened while its client is connected; otherwise see `atldld_xr.cluster.ship`.

    Raises
    ------
    InvalidArgumentError
        If it is no path or URL, or one that holds a password or a signature, which would end up in
        attributes and errors; or the options are no mapping.

    Examples
    --------
    >>> import atldld_xr
    >>> atldld_xr.MirrorSource("/data/allen").path
    '/data/allen'
    """

    path: str
    storage_options: Mapping[str, Any] | StorageOptionsRef | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", mirror_address(self.path))
        object.__setattr__(self, "storage_options", register(self.storage_options))

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
        self._look_anew()
        try:
            body = self.cat(dataset_file(dataset_id))
        except FileNotFoundError:
            raise self._has_no(f"section data set {dataset_id}") from None
        return parse_record(body, dataset_id, self.path)

    def image_record(self, image_id: int) -> Mapping[str, Any]:
        """Return Allen's ``SectionImage`` record; raises as `dataset_record` does."""
        image_id = check_id(image_id, "section image")
        self._look_anew()
        for dataset_id in sorted(contents_of(self).datasets):
            try:
                body = self.cat(dataset_file(dataset_id))
            except FileNotFoundError:  # though the manifest names it
                continue
            dataset = parse_record(body, dataset_id, self.path)
            if found := find_image(dataset, image_id):
                return found
        raise self._has_no(f"section image {image_id}")

    def tiers(self, image: SectionImage, view: View) -> frozenset[int] | None:
        """Return the tiers at hand; None where that cannot be told: no listing, no manifest."""
        contents = contents_of(self)
        if not contents.known:
            return None
        return frozenset(contents.tiers(image.id, name_of(image, view)))

    def tile_side(self, image: SectionImage, tier: int, view: View) -> int:
        """Return the side of the grid of tiles: a whole section is one tile, however large."""
        if contents_of(self).tiers(image.id, name_of(image, view)).get(tier) is True:
            return max(tier_size(image.width, tier), tier_size(image.height, tier))
        return service_tile_side(image, tier)

    def piece_side(self, image: SectionImage, tier: int, view: View) -> int:
        """Return the side of the largest squares of tiles that are there as a file each."""
        side = self.tile_side(image, tier, view)
        sides = contents_of(self).sides(image.id, tier, name_of(image, view))
        return max((side, *sides)) if side == TILE_SIDE else side

    @property
    def has_files(self) -> bool:
        """Whether all of a square is read for any part of it: it is."""
        return True

    def read(self, image: SectionImage, tile: Tile, view: View) -> NDArray[np.uint8]:
        """Return verified pixels: (height, width, 3), or (height, width) for the intensity view.

        They are cut from the file of a larger square, or put together, where there is none of just
        that rectangle.

        Raises
        ------
        SectionImageError
            If the mirror does not have them, or not whole.
        """

        def read(piece: Tile, wanted: Tile) -> NDArray[np.uint8] | None:
            if piece == wanted:
                found = self._read(image, piece, view)
                return None if found is None else found[1]
            # Tiles of a window are asked for one by one, and lie in the same few squares.
            key = (self, image_file(image.id, piece, name_of(image, view)))
            return recent_pieces().get(key, lambda: read(piece, piece))

        name = name_of(image, view)
        sides: tuple[int, ...] = ()
        if not tile.whole:
            with contextlib.suppress(StoreError):  # which the files themselves may do without
                sides = contents_of(self).sides(image.id, tile.tier, name)
        # It may have grown since this process listed it, or nothing may be told of it.
        pixels = find_pixels(image, tile, sides, read, otherwise=(PIECE_SIDE,))
        if pixels is None:
            raise self._lacks(image, tile, view)
        return pixels

    def fetch_bytes(self, image: SectionImage, tile: Tile, view: View) -> bytes:
        """Return the verified JPEG of just that rectangle; raises as `read` does."""
        found = self._read(image, tile, view)
        if found is None:
            raise self._lacks(image, tile, view)
        return found[0]

    def _read(
        self, image: SectionImage, tile: Tile, view: View
    ) -> tuple[bytes, NDArray[np.uint8]] | None:
        """Return a file's bytes and pixels, None if there is none of that rectangle."""
        name = image_file(image.id, tile, name_of(image, view))
        address = f"{self.path}/{name}"

        # Options that this process does not know are no failure of the image: neither tried again
        # nor recorded.
        register(self.storage_options).options()

        def attempt() -> tuple[bytes, NDArray[np.uint8]] | None:
            try:
                data = self.cat(name, jpeg.most_bytes(tile.width, tile.height))
                return data, decode_tile(data, tile, view)
            except FileNotFoundError:
                return None
            except (ValueError, StoreError) as error:
                raise TryError(str(error), again=not self.is_local) from error

        try:
            return persist(attempt, address)
        except TransportError as error:
            raise SectionImageError(image.id, address, error.full_reason) from error

    def _lacks(self, image: SectionImage, tile: Tile, view: View) -> SectionImageError:
        reason = told_missing(self.tiers(image, view), tile.tier, name_of(image, view))
        return SectionImageError(
            image.id, f"{self.path}/{image_file(image.id, tile, name_of(image, view))}", reason
        )

    def cat(self, name: str, most: int = MOST_BYTES) -> bytes:
        """Return a file's bytes.

        Parameters
        ----------
        name : str
            Which.
        most : int
            The most bytes that it can sensibly have; no more is read of a larger one.

        Raises
        ------
        FileNotFoundError
            If there is none.
        StoreError
            If it cannot be read, is too large or no plain file.
        """
        data = self.files().get(name, most + 1)
        if data is None:
            raise FileNotFoundError(name)
        path = f"{self.path}/{name}"
        if not data and self.is_local and not self.is_zip and not os.path.isfile(path):
            raise StoreError(f"{path} is no plain file")  # which nobody waits for, be it a pipe
        if len(data) > most:
            raise StoreError(f"{path} has more than {most:,} bytes, which cannot be")
        return data

    def manifest(self) -> Contents | None:
        """Return what its manifest says that it holds; None if there is none.

        Raises
        ------
        StoreError
            If it cannot be read, or not be understood: it is not as good as not there.
        """
        try:
            content = self.cat(MANIFEST, MOST_MANIFEST_BYTES)
        except FileNotFoundError:
            return None
        is_web = self.path.startswith(("http://", "https://"))
        if is_web and content.lstrip()[:1] == b"<":  # a page of one that finds everything
            return None
        try:
            return read_manifest(content)
        except ValueError as error:
            raise StoreError(
                f"{self.path}/{MANIFEST} cannot be understood: {error}. It says what the mirror "
                "holds, so it is neither passed over nor replaced: bring back a copy of it, or "
                "move it away and mirror the same again"
            ) from None

    def names(self) -> list[str]:
        """Return the names of its files as far as they are told; none where nobody lists them.

        Raises
        ------
        StoreError
            If it cannot be listed; of a web server that only means that it does not do so.
        """
        files = self.files()
        if not files.is_web:
            return files.names()
        try:
            page = files.get("", MOST_BYTES + 1) or b""
        except StoreError:
            return []
        # Of a part of them nobody could tell what is not there.
        return sorted(names_in_page(page)) if len(page) <= MOST_BYTES else []

    def files(self) -> FileStore | ZipFiles:
        """Return its files, to read and, but for a zip, to write; raises as a FileStore does."""
        if self.is_zip:
            return ZipFiles(self.path, register(self.storage_options))
        return FileStore(self.path, self.storage_options, kind="mirror")

    @property
    def is_zip(self) -> bool:
        """Whether it is a zip."""
        return self.path.lower().endswith(".zip") and not (
            self.is_local and os.path.isdir(self.path)
        )

    @property
    def is_local(self) -> bool:
        """Whether it is on a disk of this machine."""
        return is_path(self.path)

    def _has_no(self, what: str) -> DatasetNotFoundError:
        has = told_holdings(contents_of(self))
        return DatasetNotFoundError(f"there is no {what} in {self.path}: {has}")

    def _look_anew(self) -> None:
        """See again what it has: it may have grown since this process listed it."""
        contents_of.cache_clear()
        recent_pieces().clear()
        files = self.files()
        if isinstance(files, ZipFiles):
            files.look_anew()


@functools.lru_cache(maxsize=32)
def contents_of(mirror: MirrorSource) -> Contents:
    """List a mirror; where that yields nothing, as on most web servers, read its manifest."""
    names = mirror.names()
    contents = list_contents(names)
    if contents.datasets or contents.images:
        return contents
    return mirror.manifest() or Contents(known=bool(names))
