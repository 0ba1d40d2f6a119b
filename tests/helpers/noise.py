"""A source in memory: sections of noise, the hardest thing to resample the same way twice."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from atldld_xr.errors import DatasetNotFoundError, SectionImageError
from atldld_xr.known_as import known_as

DATASET_ID = 5
FIRST_IMAGE_ID = 100


@known_as("noise")  # as this package's own sources: Dask's token is another in each Python
@dataclass(frozen=True)
class NoiseSource:
    """A data set of noise; `bad` holds (image id, left, top) of tiles that cannot be read."""

    plane: int = 1
    sections: int = 3
    width: int = 901
    height: int = 703
    resolution: float = 10.0
    tile: int = 128
    have: frozenset[int] | None = None
    bad: tuple[tuple[int, int, int], ...] = ()
    url: str = "memory"

    def dataset_record(self, dataset_id: int) -> dict[str, Any]:
        if dataset_id != DATASET_ID:
            raise DatasetNotFoundError(f"there is no data set {dataset_id}")
        return record(self.plane, self.sections, self.width, self.height, self.resolution)

    def image_record(self, image_id: int) -> dict[str, Any]:
        images = self.dataset_record(DATASET_ID)["section_images"]
        return next(image for image in images if image["id"] == image_id)

    def tiers(self, image: Any, view: str) -> frozenset[int] | None:
        return self.have

    def tile_side(self, image: Any, tier: int, view: str) -> int:
        return self.tile

    def read(self, image: Any, tile: Any, view: str) -> np.ndarray:
        if (image.id, tile.left, tile.top) in self.bad:
            raise SectionImageError(image.id, "memory://tile", "it is made to fail")
        pixels = noise(image.id, image.height >> tile.tier, image.width >> tile.tier, tile.tier)
        rows = slice(tile.top, tile.top + tile.height)
        out = pixels[rows, tile.left : tile.left + tile.width]
        return out[..., 0] if view == "intensity" else out


@dataclass(frozen=True)
class LoggedNoise(NoiseSource):
    """Noise that writes each tile it is asked for in a file, in whatever process."""

    log: str = ""

    def read(self, image: Any, tile: Any, view: str) -> np.ndarray:
        with open(self.log, "a") as file:
            file.write(f"{image.id} {tile.left} {tile.top} {view}\n")
        return super().read(image, tile, view)

    def asked(self) -> Counter[str]:
        """Return how often each tile was asked for, and forget it."""
        with open(self.log, "r+") as file:
            found = Counter(file.read().splitlines())
            file.truncate(0)
        return found


@dataclass(frozen=True)
class WatchedNoise(NoiseSource):
    """Noise that tells, in this process, of which image and tier each tile was, and how large."""

    seen: list[tuple[int, int, int]] = field(default_factory=list, compare=False)

    def read(self, image: Any, tile: Any, view: str) -> np.ndarray:
        self.seen.append((image.id, tile.tier, tile.width * tile.height))
        return super().read(image, tile, view)

    def told(self) -> tuple[set[int], set[int], int]:
        """Return which images and tiers were read, and how many pixels; forget it."""
        ids, tiers, counts = zip(*self.seen, strict=True) if self.seen else ((), (), ())
        self.seen.clear()
        return set(ids), set(tiers), sum(counts)


@lru_cache(maxsize=16)
def noise(seed: int, height: int, width: int, tier: int) -> np.ndarray:
    """Return uint8 noise, (height, width, 3)."""
    return np.random.default_rng([seed, tier]).integers(0, 256, (height, width, 3), np.uint8)


def record(plane: int, sections: int, width: int, height: int, resolution: float) -> dict[str, Any]:
    """Return a data set's record, with oblique sections; the second has no expression mask."""
    linear = np.array([[0.02, 0.03, 1.0], [-0.03, 1.01, 0.02], [1.0, 0.03, -0.02]])
    if plane == 2:
        linear = linear[::-1, :]
    shift = np.array([300.0, 200.0, 100.0])
    images = []
    for n in range(sections):
        angle = 0.03 + 0.01 * n
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        images.append(
            {
                "id": FIRST_IMAGE_ID + n,
                "data_set_id": DATASET_ID,
                "section_number": 80 + 40 * n,
                "resolution": resolution,
                "width": width,
                "height": height,
                "x": 0,
                "y": 0,
                "image_width": width,
                "image_height": height,
                "tier_count": 3,
                "failed": False,
                "expression_path": None if n == 1 else "some_expression.aff",
                "alignment2d": _pair("tsv", "tvs", resolution * turn, [500.0 + 20 * n, 300.0]),
            }
        )
    return {
        "id": DATASET_ID,
        "plane_of_section_id": plane,
        "reference_space_id": 9 if plane == 1 else 10,
        "section_thickness": 25.0,
        "section_images": images,
        "genes": [{"acronym": "Noise1"}],
        "alignment3d": _pair("tvr", "trv", linear, shift),
    }


def _pair(there: str, back: str, linear: np.ndarray, shift: Any) -> dict[str, float]:
    """Return an affine and its inverse, in the service's numbering."""
    inverse = np.linalg.inv(linear)
    out = {}
    for name, a, t in ((there, linear, np.asarray(shift)), (back, inverse, -inverse @ shift)):
        values = [*a.ravel().tolist(), *t.tolist()]
        out.update({f"{name}_{k:02d}": value for k, value in enumerate(values)})
    return out


def bend_of_noise() -> xr.DataArray:
    """Return a displacement field of one of these images: a part of it is 12 pixels off."""
    off = np.zeros((703, 901, 2))
    off[200:500, 300:600, 0] = 12.0
    coords = {"y": np.arange(703.0), "x": np.arange(901.0)}
    return xr.DataArray(off, coords, ("y", "x", "component"))
