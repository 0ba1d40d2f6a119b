"""Saving data sets as a mirror: the service's own bytes, verified, tile by tile.

The tiles are those that the source itself is asked for, so a data set opened from the mirror
equals the one opened from the service to the bit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from atldld_xr.allen.excluded import count_reasons
from atldld_xr.allen.ids import parse_dataset_name
from atldld_xr.allen.metadata import SectionImage, parse_dataset
from atldld_xr.allen.tiers import Tile, View, tier_size
from atldld_xr.errors import InvalidArgumentError, SectionImageError, StoreError
from atldld_xr.files.folders import locked
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_one_of, is_some_of, is_whole
from atldld_xr.settings import as_int, setting
from atldld_xr.sources.jpeg import encode, most_bytes
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.mirror_contents import (
    MANIFEST,
    Contents,
    Held,
    dataset_file,
    image_file,
    write_manifest,
)
from atldld_xr.sources.mirror_pieces import decode_tile
from atldld_xr.sources.protocol import Source, service_tile_side

_QUALITY = 100  # of what a source without bytes draws: its pixels, as near as JPEG can


@runtime_checkable
class BytesSource(Source, Protocol):
    """A source that has JPEGs to copy, not only pixels."""

    def fetch_bytes(self, image: SectionImage, tile: Tile, view: View) -> bytes:
        """Return the verified JPEG that `read` decodes."""


@dataclass(frozen=True)
class MirrorFailure:
    """A tile that could not be mirrored."""

    section_image_id: int
    view: str
    file: str
    reason: str


@dataclass(frozen=True)
class MirrorSummary:
    """What one call of `save_mirror` did.

    Attributes
    ----------
    files, bytes : int
        Files written, and their bytes; metadata included.
    skipped : int
        Image files that were there already, whole.
    failures : tuple of MirrorFailure
        Tiles that could not be had.
    excluded : mapping of int
        How many sections cannot be registered, by reason: of these no images are copied.
    """

    files: int
    bytes: int
    skipped: int
    failures: tuple[MirrorFailure, ...]
    excluded: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Job:
    image: SectionImage
    tile: Tile
    view: View

    @property
    def file(self) -> str:
        return image_file(self.image.id, self.tile, self.view)


def save_mirror(
    dataset_ids: Iterable[int | str],
    path: str,
    *,
    source: Source,
    tiers: Sequence[int],
    views: Sequence[View] = ("image",),
    storage_options: Mapping[str, Any] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    progress: Callable[[int, int], None] | None = None,
) -> MirrorSummary:
    """Copy data sets into a folder that can be opened in place of the service.

    What is there already, whole, is not fetched again: an interrupted call can be repeated.

    Parameters
    ----------
    dataset_ids : iterable of int or str
        The data sets, each as `atldld_xr.open_dataset` takes it.
    path : str
        A local path or a URL that fsspec can write to.
    source : Source
        Where they come from.
    tiers : sequence of int
        The tiers to copy; of each image, those that it has.
    views : sequence of {"image", "expression", "intensity"}
        What to copy of each section. Masks are copied where there are any.
    storage_options : mapping, optional
        Passed to fsspec.
    on_error : {"raise", "skip"}
        Whether a tile that cannot be had ends the copying, or is recorded in ``mirror.json`` and
        in the summary. Calling again tries those anew.
    progress : callable, optional
        Called with the tiles done and their total, after each.

    Raises
    ------
    InvalidArgumentError
        If tiers or views are empty or unknown, or a setting has no value that it can have.
    DatasetNotFoundError, MetadataError, ServiceError
        If a data set's metadata cannot be had.
    SectionImageError
        Under "raise", if a tile cannot be had.
    StoreError
        If the mirror cannot be written, or has a manifest that cannot be understood.
    """
    if not is_one_of(on_error, ("raise", "skip")):
        raise InvalidArgumentError(f'on_error is "raise" or "skip", not {short(on_error)}')
    if not is_some_of(views, get_args(View)):
        raise InvalidArgumentError(f"views are image, expression and intensity, not {short(views)}")
    connections = setting("http.connections", as_int)
    target = _Target(MirrorSource(path, storage_options))
    target.check()
    ids = dict.fromkeys(map(parse_dataset_name, dataset_ids))
    records = {dataset_id: source.dataset_record(dataset_id) for dataset_id in ids}
    parsed = [parse_dataset(record) for record in records.values()]
    images = [image for data in parsed for image in data.images]
    jobs = _list_jobs(source, images, tiers, views)

    files = size = skipped = 0
    for dataset_id, record in records.items():
        written = target.write(dataset_file(dataset_id), _envelope(record))
        files, size = files + 1, size + written

    failures: list[MirrorFailure] = []
    pool = ThreadPoolExecutor(connections)
    try:
        futures = {pool.submit(_copy, source, target, job): job for job in jobs}
        for done, future in enumerate(as_completed(futures), 1):
            job = futures[future]
            try:
                written = future.result()
            except SectionImageError as error:
                if on_error == "raise":
                    raise
                failures.append(MirrorFailure(job.image.id, job.view, job.file, error.reason))
            else:
                files, size = files + bool(written), size + written
                skipped += not written
            if progress:
                progress(done, len(jobs))
    finally:
        # Not waited for: after an interrupt, tries under way may go on for a minute.
        pool.shutdown(wait=False, cancel_futures=True)
    target.write_manifest(source.url, records, jobs, failures)
    return MirrorSummary(
        files,
        size,
        skipped,
        tuple(sorted(failures, key=lambda f: f.file)),
        count_reasons(section.reason for data in parsed for section in data.excluded),
    )


def _list_jobs(
    source: Source, images: Sequence[SectionImage], tiers: Sequence[int], views: Sequence[View]
) -> list[_Job]:
    most = max((image.tier_count for image in images), default=0)
    if not _are_tiers(tiers, most):
        raise InvalidArgumentError(
            f"tiers are whole numbers from 0 to {most - 1}, not {short(tiers)}"
        )
    return [
        _Job(image, tile, view)
        for image in images
        for view in dict.fromkeys(views)
        if view == "image" or image.has_expression
        for tier in sorted(set(tiers))
        if tier < image.tier_count
        for tile in _tiles(source, image, tier, view)
    ]


def _are_tiers(tiers: object, most: int) -> bool:
    return (
        isinstance(tiers, Sequence)
        and bool(tiers)
        and all(is_whole(tier) and 0 <= tier < most for tier in tiers)
    )


def _tiles(source: Source, image: SectionImage, tier: int, view: View) -> list[Tile]:
    width, height = tier_size(image.width, tier), tier_size(image.height, tier)
    # Those of a source without bytes are drawn here: on the grid that a mirror is read on.
    side = (
        source.tile_side(image, tier, view)
        if isinstance(source, BytesSource)
        else service_tile_side(image, tier)
    )
    whole = side >= max(width, height)
    return [
        Tile(tier, left, top, min(side, width - left), min(side, height - top), whole)
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]


def _copy(source: Source, target: _Target, job: _Job) -> int:
    """Copy a tile and return its bytes, 0 if it was there already."""
    if target.holds(job):
        return 0
    return target.write(job.file, _fetch(source, job))


def _fetch(source: Source, job: _Job) -> bytes:
    if isinstance(source, BytesSource):
        return source.fetch_bytes(job.image, job.tile, job.view)
    return encode(source.read(job.image, job.tile, job.view), _QUALITY)


def _envelope(record: Mapping[str, Any]) -> bytes:
    """Return a record in the envelope that the service answers with."""
    counts = {"id": 0, "start_row": 0, "num_rows": 1, "total_rows": 1}
    return json.dumps({"success": True, **counts, "msg": [record]}, indent=1).encode()


def _add(
    known: Contents,
    records: Mapping[int, Mapping[str, Any]],
    jobs: Sequence[_Job],
    failures: Sequence[MirrorFailure],
) -> Contents:
    """Return what a mirror holds when jobs are done, but for some that failed."""
    now_failed = {failure.file: asdict(failure) for failure in failures}
    failed = dict(known.failures)
    held: dict[int, dict[str, dict[int, Held]]] = {}
    for job in jobs:
        failed.pop(job.file, None)
        if job.file in now_failed:
            continue
        if (image := job.image.id) not in held:  # what is known of it may be shared with others
            views = known.images.get(image, {})
            held[image] = {view: dict(tiers) for view, tiers in views.items()}
        held[image].setdefault(job.view, {})[job.tile.tier] = job.tile.whole
    return Contents(
        True, known.datasets | set(records), {**known.images, **held}, failed | now_failed
    )


class _Target:
    """The mirror that is written."""

    def __init__(self, mirror: MirrorSource) -> None:
        self._mirror = mirror
        self._files = mirror.files()

    def check(self) -> None:
        """Raise a StoreError for a manifest that nothing could be added to."""
        self._mirror.manifest()

    def holds(self, job: _Job) -> bool:
        """Tell whether a tile is there, whole; one that is damaged is as good as not there."""
        try:
            most = most_bytes(job.tile.width, job.tile.height)
            decode_tile(self._mirror.cat(job.file, most), job.tile, job.view)
        except (FileNotFoundError, ValueError):
            return False
        return True

    def write(self, name: str, data: bytes) -> int:
        self._files.put(name, data)
        return len(data)

    def write_manifest(
        self,
        origin: str,
        records: Mapping[int, Mapping[str, Any]],
        jobs: Sequence[_Job],
        failures: Sequence[MirrorFailure],
    ) -> None:
        """Add what was copied to the manifest, and replace what it says of failures of the same."""
        # Between the reading and the writing nobody else is to add anything.
        with locked(self._files.url) if self._files.is_local else nullcontext():
            known = self._mirror.manifest() or Contents(known=False)
            contents = _add(known, records, jobs, failures)
            try:
                manifest = write_manifest(contents, origin)
            except ValueError as error:
                raise StoreError(
                    f"{self._mirror.path}/{MANIFEST} would not be read again: {error}. All else "
                    "was written; mirror further data sets to another folder"
                ) from None
            self.write(MANIFEST, manifest)
