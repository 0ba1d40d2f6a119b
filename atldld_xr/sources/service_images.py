"""Pixels of the service: asked for by windows, checked, kept, and cut from what is kept."""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import GREY, Tile, View, slide_offset, starts_before
from atldld_xr.allen.windowed import name_of, range_in
from atldld_xr.errors import SectionImageError
from atldld_xr.sources import answers, http, jpeg
from atldld_xr.sources.cache import Cache, default_cache
from atldld_xr.sources.kept_pieces import cut, larger
from atldld_xr.sources.noticed import noticed
from atldld_xr.sources.recent_pixels import whole_images

# The filter that turns the service's colours of a mask into one grey channel.
_GREY_FILTER = {"filter": "colormap", "filterVals": "0,1,0,256,0"}

VIEWS: dict[View, dict[str, str]] = {
    "image": {},
    "expression": {"view": "expression"},
    "intensity": {"view": "expression", **_GREY_FILTER},
    "projection": {"view": "projection"},
    "projection_intensity": {"view": "projection", **_GREY_FILTER},
}

# Where they are downloaded from.
_DOWNLOADS: dict[View, str] = {
    "projection": "projection_image_download",
    "projection_intensity": "projection_image_download",
}


@dataclass(frozen=True)
class ServiceImages:
    """The section images of a service.

    Attributes
    ----------
    url : str
        Its base address.
    offline : bool
        Whether the cache alone is looked into.
    """

    url: str
    offline: bool

    def read(self, image: SectionImage, tile: Tile, view: View) -> NDArray[np.uint8]:
        """Return verified pixels, as `ApiSource.read` does."""
        cache = default_cache()
        if self._cuts(tile) is False:
            return self._cut(image, tile, view)
        # What came in a larger piece is not asked for again.
        for piece in dict.fromkeys((tile, *larger(image, tile))) if cache else ():
            if kept := self._kept(image, piece, view, cache):
                return cut(kept[1], piece, tile)
        return self._fetch(image, tile, view, cache)[1]

    def fetch_bytes(self, image: SectionImage, tile: Tile, view: View) -> bytes:
        """Return the verified JPEG of a rectangle, or where the service cuts none one made here."""
        cache = default_cache()
        if self._cuts(tile) is False:
            return jpeg.encode(self._cut(image, tile, view))
        kept = self._kept(image, tile, view, cache)
        data, pixels = kept or self._fetch(image, tile, view, cache)
        return data or jpeg.encode(pixels)

    def _cuts(self, tile: Tile) -> bool | None:
        """Return whether the service answers with a rectangle alone; None if that is not known."""
        return tile.whole or noticed().cuts_windows(self.url)

    def _fetch(
        self, image: SectionImage, tile: Tile, view: View, cache: Cache | None
    ) -> tuple[bytes, NDArray[np.uint8]]:
        """Return pixels and the JPEG that they are from, empty if it is of more than the tile."""
        download = _DOWNLOADS.get(view, "section_image_download")
        address = f"{self.url}/{download}/{image.id}"
        try:
            data, pixels = http.get(
                address,
                params=_window(image, tile, view),
                check=lambda data: (data, self._decode(data, image, tile, view)),
                limit=answers.most_bytes(image, tile, or_whole=self._cuts(tile) is None),
                offline=self.offline,
            )
        except http.TransportError as error:
            raise SectionImageError(image.id, error.address, error.full_reason) from error
        came = tile if pixels is not None else answers.whole_tile(image, tile.tier)
        if cache:
            cache.put(self._key(image, came, view), data)
        return (data, pixels) if pixels is not None else (b"", self._cut(image, tile, view))

    def _decode(
        self, data: bytes, image: SectionImage, tile: Tile, view: View
    ) -> NDArray[np.uint8] | None:
        """Return a tile's pixels, None if the whole image came in its place."""
        answer = answers.decode(data, tile, grey=view in GREY, image=image)
        noticed().enter(self.url, answer, tile)
        if view in GREY:
            noticed().look_for_colours(self.url, data)
        return answer.pixels

    def _kept(
        self, image: SectionImage, tile: Tile, view: View, cache: Cache | None
    ) -> tuple[bytes, NDArray[np.uint8]] | None:
        """Return what the cache has of a rectangle, None if it has nothing that is good."""
        key = self._key(image, tile, view)
        if cache and (kept := cache.get(key)) is not None:
            with contextlib.suppress(ValueError):
                pixels = self._decode(kept, image, tile, view)
                if pixels is not None:
                    return kept, pixels
            cache.discard(key)  # the disk's fault, or another's hand: fetched again
        return None

    def _key(self, image: SectionImage, tile: Tile, view: View) -> str:
        return f"{cache_folder(self.url)}/section_image/{image.id}/{_name(image, tile, view)}.jpg"

    def _cut(self, image: SectionImage, tile: Tile, view: View) -> NDArray[np.uint8]:
        """Return a tile's pixels, cut here from the whole image."""
        whole = answers.whole_tile(image, tile.tier)
        if whole.width * whole.height > jpeg.MOST_PIXELS:
            raise SectionImageError(
                image.id,
                self.url,
                f"the service cuts no windows, and of {whole.width} x {whole.height} px not all "
                "are read at once: take a coarser tier",
            )
        key = (self.url, image.id, tile.tier, name_of(image, view))
        pixels = whole_images().get(key, lambda: self.read(image, whole, view))
        assert pixels is not None  # `read` returns some, or raises
        return cut(pixels, whole, tile)


@lru_cache(maxsize=16)
def cache_folder(url: str) -> str:
    """Return the cache's folder for an address: the host for people, the hash to tell it apart."""
    host = re.sub(r"[^a-z0-9.-]+", "_", urlsplit(url).netloc.lower()).strip("._-")
    return f"{host[:60]}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"


def _window(image: SectionImage, tile: Tile, view: View) -> dict[str, str | int]:
    """Return the query for a tile: its origin in pixels of the slide, its size in the tier's.

    Without a window the service returns the section's part of its slide, which is all of the tile.
    Where that starts within a pixel of the tier, it is not left to the service to round.
    """
    params: dict[str, str | int] = {"downsample": tile.tier}
    starts_within = any(starts_before(offset, tile.tier) for offset in (image.x, image.y))
    if not tile.whole or starts_within:
        params |= {
            "left": slide_offset(image.x, tile.left, tile.tier),
            "top": slide_offset(image.y, tile.top, tile.tier),
            "width": tile.width,
            "height": tile.height,
        }
    if values := range_in(image, view):
        params["range"] = ",".join(map(str, values))
    return params | VIEWS[view]


def _name(image: SectionImage, tile: Tile, view: View) -> str:
    place = "" if tile.whole else f"_{tile.left}_{tile.top}_{tile.width}x{tile.height}"
    name = name_of(image, view)
    return f"{tile.tier}{place}" + ("" if name == "image" else f"_{name}")
