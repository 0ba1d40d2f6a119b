"""A few structures, and where they are in the phantom's brain by formula; and the recorded ones."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from atldld_xr.errors import InvalidArgumentError


class Tree:
    """An ontology of a few structures: {id: (acronym, parent)}."""

    def __init__(self, structures):
        self.structures = structures
        self._ids = {acronym: own for own, (acronym, _) in structures.items()}
        self._below = {own: [] for own in structures}
        for own, (_, parent) in structures.items():
            if parent is not None:
                self._below[parent].append(own)

    @property
    def ids(self):
        return list(self.structures)

    def id_of(self, structure):
        own = self._ids.get(structure, structure)
        if own not in self.structures:
            raise InvalidArgumentError(f"there is no structure {structure!r}")
        return own

    def acronym(self, structure):
        return self.structures[structure][0]

    def name(self, structure):
        return f"the {self.structures[structure][0]}"

    def descendants(self, structure):
        return [structure, *(d for own in self._below[structure] for d in self.descendants(own))]


TREE = Tree(
    {
        997: ("root", None),
        10: ("dorsal", 997),
        11: ("front", 10),
        614_454_277: ("back", 10),
        20: ("ventral", 997),
        30: ("nowhere", 997),
    }
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
    found = {}

    def take(structure):
        found[structure["id"]] = (structure["acronym"], structure["parent_structure_id"])
        for child in structure["children"]:
            take(child)

    take(json.loads(path.read_bytes())["msg"][0])
    return Tree(found)


def read_annotation(path):
    """Return a volume of labels in a NRRD file of Allen's, 25 um."""
    import zlib

    header, _, body = path.read_bytes().partition(b"\n\n")
    assert b"encoding: gzip" in header
    assert b"type: uint" in header.replace(b"unsigned int", b"uint")
    values = np.frombuffer(zlib.decompress(body, 31), np.uint32).reshape((528, 320, 456), order="F")
    at = [(np.arange(n) + 0.5) * 25 for n in values.shape]
    return xr.DataArray(values, dict(zip(("coronal", "y", "x"), at, strict=True)))
