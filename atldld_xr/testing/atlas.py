"""The annotation and the ontology as Allen serves them: of the phantom, or from a folder."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from atldld_xr.phantom.atlas import label, ontology

PLACE = "/informatics-archive/current-release/mouse_ccf/annotation"
"""Where annotations are at Allen's address; below it VERSION/annotation_RESOLUTION.nrrd."""

_EXTENT = (13200, 8000, 11400)


class Atlas(Protocol):
    """What has an annotation and an ontology."""

    def annotation(self, version: str, spacing: int) -> bytes | None:
        """Return an NRRD file, None if there is none."""

    def structures(self) -> Mapping[str, Any] | None:
        """Return the answer that holds the ontology, None if there is none."""


class PhantomAtlas:
    """The phantom's: one annotation, whatever its version is called."""

    def annotation(self, version: str, spacing: int) -> bytes:
        """Return it by formula: at 25 um that takes a while."""
        p, i, r = ((np.arange(side // spacing) + 0.5) * spacing for side in _EXTENT)
        planes = [label(plane, i[:, None], r) for plane in p]
        return nrrd_file(np.stack(planes), spacing)

    def structures(self) -> Mapping[str, Any]:
        """Return its ontology."""
        return ontology()


class FolderAtlas:
    """The files ``annotation_25.nrrd`` and ``structure_graph_1.json`` of a folder.

    Parameters
    ----------
    folder : Path
        The folder, and in it one of the version's name, which is looked into first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def annotation(self, version: str, spacing: int) -> bytes | None:
        """Return a file as it is."""
        name = f"annotation_{spacing}.nrrd"
        for file in (self._folder / version / name, self._folder / name):
            if file.is_file():
                return file.read_bytes()
        return None

    def structures(self) -> Mapping[str, Any] | None:
        """Return the file's content."""
        file = self._folder / "structure_graph_1.json"
        return dict(json.loads(file.read_bytes())) if file.is_file() else None


def write_atlas(folder: Path, spacing: int = 100) -> str:
    """Write the phantom's files as `FolderAtlas` reads them, and return where they are.

    Parameters
    ----------
    folder : Path
        Is made.
    spacing : int
        Of the annotation, in micrometres; at 25 it takes a while.
    """
    atlas = PhantomAtlas()
    folder.mkdir()
    (folder / f"annotation_{spacing}.nrrd").write_bytes(atlas.annotation("", spacing))
    (folder / "structure_graph_1.json").write_text(json.dumps(atlas.structures()))
    return str(folder)


_TYPES = {"float32": "float", "float64": "double"}
"""What NRRD calls them; whole numbers as NumPy does."""


def nrrd_file(labels: NDArray[Any], spacing: float) -> bytes:
    """Return numbers over (p, i, r) as a file like Allen's NRRDs: p runs fastest, in gzip."""
    kind = labels.dtype.newbyteorder("<")
    s = f"{spacing:g}"
    header = (
        f"NRRD0004\n# by the phantom\ntype: {_TYPES.get(kind.name, kind.name)}\n"
        "dimension: 3\nspace dimension: 3\n"
        f"sizes: {' '.join(map(str, labels.shape))}\n"
        f"space directions: ({s},0,0) (0,{s},0) (0,0,{s})\nkinds: domain domain domain\n"
        "endian: little\nencoding: gzip\nspace origin: (0,0,0)\n\n"
    )
    values = labels.transpose(2, 1, 0).astype(kind).tobytes()
    return header.encode() + gzip.compress(values, 1, mtime=0)
