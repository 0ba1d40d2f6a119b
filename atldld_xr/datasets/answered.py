"""A source that has been asked already: plans are made of what it answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import Tile, View
from atldld_xr.sources.protocol import Source


class NotAskedYet(Exception):
    """All arguments are good, and a record would be asked for."""


class Answered:
    """A source, with its answer to the one thing that a plan asks for.

    Parameters
    ----------
    source : Source
        Where all else comes from.
    record : mapping, optional
        The data set's record; without one, `NotAskedYet` is raised where it is asked for.
    """

    def __init__(self, source: Source, record: Mapping[str, Any] | None = None) -> None:
        self.source = source
        self._record = record

    @property
    def url(self) -> str:
        """Where it is."""
        return self.source.url

    def dataset_record(self, dataset_id: int) -> Mapping[str, Any]:
        """Return the record."""
        if self._record is None:
            raise NotAskedYet
        return self._record

    def image_record(self, image_id: int) -> Mapping[str, Any]:
        """Return a section image's, as the source does."""
        return self.source.image_record(image_id)

    def tiers(self, image: SectionImage, view: View) -> frozenset[int] | None:
        """Return the tiers at hand, as the source does."""
        return self.source.tiers(image, view)

    def tile_side(self, image: SectionImage, tier: int, view: View) -> int:
        """Return the side of the grid of tiles, as the source does."""
        return self.source.tile_side(image, tier, view)

    def read(self, image: SectionImage, tile: Tile, view: View) -> NDArray[np.uint8]:
        """Return pixels, as the source does."""
        return self.source.read(image, tile, view)
