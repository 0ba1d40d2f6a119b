"""A few structures, and where they are in the phantom's brain by formula; and the recorded ones."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from atldld_xr.allen.structures import parse_structures


def _record(own, acronym, *children):
    return {"id": own, "acronym": acronym, "name": f"the {acronym}", "children": [*children]}


DORSAL = _record(10, "dorsal", _record(11, "front"), _record(614_454_277, "back"))
TREE = parse_structures(
    _record(997, "root", DORSAL, _record(20, "ventral"), _record(30, "nowhere"))
)


def labels_of(dataset, dim):
    """Return labels on a Dataset's pixels: dorsal ones in two parts, and a ventral one."""
    y, x = dataset.y, dataset.x
    inside = ((y - 4000) / 3000) ** 2 + ((x - 5700) / 5000) ** 2 < 1
    part = xr.where(
        dataset[dim] < float(dataset[dim].mean()), np.uint32(11), np.uint32(614_454_277)
    )
    labels = xr.where(y < 4100, part, np.uint32(20)) * inside
    return labels.transpose(dim, "y", "x").astype(np.uint32)


def read_graph(path):
    """Return the structures in a file of the service's."""
    return parse_structures(json.loads(path.read_bytes()))


def read_annotation(path):
    """Return a volume of labels in a NRRD file of Allen's, 25 um."""
    import zlib

    header, _, body = path.read_bytes().partition(b"\n\n")
    assert b"encoding: gzip" in header
    assert b"type: uint" in header.replace(b"unsigned int", b"uint")
    values = np.frombuffer(zlib.decompress(body, 31), np.uint32).reshape((528, 320, 456), order="F")
    at = [(np.arange(n) + 0.5) * 25 for n in values.shape]
    return xr.DataArray(values, dict(zip(("coronal", "y", "x"), at, strict=True)))
