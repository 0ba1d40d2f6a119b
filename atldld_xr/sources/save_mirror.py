"""Saving data sets as a mirror: the service's own bytes, verified, a file each answer.

What is asked for are tiles, or squares of them where the source can give many: a data set opened
from the mirror equals the one opened from the service to the bit.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from atldld_xr.allen.excluded import count_reasons
from atldld_xr.allen.fluorescence import check_range
from atldld_xr.allen.ids import parse_dataset_name
from atldld_xr.allen.metadata import SectionDataset, SectionImage, parse_dataset
from atldld_xr.allen.tiers import PROJECTIONS, Tile, View, has_view, tier_size
from atldld_xr.allen.windowed import windowed_dataset
from atldld_xr.errors import InvalidArgumentError, SectionImageError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_one_of, is_some_of, is_whole
from atldld_xr.settings import as_int, setting
from atldld_xr.sources.jpeg import encode
from atldld_xr.sources.kept_pieces import split
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.mirror_contents import Held, dataset_file
from atldld_xr.sources.mirror_job import MirrorJob
from atldld_xr.sources.mirror_target import MirrorFailure, MirrorTarget, Place, held_after
from atldld_xr.sources.protocol import PIECE_SIDE, Source, WideSource, service_tile_side

# Images of which the manifest does not tell yet; each time all of it is written.
_MOST_PENDING = 20_000
_QUALITY = 100  # of what a source without bytes draws: its pixels, as near as JPEG can


@runtime_checkable
class BytesSource(Source, Protocol):
    """A source that has JPEGs to copy, not only pixels."""

    def fetch_bytes(self, image: SectionImage, tile: Tile, view: View) -> bytes:
        """Return the verified JPEG that `read` decodes."""


@dataclass(frozen=True)
class MirrorSummary:
    """What one call of `save_mirror` did.

    Attributes
    ----------
    files, bytes : int
        Files written, and their bytes; metadata included.
    skipped : int
        Images, or squares of them, that were there already, whole.
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


@dataclass
class _Copied:
    """What came of some jobs: the bytes of those that were written, and what failed."""

    written: dict[MirrorJob, int] = field(default_factory=dict)
    failed: dict[MirrorJob, SectionImageError] = field(default_factory=dict)
    there: list[MirrorJob] = field(default_factory=list)


@dataclass
class _Total:
    """What came of all data sets so far, and what of it is to be entered in the manifest."""

    target: MirrorTarget
    origin: str
    files: int = 0
    size: int = 0
    skipped: int = 0
    jobs: int = 0
    failures: list[MirrorFailure] = field(default_factory=list)
    excluded: Counter[str] = field(default_factory=Counter)
    ids: list[int] = field(default_factory=list)
    pending: list[MirrorJob] = field(default_factory=list)
    held: dict[Place, Held] = field(default_factory=dict)
    failed: list[MirrorFailure] = field(default_factory=list)

    def add(self, dataset_id: int, jobs: Sequence[MirrorJob], copied: _Copied) -> None:
        """Count what came of a data set."""
        self.files += 1 + len(copied.written)
        self.size += sum(copied.written.values())
        self.skipped += len(copied.there)
        self.jobs += len(jobs)
        self.failed += [
            MirrorFailure(job.image.id, job.view, job.file, error.reason)
            for job, error in copied.failed.items()
        ]
        self.ids.append(dataset_id)
        self.pending += jobs
        self.held |= held_after(self.target.contents, copied.written, copied.there)

    def enter(self) -> None:
        """Have the manifest say it."""
        self.target.write_manifest(self.origin, self.ids, self.held, self.pending, self.failed)
        self.failures += self.failed
        self.ids, self.pending, self.held, self.failed = [], [], {}, []

    def summary(self) -> MirrorSummary:
        """Return what it was in all."""
        failures = tuple(sorted(self.failures, key=lambda failure: failure.file))
        excluded = dict(self.excluded.most_common())
        return MirrorSummary(self.files, self.size, self.skipped, failures, excluded)


