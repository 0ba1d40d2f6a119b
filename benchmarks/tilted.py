"""Phantoms that are cut as obliquely as data sets on record are, as sources in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import Tile, View
from atldld_xr.phantom.alignment import THICKNESS, pack_affines
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.testing import Phantom

Pixels = NDArray[np.uint8]

PIXEL = 1.049
DATASET_ID = 900000091

_MIDDLE = (8731.0, 6127.0)  # of the brain, along both axes of a section, in micrometres


@dataclass(frozen=True)
class Tilted(Phantom):
    """A phantom of which sections are turned against the reference space.

    Parameters
    ----------
    turn : tuple of float
        Degrees about p, i and r.
    """

    turn: tuple[float, ...] = (0.0, 0.0, 0.0)

    def _record(self) -> dict[str, Any]:
        record = super()._record()
        numbers = [image["section_number"] for image in record["section_images"]]
        coronal = self.plane == "coronal"
        axes = [[0, 0, -1], [0, 1, 0], [1, 0, 0]] if coronal else np.eye(3)
        linear = np.eye(3)
        for about in np.diag(np.radians(self.turn)):
            linear = linear @ cv2.Rodrigues(about)[0]
        linear = linear @ axes
        centre = np.array([6600.0, 4000.0, 5700.0 if coronal else 3700.0])
        across = (min(numbers) + max(numbers)) / 2 * THICKNESS
        record["alignment3d"] |= pack_affines(linear, centre - linear @ [*_MIDDLE, across])
        return record


@dataclass(frozen=True)
class TilesInMemory(PhantomSource):
    """Phantoms whose tiles take no time: they show no brain, but how far down they are.

    Attributes
    ----------
    asked : list
        Image and tile of all that was read.
    """

    asked: list[tuple[int, Tile]] = field(default_factory=list, compare=False, repr=False)

    def read(self, image: SectionImage, tile: Tile, view: View) -> Pixels:
        """Return a tile."""
        self.asked.append((image.id, tile))
        rows = (np.arange(tile.height) + tile.top) * (255 * 2**tile.tier / image.height)
        pattern = np.minimum(rows, 255).astype(np.uint8)[:, np.newaxis, np.newaxis]
        return np.repeat(np.repeat(pattern, tile.width, axis=1), 3, axis=2)


def tilted(plane: Literal["coronal", "sagittal"], turn: Sequence[float]) -> TilesInMemory:
    """Return a data set, `DATASET_ID`, of sections of true size, 200 um apart all over the brain.

    Parameters
    ----------
    plane : {"coronal", "sagittal"}
        Its plane.
    turn : sequence of float
        Degrees about p, i and r.
    """
    count, first = (56, 30) if plane == "coronal" else (20, 10)
    one = Tilted(DATASET_ID, plane, PIXEL, count, spacing=8, first=first, turn=tuple(turn))
    return TilesInMemory((one,))
