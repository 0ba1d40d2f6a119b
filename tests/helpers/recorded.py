"""Recorded data of the Allen Institute, where they are at hand, and what is seen in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

ALLEN = Path(__file__).parents[3] / "shared/allen"
IMAGE_ID = 69177654


def find_tissue(image, covered):
    """Return the largest thing that is darker than glass, without its holes."""
    grey = image.astype(float).mean(-1)
    dark = ndimage.binary_opening((grey < 225) & covered)
    labels, count = ndimage.label(ndimage.binary_fill_holes(dark))
    sizes = ndimage.sum_labels(np.ones_like(labels), labels, range(1, count + 1))
    return labels == 1 + np.argmax(sizes)
