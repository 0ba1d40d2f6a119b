"""What the server's images are made from: the phantom, or files of a folder."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from atldld_xr.allen.fluorescence import Range
from atldld_xr.allen.tiers import GREY, View, tier_size
from atldld_xr.errors import DatasetNotFoundError
from atldld_xr.phantom.drawing import draw
from atldld_xr.phantom.phantom import Phantom
from atldld_xr.phantom.projections import projection_grid
from atldld_xr.sources.projection_grids import KINDS
from atldld_xr.testing.atlas import nrrd_file
from atldld_xr.testing.genes import GenePhantom
from atldld_xr.testing.quirks import Quirks, Sampling
from atldld_xr.warp.averages import reduce_tile


def _glass(view: View) -> tuple[int, ...]:
    return (239, 240, 241) if view == "image" else (0,) if view in GREY else (0, 0, 0)


class Window(NamedTuple):
    """A rectangle of one tier of a section image, in its pixels from the section's corner.

    It may reach beyond the section, over the slide.
    """

    tier: int
    left: int
    top: int
    width: int
    height: int


class Pictures(Protocol):
    """Where a server's images come from."""

    def jpeg(
        self,
        image: Mapping[str, Any],
        window: Window,
        view: View,
        quality: int,
        values: Range | None,
    ) -> bytes | None:
        """Return a JPEG, or None if there is no such image."""

    def grid(self, dataset_id: int, kind: str, resolution: int) -> bytes | None:
        """Return an NRRD file of a grid of projections, or None if there is none."""


class PhantomPictures:
    """Images drawn on demand.

    Parameters
    ----------
    phantoms : mapping of int to Phantom
        By data set id.
    quirks : Quirks
        How they are encoded.
    """

    def __init__(self, phantoms: Mapping[int, Phantom], quirks: Quirks) -> None:
        self._phantoms = phantoms
        self._sampling = quirks.sampling
        self._drawn = Memo()

    def jpeg(
        self,
        image: Mapping[str, Any],
        window: Window,
        view: View,
        quality: int,
        values: Range | None,
    ) -> bytes | None:
        """Return a JPEG of the window; of what is on the slide beside the section, bare glass."""
        phantom = self._phantoms[image["data_set_id"]]
        if type(phantom) is not GenePhantom:
            return self._draw(phantom, image, window, view, quality, values)
        # Thousands that differ in their ids and genes alone are drawn once.
        place = image["id"] - phantom.record["section_images"][0]["id"]
        alike = replace(phantom, id=0, gene="")
        key = (alike, place, image["x"], image["y"], window, view, quality, values)
        return self._drawn.get(
            key, lambda: self._draw(phantom, image, window, view, quality, values)
        )

    def _draw(
        self,
        phantom: Phantom,
        image: Mapping[str, Any],
        window: Window,
        view: View,
        quality: int,
        values: Range | None,
    ) -> bytes | None:
        inside = _inside(image, window)
        pixels = np.empty((window.height, window.width, len(_glass(view))), np.uint8)
        pixels[:] = _glass(view)
        if inside.width > 0 and inside.height > 0:
            down, right = inside.top - window.top, inside.left - window.left
            try:
                part = draw(phantom, image, *inside, view, values)
            except DatasetNotFoundError:
                return None
            pixels[down : down + inside.height, right : right + inside.width] = part.reshape(
                inside.height, inside.width, -1
            )
        return encode(pixels, quality, self._sampling)

    def grid(self, dataset_id: int, kind: str, resolution: int) -> bytes | None:
        """Return one by formula, but for those of 10 um."""
        if dataset_id not in self._phantoms or kind not in KINDS:
            return None
        try:
            values = projection_grid(self._phantoms[dataset_id], kind, resolution)
        except DatasetNotFoundError:
            return None
        return nrrd_file(values, resolution)