def save_mirror(
    dataset_ids: Iterable[int | str],
    path: str,
    *,
    source: Source,
    tiers: Sequence[int] | Callable[[int], Sequence[int]],
    views: Sequence[View] = ("image",),
    range: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    progress: Callable[[int, int], None] | None = None,
) -> MirrorSummary:
    """Copy data sets into a folder that can be opened in place of the service.

    What is there already, whole, is not fetched again: an interrupted call can be repeated. A
    square of which all tiles are there is such; if one of them is not, the square is fetched. Data
    sets are copied one after the other, so that no more than one of them is in memory.

    Parameters
    ----------
    dataset_ids : iterable of int or str
        The data sets, each as `atldld_xr.open_dataset` takes it.
    path : str
        A local path or a URL that fsspec can write to.
    source : Source
        Where they come from.
    tiers : sequence of int, or callable
        The tiers to copy; of each image, those that it has. Or ``tiers(dataset_id)`` returns them.
    views : sequence of View
        What to copy of each section. Masks are copied where there are any.
    range : sequence or mapping, optional
        As for `atldld_xr.open_dataset`.
    storage_options : mapping, optional
        Passed to fsspec.
    on_error : {"raise", "skip"}
        Whether a tile that cannot be had ends the copying, or is recorded in ``mirror.json`` and
        in the summary. Calling again tries those anew.
    progress : callable, optional
        Called with the requests done and their total, after each; of several data sets the total
        is foretold from those before.

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
        known = ", ".join(get_args(View))
        raise InvalidArgumentError(f"views are some of {known}, not {short(views)}")
    check_range(range)
    connections = setting("http.connections", as_int)
    target = MirrorTarget(MirrorSource(path, storage_options))
    target.check()
    ids = list(dict.fromkeys(map(parse_dataset_name, dataset_ids)))
    total = _Total(target, source.url)
    for number, dataset_id in enumerate(ids, 1):
        record = source.dataset_record(dataset_id)
        data = windowed_dataset(parse_dataset(record), range)
        wanted = tiers(dataset_id) if callable(tiers) else tiers
        jobs = _list_jobs(source, [data], wanted, views)
        total.size += target.write(dataset_file(dataset_id), _envelope(record))
        # Of those to come nobody knows yet: as many each as of those before.
        planned = round((total.jobs + len(jobs)) * len(ids) / number)
        told = partial(_tell, progress, total.jobs, planned) if progress else None
        copied = _copy_all(source, target, jobs, on_error, connections, told)
        total.add(dataset_id, jobs, copied)
        total.excluded.update(count_reasons(section.reason for section in data.excluded))
        if number == len(ids) or len(total.pending) >= _MOST_PENDING:
            total.enter()
    return total.summary()


def _tell(progress: Callable[[int, int], None], before: int, total: int, done: int) -> None:
    progress(before + done, total)


def _copy_all(
    source: Source,
    target: MirrorTarget,
    jobs: Sequence[MirrorJob],
    on_error: Literal["raise", "skip"],
    connections: int,
    told: Callable[[int], None] | None,
) -> _Copied:
    """Copy what a data set has, as much at a time as there are connections."""
    total = _Copied()
    pool = ThreadPoolExecutor(connections)
    try:
        futures = {pool.submit(_copy, source, target, job, on_error): job for job in jobs}
        for done, future in enumerate(as_completed(futures), 1):
            copied = future.result()
            total.written |= copied.written
            total.failed |= copied.failed
            if not copied.written and not copied.failed:
                total.there.append(futures[future])
            if told:
                told(done)
    finally:
        # Not waited for: after an interrupt, tries under way may go on for a minute.
        pool.shutdown(wait=False, cancel_futures=True)
    return total


def _list_jobs(
    source: Source, parsed: Sequence[SectionDataset], tiers: Sequence[int], views: Sequence[View]
) -> list[MirrorJob]:
    most = max((image.tier_count for data in parsed for image in data.images), default=0)
    if not _are_tiers(tiers, most):
        raise InvalidArgumentError(
            f"tiers are whole numbers from 0 to {most - 1}, not {short(tiers)}"
        )
    return [
        MirrorJob(image, tile, view, side)
        for data in parsed
        for image in data.images
        for view in dict.fromkeys(views)
        if has_view(image, view) and (data.has_projections or view not in PROJECTIONS)
        for tier in sorted(set(tiers))
        if tier < image.tier_count
        for tile, side in _pieces(source, image, tier, view)
    ]


def _are_tiers(tiers: object, most: int) -> bool:
    return (
        isinstance(tiers, Sequence)
        and bool(tiers)
        and all(is_whole(tier) and 0 <= tier < most for tier in tiers)
    )


def _pieces(source: Source, image: SectionImage, tier: int, view: View) -> list[tuple[Tile, int]]:
    """Return the largest that a source is asked for, each with the side of the tiles in it."""
    width, height = tier_size(image.width, tier), tier_size(image.height, tier)
    # Those of a source without bytes are drawn here: on the grid that a mirror is read on.
    side = piece_side = service_tile_side(image, tier)
    if isinstance(source, BytesSource):
        side = piece_side = source.tile_side(image, tier, view)
        if isinstance(source, WideSource):
            piece_side = max(side, min(source.piece_side(image, tier, view), PIECE_SIDE))
    if piece_side >= max(width, height):
        return [(Tile(tier, 0, 0, width, height, whole=True), max(width, height))]
    return [
        (piece, side) for piece in split(Tile(tier, 0, 0, width, height, whole=True), piece_side)
    ]


def _copy(
    source: Source, target: MirrorTarget, job: MirrorJob, on_error: Literal["raise", "skip"]
) -> _Copied:
    """Copy an image or a part of it, if it is not there already."""
    if target.holds(job):
        return _Copied()
    try:
        return _Copied({job: target.write(job.file, _fetch(source, job))})
    except SectionImageError as error:
        # Of a square some tiles may be fine, and a service may take no request as large as it.
        tiles = job.tiles()
        if not tiles:
            if on_error == "raise":
                raise
            return _Copied(failed={job: error})
    copied = _Copied()
    for tile in tiles:
        part = _copy(source, target, tile, on_error)
        copied.written |= part.written
        copied.failed |= part.failed
    return copied


def _fetch(source: Source, job: MirrorJob) -> bytes:
    if isinstance(source, BytesSource):
        return source.fetch_bytes(job.image, job.tile, job.view)
    return encode(source.read(job.image, job.tile, job.view), _QUALITY)


def _envelope(record: Mapping[str, Any]) -> bytes:
    """Return a record in the envelope that the service answers with."""
    counts = {"id": 0, "start_row": 0, "num_rows": 1, "total_rows": 1}
    return json.dumps({"success": True, **counts, "msg": [record]}, indent=1).encode()
