"""A phantom whose record says that it lies elsewhere than it does, and what says the truth."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np

from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.poses import SectionPose
from atldld_xr.phantom.alignment import _pack, _unpack, pixel_to_pir
from atldld_xr.phantom.phantom import CORONAL_ID, SAGITTAL_ID, Phantom
from atldld_xr.sources.phantom import PhantomSource
from tilted import CENTRE, LAYOUT

SHIFT = np.array([170.0, -180.0, 170.0])
"""By how much it is off, in (p, i, r): 300 um; and it is turned by 4 degrees, about all axes."""


@dataclass(frozen=True)
class MisplacedSource(PhantomSource):
    """Draws phantoms as they are, and gives records by which they lie elsewhere."""

    def dataset_record(self, dataset_id):
        record = copy.deepcopy(self._phantom(dataset_id).record)
        tvr = np.array(_unpack("tvr", record["alignment3d"], LAYOUT))
        axis = np.array([0.6, 0.5, 0.62]) / np.linalg.norm([0.6, 0.5, 0.62])
        cross, angle = np.cross(np.eye(3), axis), math.radians(4)
        turn = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
        linear = turn @ tvr[:, :3]
        shift = CENTRE + turn @ (tvr[:, 3] - CENTRE) + SHIFT
        back = np.linalg.inv(linear)
        record["alignment3d"] |= _pack("tvr", np.column_stack([linear, shift]), LAYOUT)
        record["alignment3d"] |= _pack("trv", np.column_stack([back, -back @ shift]), LAYOUT)
        return record


def misplaced(plane, **fields):
    """Return a source of one such phantom, its id, the data set as it is told, and true poses."""
    sagittal = {"count": 8, "spacing": 18, "first": 14, "span": (13000.0, 8000.0)}
    made = {"resolution": 8.0} | (sagittal if plane == "sagittal" else {}) | fields
    number = CORONAL_ID if plane == "coronal" else SAGITTAL_ID
    source = MisplacedSource((Phantom(id=number, plane=plane, **made),))
    record = source.phantoms[0].record
    data = parse_dataset(source.dataset_record(number))
    poses = {}
    for image in data.images:
        (drawn,) = (r for r in record["section_images"] if r["id"] == image.id)
        to_pir = pixel_to_pir(record, drawn)  # what the picture is drawn by
        normal = np.cross(to_pir[:, 0], to_pir[:, 1])
        normal /= np.linalg.norm(normal)
        normal *= np.sign(normal @ np.asarray(data.trv)[2, :3])
        back = np.linalg.inv(np.column_stack([to_pir[:, :2], normal]))
        poses[image.id] = SectionPose.of(np.column_stack([back, -back @ to_pir[:, 2]]))
    return source, number, data, poses
