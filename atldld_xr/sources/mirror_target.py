"""A mirror that data sets are copied to: what is there, and what its manifest says afterwards."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.tiers import Tile
from atldld_xr.allen.windowed import name_of
from atldld_xr.errors import StoreError
from atldld_xr.files.folders import locked
from atldld_xr.files.zip_files import ZipFiles
from atldld_xr.sources.jpeg import most_bytes
from atldld_xr.sources.mirror import MirrorSource, contents_of
from atldld_xr.sources.mirror_contents import (
    MANIFEST,
    Contents,
    Held,
    add_held,
    image_file,
    write_manifest,
)
from atldld_xr.sources.mirror_job import MirrorJob
from atldld_xr.sources.mirror_pieces import decode_tile, find_pixels

Place = tuple[int, str, int]
"""The id of an image, what is read of it and a tier."""


@dataclass(frozen=True)
class MirrorFailure:
    """A tile that could not be mirrored."""

    section_image_id: int
    view: str
    file: str
    reason: str


class MirrorTarget:
    """The mirror that is written.

    Parameters
    ----------
    mirror : MirrorSource
        Where.

    Attributes
    ----------
    contents : Contents
        What was there when `check` looked.
    """

    def __init__(self, mirror: MirrorSource) -> None:
        self._mirror = mirror
        files = mirror.files()
        if isinstance(files, ZipFiles):
            raise files.refusal()
        self._files = files
        self.contents = Contents(known=False)

    def check(self) -> None:
        """See what is there; raise a StoreError for a manifest that nothing could be added to."""
        self.contents = self._mirror.manifest() or self.contents
        contents_of.cache_clear()
        with suppress(StoreError):  # of what nobody may list, the manifest tells
            self.contents = contents_of(self._mirror)

    def holds(self, job: MirrorJob) -> bool:
        """Tell whether its pixels are there, whole; what is damaged is as good as not there."""

        image, name = job.image, name_of(job.image, job.view)

        def read(piece: Tile, _: Tile) -> NDArray[np.uint8] | None:
            most = most_bytes(piece.width, piece.height)
            try:
                data = self._mirror.cat(image_file(image.id, piece, name), most)
            except FileNotFoundError:
                return None
            return decode_tile(data, piece, job.view)

        sides = self.contents.sides(image.id, job.tile.tier, name)
        try:
            return find_pixels(image, job.tile, sides, read) is not None
        except ValueError:
            return False

    def write(self, name: str, data: bytes) -> int:
        """Write a file and return its bytes; raises a StoreError if it cannot be written."""
        self._files.put(name, data)
        return len(data)

    def write_manifest(
        self,
        origin: str,
        records: Collection[int],
        held: Mapping[Place, Held],
        jobs: Sequence[MirrorJob],
        failures: Sequence[MirrorFailure],
    ) -> None:
        """Add what was copied to the manifest, and replace what it says of failures of the same."""
        # Between the reading and the writing nobody else is to add anything.
        with locked(self._files.url) if self._files.is_local else nullcontext():
            known = self._mirror.manifest() or Contents(known=False)
            contents = _add(known, records, held, jobs, failures)
            try:
                manifest = write_manifest(contents, origin)
            except ValueError as error:
                raise StoreError(
                    f"{self._mirror.path}/{MANIFEST} would not be read again: {error}. All else "
                    "was written; mirror further data sets to another folder"
                ) from None
            self.write(MANIFEST, manifest)
        contents_of.cache_clear()


def held_after(
    contents: Contents, written: Iterable[MirrorJob], there: Iterable[MirrorJob]
) -> dict[Place, Held]:
    """Return how tiers of images are there, of which some was written or was there before."""
    held: dict[Place, Held] = {}
    for jobs, is_new in ((there, False), (written, True)):
        for job in jobs:
            image_id, name, tier = place = job.image.id, name_of(job.image, job.view), job.tile.tier
            before = held.get(place, contents.tiers(image_id, name).get(tier))
            # What was there may be so as tiles, of which the listing tells.
            held[place] = add_held(before, job.held) if is_new or before is None else before
    return held


def _add(
    known: Contents,
    records: Collection[int],
    held: Mapping[Place, Held],
    jobs: Sequence[MirrorJob],
    failures: Sequence[MirrorFailure],
) -> Contents:
    """Return what a mirror holds when jobs are done, but for some that failed."""
    failed = dict(known.failures)
    if failed:
        for job in jobs:
            for tried in (job, *job.tiles()):
                failed.pop(tried.file, None)
    images: dict[int, dict[str, dict[int, Held]]] = {}
    for (image, view, tier), how in sorted(held.items()):  # in whatever order they came
        if image not in images:  # what is known of it may be shared with others
            views = known.images.get(image, {})
            images[image] = {view: dict(tiers) for view, tiers in views.items()}
        images[image].setdefault(view, {})[tier] = how
    now_failed = {failure.file: asdict(failure) for failure in failures}
    return Contents(
        True, known.datasets | set(records), {**known.images, **images}, failed | now_failed
    )
