"""Memory that a thread works in, block after block.

What is freed goes back to the system, and fresh pages cost as much as warping what is on them.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_MOST = 1 << 23  # bytes; windows may be larger for interpolations and blocks that are seldom used


class Scratch(threading.local):
    """Arrays by name, one of each to a thread, to be overwritten when it is asked for again."""

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.uint8]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array, with anything in it.

        Parameters
        ----------
        name : str
            What it is for.
        shape : tuple of int
            Its shape.
        dtype : dtype
            Its dtype.
        """
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size > _MOST:
            return np.empty(shape, dtype)
        kept = self._kept.get(name)
        if kept is None or kept.size < size:
            kept = self._kept[name] = np.empty(size, np.uint8)
        return np.ndarray(shape, dtype, kept.data)
