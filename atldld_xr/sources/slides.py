"""Windows of slides, which are TIFFs in a bucket: no more of these is read than windows need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.bucket_layout import Crop
from atldld_xr.errors import AtldldError, StoreError
from atldld_xr.files.ranges import RangedFile
from atldld_xr.files.storage_options import StorageOptionsRef, store_errors
from atldld_xr.forks import PerProcess
from atldld_xr.messages.text import format_bytes
from atldld_xr.settings import as_bytes, setting
from atldld_xr.sources.recent_pixels import Recent, whole_images
from atldld_xr.sources.recent_segments import recent_segments
from atldld_xr.sources.retry import TransportError, TryError, persist
from atldld_xr.sources.tiff import MOST_HEADER_BYTES, InvalidTiffError, Segment, Tiff

T = TypeVar("T")

_BATCH = 32_000_000  # bytes of pixels that are fetched and decoded at a time
_LARGE = 32_000_000  # bytes of a segment of which one is kept, not many

_headers: PerProcess[Recent[Tiff]] = PerProcess(lambda: Recent(64_000_000))
"""The headers of slides that were read last."""


@dataclass(frozen=True)
class Slide:
    """A slide's image at a tier.

    Attributes
    ----------
    folder : str
        The bucket.
    key : str
        Its name there.
    options : StorageOptionsRef
        For the file system.
    """

    folder: str
    key: str
    options: StorageOptionsRef

    @property
    def url(self) -> str:
        """Where it is, for people."""
        return f"{self.folder}/{self.key}"

    def read(self, crop: Crop, left: int, top: int, width: int, height: int) -> NDArray[np.uint8]:
        """Return pixels of a window, (height, width, 3).

        Parameters
        ----------
        crop : Crop
            The part of the slide that the section is.
        left, top, width, height : int
            The window, counted from the section's corner.

        Raises
        ------
        FileNotFoundError
            If there is no such slide.
        TransportError
            If it cannot be read, after all retries.
        """
        tiff = self._header()
        size = tiff.width, tiff.height
        if size != (crop.slide_width, crop.slide_height):
            announced = (crop.slide_width, crop.slide_height)
            raise TransportError(f"it is of {size} pixels, announced as of {announced}", self.url)
        # The last rows and columns of a section may be announced, and not be on the slide.
        left, top = min(crop.x + left, tiff.width - 1), min(crop.y + top, tiff.height - 1)
        right, bottom = min(left + width, tiff.width), min(top + height, tiff.height)
        out = np.empty((bottom - top, right - left, 3), np.uint8)
        for segment, pixels in self._pixels(tiff, left, top, right - left, bottom - top):
            y0, x0 = max(segment.top, top), max(segment.left, left)
            y1 = min(segment.top + segment.height, bottom)
            x1 = min(segment.left + segment.width, right)
            out[y0 - top : y1 - top, x0 - left : x1 - left] = pixels[
                y0 - segment.top : y1 - segment.top, x0 - segment.left : x1 - segment.left
            ]
        return out

    def _header(self) -> Tiff:
        def parse(file: RangedFile) -> Tiff:
            size = file.size()
            return Tiff(file.opened(MOST_HEADER_BYTES, size), size)

        header = _headers().get(self, lambda: self._try(parse))
        assert header is not None
        return header

    def _pixels(
        self, tiff: Tiff, left: int, top: int, width: int, height: int
    ) -> Iterator[tuple[Segment, NDArray[np.uint8]]]:
        """Yield what has pixels of a window, with these, a few at a time."""
        segments = tiff.segments(left, top, width, height)
        each, limit = tiff.segment_bytes, setting("bucket.limit", as_bytes)
        if each > limit:
            raise TransportError(
                f"it is packed in pieces of {format_bytes(each)}, of which no part can be read; "
                f"the setting bucket.limit allows {format_bytes(limit)}: raise it, or take a "
                "coarser tier",
                self.url,
            )

        def fetch(wanted: Sequence[Segment]) -> list[NDArray[np.uint8]]:
            def decode(file: RangedFile) -> list[NDArray[np.uint8]]:
                parts = file.read([(segment.start, segment.end) for segment in wanted])
                pairs = zip(wanted, parts, strict=True)
                return [tiff.decode(segment, data) for segment, data in pairs]

            return self._try(decode)

        def first_of(wanted: Sequence[Segment]) -> NDArray[np.uint8]:
            return fetch(wanted)[0]

        count = max(_BATCH // each, 1)
        for first in range(0, len(segments), count):
            batch = segments[first : first + count]
            if each > _LARGE:
                pixels = whole_images().get((self, batch[0]), partial(first_of, batch))
                assert pixels is not None
                yield batch[0], pixels
                continue
            keys = [(self, segment) for segment in batch]
            found = recent_segments().get(keys, lambda keys: fetch([s for _, s in keys]))
            yield from zip(batch, found, strict=True)

    def _try(self, attempt: Callable[[RangedFile], T]) -> T:
        """Return what is made of the file, trying again while failures may pass."""
        self.options.options()  # not known here: no failure of the slide, and not tried again
        file = RangedFile(self.folder, self.key, self.options, "bucket")

        def once() -> T:
            try:
                with store_errors("it cannot be read", self.options):
                    try:
                        return attempt(file)
                    except FileNotFoundError as error:
                        raise _NotThereError from error
            except InvalidTiffError as error:
                raise TryError(str(error), again=error.may_pass and not file.is_local) from error
            except StoreError as error:
                raise TryError(str(error), again=not file.is_local) from error

        try:
            return persist(once, self.url)
        except _NotThereError:
            raise FileNotFoundError(self.url) from None


class _NotThereError(AtldldError):
    """There is no such file."""
