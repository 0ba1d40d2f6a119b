"""Bend: how pixels of a section image are off where an affine has them, smoothly. Pure, float64.

It is known on a grid of nodes over the image, and between them bilinearly; beyond the image it goes
on as at its edge. It is a function of the place in the image, whatever is made of that: no grid of
output pixels, and no chunk, plays a part in it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Bend:
    """Displacements at nodes.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of nodes, at least two each.
    first, step : tuple of float
        Where the first node is, and how far apart they are, along x and y, in full-resolution
        pixels.
    content : bytes
        The displacements (x, y) of each node in full-resolution pixels, row by row, as float32.
    """

    shape: tuple[int, int]
    first: tuple[float, float]
    step: tuple[float, float]
    content: bytes

    @classmethod
    def of(cls, nodes: ArrayLike, first: tuple[float, float], step: tuple[float, float]) -> Bend:
        """Return the one with displacements (rows, columns, 2) at nodes."""
        array = np.ascontiguousarray(nodes, dtype="<f4")
        rows, columns, _ = array.shape
        return cls((rows, columns), first, step, array.tobytes())

    def __repr__(self) -> str:
        # Plans are known by what they print: a digest says as much as all numbers.
        return f"Bend({self.shape}, {self.first}, {self.step}, {self._digest})"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is derived."""
        return {name: getattr(self, name) for name in ("shape", "first", "step", "content")}

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def nodes(self) -> Array:
        """The displacements, (rows, columns, 2)."""
        stored = np.frombuffer(self.content, dtype="<f4")
        return stored.astype(np.float64).reshape(*self.shape, 2)

    def at(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return the displacements (x, y) at places of the image, in full-resolution pixels.

        Each number is made of its own place alone, by the same steps whatever stands beside it.
        """
        column, across = self._cell(x, axis=0)
        row, down = self._cell(y, axis=1)
        out = []
        for nodes in (self.nodes[..., 0].ravel(), self.nodes[..., 1].ravel()):
            at = row * self.shape[1] + column
            upper = nodes[at] + (nodes[at + 1] - nodes[at]) * across
            at += self.shape[1]
            lower = nodes[at] + (nodes[at + 1] - nodes[at]) * across
            out.append(upper + (lower - upper) * down)
        return out[0], out[1]

    def bounds(self, x: tuple[float, float], y: tuple[float, float]) -> Array:
        """Return the least and the largest displacement, ((x, x), (y, y)), in a rectangle.

        What is between nodes is between their values.
        """
        (left, right), (top, bottom) = (
            (int(start), int(end) + 2)
            for axis, given in enumerate((x, y))
            for start, end in [self._cell(np.array(given), axis)[0]]
        )
        nodes = self.nodes[top:bottom, left:right]
        return np.stack([nodes.min((0, 1)), nodes.max((0, 1))], axis=1)

    def _cell(self, place: Array, axis: int) -> tuple[NDArray[np.int64], Array]:
        """Return which nodes places are between, and the share of the second."""
        last = self.shape[1 - axis] - 1
        at = np.clip((place - self.first[axis]) / self.step[axis], 0.0, float(last))
        cell = np.minimum(at.astype(np.int64), last - 1)
        return cell, at - cell