class MirrorPictures:
    """Images from a folder of JPEG files, named after what was downloaded.

    Parameters
    ----------
    folder : Path
        Holds ``section_image_{id}_downsample_{tier}.jpg`` for whole sections, and
        ``..._{left}_{top}_{width}x{height}.jpg`` for windows in pixels of the tier; before ``.jpg``
        may come ``_expression`` or ``_intensity``, or ``_range_...`` of values that are asked for.
    quirks : Quirks
        How what is cut is encoded.
    """

    def __init__(self, folder: Path, quirks: Quirks) -> None:
        self._folder = folder
        self._sampling = quirks.sampling

    def jpeg(
        self,
        image: Mapping[str, Any],
        window: Window,
        view: View,
        quality: int,
        values: Range | None,
    ) -> bytes | None:
        """Return a file as it is, or what can be cut from a file of a whole section."""
        tier, left, top, width, height = window
        size = tuple(tier_size(image[side], tier) for side in ("width", "height"))
        names = [f"{tier}_{left}_{top}_{width}x{height}"]
        if (left, top, width, height) == (0, 0, *size):
            names.insert(0, f"{tier}")
        for name in names:
            file = self._file(image["id"], name, view, values)
            if file.is_file():
                return file.read_bytes()
        for finer in range(tier, -1, -1):
            file = self._file(image["id"], f"{finer}", view, values)
            if file.is_file():
                whole = _reduced(file, tier - finer, size, view in GREY)
                return encode(_cut(whole, window, _glass(view)), quality, self._sampling)
        return None

    def grid(self, dataset_id: int, kind: str, resolution: int) -> bytes | None:
        """Return the file ``KIND_ID_RESOLUTION.nrrd`` as it is."""
        file = self._folder / f"{kind}_{dataset_id}_{resolution}.nrrd"
        return file.read_bytes() if kind in KINDS and file.is_file() else None

    def _file(self, image_id: int, name: str, view: View, values: Range | None) -> Path:
        suffix = "" if view == "image" else f"_{view}"
        if view == "image" and values:
            suffix = "_".join(("_range", *map(str, values)))
        return self._folder / f"section_image_{image_id}_downsample_{name}{suffix}.jpg"


class Memo:
    """Results by key, of which the least recently used are forgotten.

    Parameters
    ----------
    limit : int
        Bytes to keep.
    """

    def __init__(self, limit: int = 256_000_000) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, make: Callable[[], bytes | None]) -> bytes | None:
        """Return what was made for a key; makes it once, also if many ask at the same time."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._kept:
                    self._making.pop(key, None)
                    self._kept.move_to_end(key)
                    return self._kept[key]
            made = make()
            with self._lock:
                self._making.pop(key, None)
                if made is not None and key not in self._kept:
                    self._kept[key] = made
                    self._bytes += len(made)
                while self._bytes > self._limit:
                    self._bytes -= len(self._kept.popitem(last=False)[1])
            return made


def encode(pixels: NDArray[np.uint8], quality: int, sampling: Sampling = "444") -> bytes:
    """Return the JPEG of (height, width, 3 or 1) pixels, by default with every pixel's colour."""
    is_grey = pixels.shape[2] == 1
    out: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels),
        quality=quality,
        colorspace="GRAY" if is_grey else "RGB",
        colorsubsampling="Gray" if is_grey else sampling,
    )
    return out


def decode(data: bytes) -> NDArray[np.uint8]:
    """Return the pixels of a JPEG, (height, width, 3), or (height, width, 1) if it is grey."""
    grey = simplejpeg.decode_jpeg_header(data)[2].lower() == "gray"
    out: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colorspace="GRAY" if grey else "RGB")
    return out


def _inside(image: Mapping[str, Any], window: Window) -> Window:
    """Return the part of a window that is on the section."""
    tier, left, top, width, height = window
    right = min(left + width, tier_size(image["width"], tier))
    bottom = min(top + height, tier_size(image["height"], tier))
    left, top = max(left, 0), max(top, 0)
    return Window(tier, left, top, right - left, bottom - top)


@lru_cache(maxsize=4)
def _reduced(file: Path, halvings: int, size: tuple[int, ...], grey: bool) -> NDArray[np.uint8]:
    """Return a whole section from a file of a finer tier, as the service's tiers are: means."""
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        file.read_bytes(), colorspace="GRAY" if grey else "RGB"
    )
    width, height = size
    whole = reduce_tile(pixels[: height << halvings, : width << halvings], halvings)
    return whole.reshape(height, width, -1)


def _cut(whole: NDArray[np.uint8], window: Window, glass: tuple[int, ...]) -> NDArray[np.uint8]:
    _, left, top, width, height = window
    out = np.empty((height, width, whole.shape[2]), np.uint8)
    out[:] = glass
    part = whole[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    down, right = max(-top, 0), max(-left, 0)
    out[down : down + part.shape[0], right : right + part.shape[1]] = part
    return out
