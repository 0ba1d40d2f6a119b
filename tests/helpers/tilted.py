"""Phantoms that are cut more obliquely: as Allen's own data sets are on record, and more so."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

import atldld_xr
from atldld_xr.phantom.alignment import _pack, _unpack
from atldld_xr.phantom.phantom import CORONAL_ID, SAGITTAL_ID, Phantom
from atldld_xr.sources.phantom import PhantomSource

LAYOUT = ((0, 1, 2, 9), (3, 4, 5, 10), (6, 7, 8, 11))

CENTRE = np.array([6600.0, 4000.0, 4500.0])

TILTS = {"coronal": 5.5, "sagittal": 10.0}
"""Degrees by which the most oblique data sets on record, of each plane, are off it."""


@dataclass(frozen=True)
class TiltedPhantom(Phantom):
    """A phantom whose sections are turned, about two axes, `degrees` off its plane; as true."""

    degrees: float = 0.0

    def _record(self):
        record = super()._record()
        across = 0 if self.plane == "coronal" else 2
        others = [axis for axis in range(3) if axis != across]
        tvr = np.array(_unpack("tvr", record["alignment3d"], LAYOUT))
        # The normal is made that of the plane, then turned by all the degrees.
        normal = np.linalg.inv(tvr[:, :3])[2]
        angle = math.radians(self.degrees)
        wanted = np.zeros(3)
        wanted[across] = math.copysign(math.cos(angle), normal[across])
        wanted[others] = np.array([0.8, -0.6]) * math.sin(angle)
        turn = turning(normal / np.linalg.norm(normal), wanted)
        linear = turn @ tvr[:, :3]
        shift = CENTRE + turn @ (tvr[:, 3] - CENTRE)
        back = np.linalg.inv(linear)
        record["alignment3d"] |= _pack("tvr", np.column_stack([linear, shift]), LAYOUT)
        record["alignment3d"] |= _pack("trv", np.column_stack([back, -back @ shift]), LAYOUT)
        return record


def turning(start, end):
    """Return the rotation that takes one unit vector to another."""
    axis = np.cross(start, end)
    cross = np.cross(np.eye(3), axis)
    return np.eye(3) + cross + cross @ cross / (1 + start @ end)


def tilted_source(plane, degrees=None, **fields):
    """Return the source of one such phantom, and its data set's id."""
    degrees = TILTS[plane] if degrees is None else degrees
    sagittal = {"count": 8, "spacing": 18, "first": 14, "span": (13000.0, 8000.0)}
    made = {"resolution": 8.0} | (sagittal if plane == "sagittal" else {}) | fields
    number = CORONAL_ID if plane == "coronal" else SAGITTAL_ID
    return PhantomSource((TiltedPhantom(id=number, plane=plane, degrees=degrees, **made),)), number


AXES = {"coronal": [0, 1, 2], "sagittal": [2, 1, 0]}
"""Of (p, i, r): which are across sections, along y and along x."""


def open_tilted(cut, degrees=None, **options):
    source, number = tilted_source(cut, degrees)
    return atldld_xr.open_dataset(number, source=source, **{"chunks": None, **options})


def true_places(ds, data, section, y, x):
    """Return where what is shown at (y, x) was cut, in the space of the data set: (..., 3).

    By the matrices that lead from images to the brain, which reading makes no use of.
    """
    (image,) = (i for i in data.images if i.id == int(section.section_image_id))
    pixel = section.affine.values @ np.stack([y, x, np.ones_like(x)])
    volume = np.asarray(image.tsv) @ np.stack([*pixel, np.ones_like(x)])
    z = np.full_like(x, image.section_number * data.section_thickness)
    return (np.asarray(data.tvr) @ np.stack([*volume, z, np.ones_like(x)])).T
