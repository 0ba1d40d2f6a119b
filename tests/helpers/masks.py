"""A data set some of whose sections have no mask, or one that cannot be read."""

from __future__ import annotations

from typing import Any

import numpy as np

import atldld_xr
from atldld_xr.errors import SectionImageError
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource

WITHOUT, FAILING = FIRST_IMAGE_ID + 1, FIRST_IMAGE_ID + 2
READABLE = [True, False, False, True]


class Masks(NoiseSource):
    """Four sections: the second has no mask, and that of the third cannot be read at times."""

    fails = True

    def read(self, image: Any, tile: Any, view: str) -> np.ndarray:
        if image.id == FAILING and view != "image" and Masks.fails:
            raise SectionImageError(image.id, "memory://mask", "it is made to fail")
        return super().read(image, tile, view)


def open_masks(**options):
    options = {"resolution": 100, "expression": "intensity", "on_error": "fill"} | options
    return atldld_xr.open_dataset(DATASET_ID, source=Masks(sections=4), **options)
