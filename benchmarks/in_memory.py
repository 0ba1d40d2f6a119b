"""A source without files or network: sections of one grey each, for what is not about pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import Tile, View
from atldld_xr.sources.protocol import service_tile_side
from atldld_xr.testing import Phantom

DATASET_ID = 900000090


@dataclass(frozen=True)
class MemorySource:
    """One data set of any number of sections.

    Parameters
    ----------
    count : int
        Sections.
    pixel : float
        Pixel size, in micrometres.
    """

    count: int
    pixel: float

    @property
    def url(self) -> str:
        """Where it is, for people."""
        return "memory"

    def dataset_record(self, dataset_id: int) -> Mapping[str, Any]:
        """Return the data set's record."""
        return _record(self)

    def image_record(self, image_id: int) -> Mapping[str, Any]:
        """Return a section image's record."""
        return next(i for i in _record(self)["section_images"] if i["id"] == image_id)

    def tiers(self, image: SectionImage, view: View) -> frozenset[int] | None:
        """Return None: every tier can be had."""
        return None

    def tile_side(self, image: SectionImage, tier: int, view: View) -> int:
        """Return the side of the tile grid: the service's."""
        return service_tile_side(image, tier)

    def read(self, image: SectionImage, tile: Tile, view: View) -> NDArray[np.uint8]:
        """Return grey pixels."""
        return np.full((tile.height, tile.width, 3), image.id % 200, dtype=np.uint8)


@lru_cache(maxsize=1)
def _record(source: MemorySource) -> dict[str, Any]:
    # Sections as thin as it takes for all of them to lie in one brain.
    phantom = Phantom(DATASET_ID, resolution=source.pixel, count=source.count, spacing=1)
    record = phantom._record()
    for image in record["section_images"]:
        image["failed"] = False
    return record
