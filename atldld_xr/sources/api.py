"""The Allen service as a source."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen import rma
from atldld_xr.allen.completeness import is_complete_dataset, is_complete_image, lacks_range
from atldld_xr.allen.ids import check_id
from atldld_xr.allen.metadata import SectionImage, single_record
from atldld_xr.allen.tiers import Tile, View
from atldld_xr.errors import (
    DatasetNotFoundError,
    InvalidArgumentError,
    MetadataError,
    ServiceError,
)
from atldld_xr.known_as import known_as
from atldld_xr.messages.repeating import short
from atldld_xr.settings import as_bool, setting
from atldld_xr.sources import http
from atldld_xr.sources.ask_service import ask_service
from atldld_xr.sources.cache import default_cache
from atldld_xr.sources.kept import read_kept, read_kept_page, to_keep
from atldld_xr.sources.protocol import PIECE_SIDE, TILE_SIDE, QueryAnswer, service_tile_side
from atldld_xr.sources.record_pages import Records, pages_of_records, single_records
from atldld_xr.sources.service_images import ServiceImages, cache_folder

if TYPE_CHECKING:
    from atldld_xr.allen.structures import Structures
    from atldld_xr.sources.metaimage import MetaImage

T = TypeVar("T")

# One query gets everything that registration needs.
DATASET_INCLUDE = "products,genes,equalization,alignment3d,section_images(alignment2d)"
_IMAGE_INCLUDE = "alignment2d,section_data_set(products,equalization)"


@known_as("atldld_xr.sources.api")
@dataclass(frozen=True)
class ApiSource:
    """The Allen service, or something that answers like it.

    Parameters
    ----------
    url : str
        Its base address, for instance ``https://api.brain-map.org/api/v2``.
    fresh : bool
        Whether records are asked for anew, though the cache may have them.
    offline : bool, optional
        Whether the cache alone is looked into. Default: as the setting ``offline`` is then.

    Raises
    ------
    InvalidArgumentError
        If that is no plain http(s) address.
    """

    url: str
    # No field: what is asked anew is the same data, by the same name in graphs and stores.
    fresh: InitVar[bool] = False
    offline: InitVar[bool | None] = None
    _is_fresh: ClassVar[bool] = False
    _offline: ClassVar[bool | None] = None

    def __post_init__(self, fresh: bool, offline: bool | None) -> None:
        object.__setattr__(self, "_is_fresh", bool(fresh))
        object.__setattr__(self, "_offline", offline)
        object.__setattr__(self, "url", http.check_address(self.url))

    def dataset_record(self, dataset_id: int) -> Mapping[str, Any]:
        """Return a ``SectionDataSet`` with genes, products, alignment3d and registered images.

        One request, or none where the cache holds the answer and it is younger than the setting
        ``cache.metadata_days``; one of which sections cannot be registered, for other reasons than
        that Allen failed them, or which cannot be used, than ``cache.incomplete_minutes``: the
        next may have what is missing. None is taken that is older, also where no other can be had;
        the error then says so.

        Raises
        ------
        InvalidArgumentError
            If the id is no positive whole number.
        DatasetNotFoundError
            If there is no such data set.
        MetadataError
            If the service answers with another.
        ServiceError
            If the service cannot be reached or reports a failure.
        """
        return self._record(
            "SectionDataSet", "section data set", dataset_id, DATASET_INCLUDE, is_complete_dataset
        )

    def dataset_records(self, dataset_ids: Iterable[int]) -> Records:
        """Yield many records, as `dataset_record` returns them or why not; see `record_pages`."""

        def ask(ids: Sequence[int]) -> Mapping[str, Any]:
            stages = rma.stages(
                "SectionDataSet",
                criteria=rma.equals("id", ids),
                include=(DATASET_INCLUDE,),
                order="id",
                start=0,
                rows=rma.MOST_ROWS,
            )
            return self._ask("data/query.json", {"criteria": stages}, "section data sets")

        if self.is_offline:
            return single_records(self, dataset_ids)
        key = partial(self._key, "SectionDataSet")
        return pages_of_records(self, dataset_ids, ask, key, takes_kept=not self._is_fresh)

    def image_record(self, image_id: int) -> Mapping[str, Any]:
        """Return a ``SectionImage`` with its alignment2d and its data set's products.

        Raises as `dataset_record` does.
        """
        return self._record(
            "SectionImage", "section image", image_id, _IMAGE_INCLUDE, is_complete_image
        )

    def refreshed(self) -> ApiSource:
        """Return the same, which asks for records anew, and has the cache keep them.

        Raises
        ------
        InvalidArgumentError
            If it is offline.
        """
        if self.is_offline:
            raise InvalidArgumentError("refresh asks the service anew, and offline is on")
        return replace(self, fresh=True, offline=self._offline)

    def kept_only(self, offline: bool) -> ApiSource:
        """Return the same, which takes from the cache alone what it has, however old, or not."""
        return replace(self, fresh=self._is_fresh, offline=offline)

    @property
    def is_offline(self) -> bool:
        """Whether the cache alone is looked into, as things are now."""
        return setting("offline", as_bool) if self._offline is None else self._offline

    def answer(self, stages: str, name: str, *, since: float | None = None) -> QueryAnswer:
        """Return the answer to an RMA query; at most one request.

        The cache keeps it as it keeps records; one that found nothing for
        ``cache.incomplete_minutes``.

        Parameters
        ----------
        stages : str
            The query, as `atldld_xr.allen.rma.stages` returns it.
        name : str
            What is asked for, for messages.
        since : float, optional
            The cache's answer from before then, in seconds since the epoch, is not taken, unless
            offline.

        Raises
        ------
        ServiceError
            If the service cannot be reached, reports a failure, or answers with no records.
        """
        cache = default_cache()
        key = f"{cache_folder(self.url)}/query/{sha256(stages.encode()).hexdigest()}.json"
        kept = read_kept_page(cache.get(key)) if cache else None
        is_young = kept is not None and kept.is_current and kept.fetched >= (since or 0)
        if kept is not None and (is_young or self.is_offline) and not self._is_fresh:
            return QueryAnswer(kept.answer, kept.fetched, True)
        try:
            envelope = self._ask("data/query.json", {"criteria": stages}, name)
        except ServiceError as error:
            if kept is None:
                raise
            raise ServiceError(f"{error}; {kept.advice}") from error
        try:
            records = rma.records(envelope)  # nothing else is kept
        except ValueError as error:
            raise ServiceError(f"{name}: {error} ({self.url})") from None
        if cache:
            cache.put(key, to_keep(envelope, is_complete=bool(records)))
        return QueryAnswer(envelope, time.time(), False)

    def tiers(self, image: SectionImage, view: View) -> frozenset[int] | None:
        """Return None: every tier can be asked for."""
        return None

    def tile_side(self, image: SectionImage, tier: int, view: View) -> int:
        """Return the side of the grid of tiles, in pixels of the tier."""
        return service_tile_side(image, tier)

    def piece_side(self, image: SectionImage, tier: int, view: View) -> int:
        """Return the side of the largest square of tiles to ask for, in pixels of the tier."""
        side = service_tile_side(image, tier)
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
        return self._images.read(image, tile, view)

    def fetch_bytes(self, image: SectionImage, tile: Tile, view: View) -> bytes:
        """Return the verified JPEG that `read` decodes; raises as `read` does."""
        return self._images.fetch_bytes(image, tile, view)

    def grids(self, dataset_id: int, variables: Sequence[str]) -> Mapping[str, MetaImage]:
        """Return Allen's grids of a data set: one request, or none where the cache has them.

        Raises
        ------
        DatasetNotFoundError
            If there are none.
        ServiceError
            If they cannot be had.
        """
        from atldld_xr.sources.grids import service_grids  # few ask for them

        return service_grids(
            self.url, dataset_id, variables, fresh=self._is_fresh, offline=self.is_offline
        )

    def projection_grid(self, dataset_id: int, kind: str, resolution: int) -> MetaImage:
        """Return Allen's grid of a projection: one request, or none where the cache has it.

        Raises as `grids` does.
        """
        from atldld_xr.sources.projection_grids import service_projection_grid  # few ask for them

        how = {"fresh": self._is_fresh, "offline": self.is_offline}
        return service_projection_grid(self.url, dataset_id, kind, resolution, **how)

    def structures(self) -> Structures:
        """Return the ontology of the adult mouse: one request, kept as records are.

        Raises
        ------
        DatasetNotFoundError
            If the service has none.
        MetadataError
            If it answers with something else.
        ServiceError
            If the service cannot be reached or reports a failure.
        """
        from atldld_xr.allen.structures import parse_structures  # few ask for them

        return self._kept(
            "structure_graph_download/1.json",
            {},
            f"{cache_folder(self.url)}/structure_graph/1.json",
            "ontology 1",
            lambda envelope: parse_structures(envelope["msg"]),
            lambda _: True,
        )

    @property
    def _images(self) -> ServiceImages:
        return ServiceImages(self.url, offline=self.is_offline)

    def _key(self, model: str, record_id: int) -> str:
        return f"{cache_folder(self.url)}/{model}/{record_id}.json"

    def _record(
        self,
        model: str,
        what: str,
        record_id: int,
        include: str,
        is_complete: Callable[[Mapping[str, Any]], bool],
    ) -> Mapping[str, Any]:
        record_id = check_id(record_id, what)
        name = f"{what} {record_id}"

        def check(envelope: Mapping[str, Any]) -> Mapping[str, Any]:
            record = single_record(envelope["msg"], name)
            if record.get("id") != record_id:
                raise MetadataError(f"{name}: {self.url} answered with {short(record.get('id'))}")
            return record

        key = self._key(model, record_id)
        asked = {"include": include}
        path = f"data/{model}/{record_id}.json"
        return self._kept(path, asked, key, name, check, is_complete, lacks_range)

    def _kept(
        self,
        path: str,
        params: Mapping[str, str],
        key: str,
        name: str,
        check: Callable[[Mapping[str, Any]], T],
        is_complete: Callable[[T], bool],
        lacks: Callable[[T], bool] = lambda _: False,
    ) -> T:
        """Return what is made of an answer, from the cache if that is young, and lacks nothing."""
        cache = default_cache()
        kept = read_kept(cache.get(key)) if cache else None
        is_taken = kept is not None and (kept.is_current or self.is_offline)
        if kept is not None and is_taken and not self._is_fresh:
            # Not what was put there: fetched again.
            with contextlib.suppress(MetadataError, DatasetNotFoundError):
                found = check(kept.answer)
                if self.is_offline or not lacks(found):
                    return found
        try:
            envelope = self._ask(path, params, name)
            record = check(envelope)
        except (DatasetNotFoundError, ServiceError) as error:
            if isinstance(error, ServiceError) and getattr(error.__cause__, "status", 0) != 404:
                if kept is None:
                    raise
                raise ServiceError(f"{error}; {kept.advice}") from error
            if cache:
                cache.discard(key)
            raise DatasetNotFoundError(f"there is no {name} at {self.url}") from None
        if cache:
            cache.put(key, to_keep(envelope, is_complete=is_complete(record)))
        return record

    def _ask(self, path: str, params: Mapping[str, str], name: str) -> dict[str, Any]:
        return ask_service(self.url, path, params, name, offline=self.is_offline)
