"""What is on a page: the pixels of a figure, and of the part that its axes take."""

from __future__ import annotations

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def page(**options):
    """Return axes on a figure that pyplot knows nothing of."""
    return Figure(**{"figsize": (7, 5), "dpi": 100, **options}).subplots()


def drawn(figure):
    """Return a figure's pixels, uint8 (rows, columns, 3), the upper row first."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def inside(ax):
    """Return the pixels between the spines of axes."""
    pixels = drawn(ax.figure)
    box = ax.get_window_extent()
    height = pixels.shape[0]
    rows = slice(height - round(box.y1) + 1, height - round(box.y0) - 1)
    return pixels[rows, round(box.x0) + 1 : round(box.x1) - 1]


def likeness(page_pixels, expected):
    """Return how like two pictures are, 1 for the same, whatever their sizes."""
    height, width = page_pixels.shape[:2]
    other = cv2.resize(expected, (width, height), interpolation=cv2.INTER_AREA)
    grey = [picture.astype(float).mean(-1).ravel() for picture in (page_pixels, other)]
    return float(np.corrcoef(*grey)[0, 1])
