"""Allen's public bucket as a source: whole slides as TIFFs, of which sections are parts.

What it has is said in `atldld_xr.allen.bucket_layout`. Matrices and masks are the service's.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.bucket_layout import (
    DATASETS_FILE,
    SlideImage,
    check_crop,
    dataset_key,
    parse_slides,
    slide_key,
)
from atldld_xr.allen.ids import check_id
from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import Tile, View
from atldld_xr.errors import (
    AtldldError,
    DatasetNotFoundError,
    InvalidArgumentError,
    MetadataError,
    SectionImageError,
    ServiceError,
    StoreError,
)
from atldld_xr.files.address import checked
from atldld_xr.files.file_store import FileStore
from atldld_xr.files.paths import is_path
from atldld_xr.files.storage_options import StorageOptionsRef, register
from atldld_xr.foreign_json import MOST_BYTES, parse_json
from atldld_xr.messages.repeating import short
from atldld_xr.settings import as_bool, as_text, setting
from atldld_xr.sources.answers import fit
from atldld_xr.sources.api import ApiSource
from atldld_xr.sources.cache import default_cache
from atldld_xr.sources.kept_pixels import kept_or_read
from atldld_xr.sources.kinds import PUBLIC_BUCKET
from atldld_xr.sources.protocol import (
    PIECE_SIDE,
    TILE_SIDE,
    QueryAnswer,
    RemoteSource,
    Source,
    asked_anew,
    service_tile_side,
)
from atldld_xr.sources.record_or_kept import record_or_kept, records_or_kept
from atldld_xr.sources.record_pages import PAGE, Records
from atldld_xr.sources.retry import TransportError, TryError, persist
from atldld_xr.sources.service_images import cache_folder
from atldld_xr.sources.slides import Slide
from atldld_xr.sources.tiff import check_installed

if TYPE_CHECKING:
    from atldld_xr.allen.structures import Structures
    from atldld_xr.sources.metaimage import MetaImage

# Whoever asks needs no account, and must not need one.
_PUBLIC = {"anon": True, "client_kwargs": {"region_name": "us-west-2"}}


@dataclass(frozen=True)
class BucketSource:
    """A bucket of slides, or a folder of its layout anywhere, read through fsspec.

    Parameters
    ----------
    url : str
        A path or URL; its ``section_data_sets.json`` may be named too. Default: Allen's.
    storage_options : mapping or StorageOptionsRef, optional
        For the file system; kept as those of a `MirrorSource` are. Default for Allen's bucket:
        nobody's account, in us-west-2.
    service : str or Source, optional
        Where metadata and masks come from. Default: the service of the setting ``api_url``.
    offline : bool, optional
        Whether the cache alone is looked into. Default: as the setting ``offline`` is then.

    Raises
    ------
    InvalidArgumentError
        If an address is none, or holds a password; or the options are no mapping.

    Examples
    --------
    >>> import atldld_xr
    >>> atldld_xr.BucketSource("/data/slides").url
    '/data/slides'
    """

    url: str = PUBLIC_BUCKET
    storage_options: Mapping[str, Any] | StorageOptionsRef | None = field(default=None, repr=False)
    service: str | Source | None = None
    # No field: it is the same data, by the same name in graphs and stores.
    offline: InitVar[bool | None] = None
    _offline: ClassVar[bool | None] = None

    def __post_init__(self, offline: bool | None) -> None:
        object.__setattr__(self, "_offline", offline)
        url = checked(self.url).removesuffix(f"/{DATASETS_FILE}").rstrip("/")
        object.__setattr__(self, "url", url)
        object.__setattr__(self, "storage_options", register(self.storage_options))
        service = setting("api_url", as_text) if self.service is None else self.service
        if isinstance(service, str):
            service = ApiSource(service)
        if not isinstance(service, Source):
            raise InvalidArgumentError(f"{short(service)} is no service's address, and no source")
        object.__setattr__(self, "service", service)

    def dataset_record(self, dataset_id: int) -> Mapping[str, Any]:
        """Return the service's ``SectionDataSet`` record of a data set that the bucket has.

        The cache's is taken, however old, where the service cannot be asked.

        Raises
        ------
        InvalidArgumentError
            If the id is no positive whole number.
        DatasetNotFoundError
            If there is none in the bucket, or none at the service.
        MetadataError
            If either's record is damaged or another's.
        ServiceError
            If the service cannot be asked, and the cache has nothing.
        StoreError
            If the bucket cannot be read.
        MissingExtraError
            If the packages that read TIFFs are not installed.
        """
        dataset_id = check_id(dataset_id, "section data set")
        self._check_slides(dataset_id)
        return record_or_kept(self._service, lambda service: service.dataset_record(dataset_id))

    def dataset_records(self, dataset_ids: Iterable[int]) -> Records:
        """Yield many records, as `dataset_record` returns them or why not.

        What the bucket has of each is a file of its own; the service is asked for many at once.
        """
        rest = iter(dataset_ids)
        while some := list(islice(rest, PAGE)):
            there = []
            for number in some:
                try:
                    self._check_slides(number)
                    there.append(number)
                except AtldldError as error:
                    yield number, error
            yield from records_or_kept(self._service, there)

    def image_record(self, image_id: int) -> Mapping[str, Any]:
        """Return the service's ``SectionImage`` record; raises as `dataset_record` does."""
        return record_or_kept(self._service, lambda service: service.image_record(image_id))

    def refreshed(self) -> BucketSource:
        """Return the same, which asks the service anew; raises as the service does."""
        return replace(self, service=asked_anew(self._service, True), offline=self._offline)

    def kept_only(self, offline: bool) -> BucketSource:
        """Return the same, which takes from the cache alone what it has, or not."""
        service = self._service
        if isinstance(service, RemoteSource):
            service = service.kept_only(offline)
        return replace(self, service=service, offline=offline)

    @property
    def is_offline(self) -> bool:
        """Whether the cache alone is looked into, as things are now."""
        return setting("offline", as_bool) if self._offline is None else self._offline

    @property
    def is_local(self) -> bool:
        """Whether it is on a disk of this machine."""
        return is_path(self.url)

    def tiers(self, image: SectionImage, view: View) -> frozenset[int] | None:
        """Return the tiers that the bucket names; of masks, those of the service."""
        if view != "image":
            return self._service.tiers(image, view)
        place = slides_of(self, image.data_set_id).get(image.id)
        return frozenset(place.crops if place else ())  # reading says that it is not there

    def tile_side(self, image: SectionImage, tier: int, view: View) -> int:
        """Return the side of the grid of tiles, in pixels of the tier: the service's."""
        if view != "image":
            return self._service.tile_side(image, tier, view)
        return service_tile_side(image, tier)

    def piece_side(self, image: SectionImage, tier: int, view: View) -> int:
        """Return the side of the largest square of tiles to ask for, in pixels of the tier."""
        side = self.tile_side(image, tier, view)
        return PIECE_SIDE if side == TILE_SIDE else side

    def read(self, image: SectionImage, tile: Tile, view: View) -> NDArray[np.uint8]:
        """Return verified pixels: (height, width, 3), or (height, width) for the intensity view.

        Raises
        ------
        SectionImageError
            If they cannot be had, after all retries.
        CacheError
            If the cache is on and cannot be written.
        """
        if view != "image":
            return self._service.read(image, tile, view)
        cache = None if self.is_local else default_cache()
        return kept_or_read(cache, self._folder, image, tile, lambda: self._read(image, tile))

    def answer(self, stages: str, name: str, *, since: float | None = None) -> QueryAnswer:
        """Return the service's answer to a query, as `ApiSource.answer` does."""
        return self._api.answer(stages, name, since=since)

    def grids(self, dataset_id: int, variables: Sequence[str]) -> Mapping[str, MetaImage]:
        """Return the service's grids of a data set, as `ApiSource.grids` does."""
        return self._api.grids(dataset_id, variables)

    def structures(self) -> Structures:
        """Return the service's ontology, as `ApiSource.structures` does."""
        return self._api.structures()

    def _read(self, image: SectionImage, tile: Tile) -> NDArray[np.uint8]:
        place = self._slide_image(image)
        key = slide_key(image.data_set_id, tile.tier, place.file)
        address, crop = f"{self.url}/{key}", place.crops.get(tile.tier)
        has = f"it has tiers {', '.join(map(str, sorted(place.crops)))}"
        if crop is None:
            raise SectionImageError(image.id, address, f"the bucket has no tier {tile.tier}; {has}")
        if self.is_offline and not self.is_local:
            reason = "it is not in the cache, and not asked for, as offline is on"
            raise SectionImageError(image.id, address, reason)
        try:
            check_crop(crop, image, tile.tier)
            slide = Slide(self.url, key, self._options)
            pixels = slide.read(crop, tile.left, tile.top, tile.width, tile.height)
        except FileNotFoundError:
            reason = f"the bucket lacks its slide at tier {tile.tier}, as it does some; {has}"
            raise SectionImageError(image.id, address, reason) from None
        except ValueError as error:
            raise SectionImageError(image.id, address, str(error)) from error
        except TransportError as error:
            raise SectionImageError(image.id, address, error.full_reason) from error
        return fit(pixels, tile.width, tile.height)

    def _slide_image(self, image: SectionImage) -> SlideImage:
        try:
            return slides_of(self, image.data_set_id)[image.id]
        except (KeyError, DatasetNotFoundError, MetadataError) as error:
            reason = "the bucket has no such section" if isinstance(error, KeyError) else str(error)
            address = f"{self.url}/{dataset_key(image.data_set_id)}"
            raise SectionImageError(image.id, address, reason) from error

    def fetch_slides(self, dataset_id: int) -> Mapping[int, SlideImage]:
        """Return where section images are; one request, or none where the cache has the answer.

        What is there never changes. Raises as `dataset_record` does.
        """
        name = dataset_key(dataset_id)
        cache = None if self.is_local else default_cache()
        key = f"{self._folder}/{name}"
        if cache and (kept := cache.get(key)) is not None:
            try:
                return parse_slides(parse_json(kept), dataset_id)
            except (ValueError, MetadataError):
                cache.discard(key)
        if self.is_offline and not self.is_local:
            raise ServiceError(
                f"{self.url}/{name} is not in the cache, and not asked for, as offline is on"
            )
        body = self._get(name)
        if body is None:
            raise DatasetNotFoundError(
                f"there is no section data set {dataset_id} in {self.url}, which has those of the "
                "adult mouse"
            )
        try:
            record = parse_json(body)
        except ValueError as error:
            raise MetadataError(f"{self.url}/{name} is damaged: {error}") from error
        slides = parse_slides(record, dataset_id)
        if cache:
            # Without sequences of probes and the like, which are most of it.
            part = {"id": record["id"], "section_images": record["section_images"]}
            cache.put(key, json.dumps(part).encode())
        return slides

    def _get(self, name: str) -> bytes | None:
        files = FileStore(self.url, self._options, kind="bucket")
        self._options.options()  # not known here: not tried again

        def attempt() -> bytes | None:
            try:
                return files.get(name, MOST_BYTES + 1)
            except StoreError as error:
                raise TryError(str(error), again=not self.is_local) from error

        try:
            return persist(attempt, f"{self.url}/{name}")
        except TransportError as error:
            raise StoreError(str(error)) from error

    def _check_slides(self, dataset_id: int) -> None:
        check_installed()  # now, not when pixels are looked at
        slides_of(self, dataset_id)

    @property
    def _service(self) -> Source:
        assert isinstance(self.service, Source)
        return self.service

    @property
    def _api(self) -> ApiSource:
        if not isinstance(self.service, ApiSource):
            raise InvalidArgumentError(f"{self._service.url} is no service to ask for that")
        return self.service

    @property
    def _options(self) -> StorageOptionsRef:
        """What leads there: of Allen's own bucket, what anybody may give."""
        given = register(self.storage_options)
        return register(_PUBLIC) if self.url == PUBLIC_BUCKET and not given else given

    @property
    def _folder(self) -> str:
        place = self._options.place
        return cache_folder(f"{self.url}?{place}" if place else self.url)


@functools.lru_cache(maxsize=64)
def slides_of(bucket: BucketSource, dataset_id: int) -> Mapping[int, SlideImage]:
    """Return where the section images of a data set are, as this process has it."""
    return bucket.fetch_slides(dataset_id)
