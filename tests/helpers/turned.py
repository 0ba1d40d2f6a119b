"""Phantoms cut as obliquely as one likes, and what is true of a volume of them, in plain loops."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from atldld_xr.phantom import brain
from atldld_xr.phantom.alignment import THICKNESS, _rotation, pack_affines
from atldld_xr.phantom.phantom import Phantom

COARSE = {"resolution": 16.0}
"""What a phantom needs no finer pixels than, at voxels of 50 um and more."""


@dataclass(frozen=True)
class Turned(Phantom):
    """A phantom whose volume is turned against the reference space, by degrees about (p, i, r).

    Or by the linear part of a ``tvr``, given row by row.
    """

    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    linear: tuple[float, ...] = ()

    def _record(self) -> dict[str, Any]:
        record = super()._record()
        numbers = [image["section_number"] for image in record["section_images"]]
        matrix = np.array(self.linear).reshape(3, 3) if self.linear else self._turned()
        target = np.array([6600.0, 4000.0, 5700.0 if self.plane == "coronal" else 3700.0])
        middle = np.array([8731.0, 6127.0, (min(numbers) + max(numbers)) / 2 * THICKNESS])
        record["alignment3d"] |= pack_affines(matrix, target - matrix @ middle)
        return record

    def _turned(self) -> np.ndarray:
        axes = [[0, 0, -1], [0, 1, 0], [1, 0, 0]] if self.plane == "coronal" else np.eye(3)
        out = np.eye(3)
        for axis, degrees in enumerate(self.turn):
            out = out @ _rotation(axis, math.radians(degrees))
        return out @ axes


def turned(plane: str = "coronal", **more: Any) -> Turned:
    """Return a phantom of sections 200 um apart, all over the brain."""
    own: dict[str, Any] = {"id": 900000055, "plane": plane, "spacing": 8, **COARSE}
    own |= {"count": 56, "first": 30} if plane == "coronal" else {"count": 20, "first": 10}
    return Turned(**{**own, **more})


def distances(data: Any, points: np.ndarray) -> np.ndarray:
    """Return how far (N, 3) points (p, i, r) are from each section: (N, sections), um, signed."""
    trv = np.asarray(data.trv)
    v3 = points @ trv[2, :3] + trv[2, 3]
    z = np.array([image.section_number for image in data.images]) * data.section_thickness
    return (v3[:, None] - z) / np.linalg.norm(trv[2, :3])


def truth(points: np.ndarray) -> np.ndarray:
    """Return the phantom's own colours at (N, 3) points, float32 (N, 3)."""
    return brain.value(*points.T)
