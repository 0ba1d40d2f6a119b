"""A service with the data sets that the documents and docstrings name, in Allen's place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from atldld_xr.allen.reference import ReferenceSpace
from atldld_xr.phantom.atlas import label
from atldld_xr.testing import AllenServer, DevelopingPhantom, FluorescentPhantom, GenePhantom
from atldld_xr.testing.atlas import PhantomAtlas, nrrd_file

_MOUSE = {"abbreviation": "Mouse", "id": 1, "name": "Mouse Brain"}


@dataclass(frozen=True)
class Named(GenePhantom):
    """A phantom by the id of one of Allen's data sets, as small as can be.

    Parameters
    ----------
    first_image : int, optional
        The id of its first section image.
    """

    count: int = 3
    resolution: float = 40.0
    first_image: int | None = field(default=None)

    @property
    def _base(self) -> int:
        return super()._base if self.first_image is None else self.first_image - 1

    def _record(self) -> dict[str, Any]:
        return super()._record() | {"products": [_MOUSE]}


SMALL = {"count": 4, "resolution": 40.0}
NAMED = [
    Named(id=71717640, gene="Calb1", first_image=101321610, count=5),
    Named(id=79556706, gene="Pvalb"),
    Named(id=868, gene="Pvalb"),
    Named(id=73521813, gene="Gad1"),
    Named(id=69289763, gene="Prox1", plane="sagittal", spacing=18, first=14),
    FluorescentPhantom(id=126862385, **SMALL),
    DevelopingPhantom(id=100053401, space=ReferenceSpace(8, "P4", (7700, 4300, 5000)), **SMALL),
]


# What is written of Allen's, and what the phantom has instead; and coarse pixels for fine ones.
INSTEAD = {
    r"\bIsocortex\b": "CTX",
    r"\bVIS\b": "CP",
    r"--resolution \d+": "--resolution 200",
    r"\bresolution=(10|25)\b": "resolution=100",
}


def instead(code: str) -> str:
    """Return code that does the same with what there is here."""
    for written, here in INSTEAD.items():
        code = re.sub(written, here, code)
    return code


def coarse_annotation(atlas: PhantomAtlas, version: str, spacing: int) -> bytes:
    """Return the phantom's annotation from voxels of 100 um: by formula 25 um take many seconds."""
    times = 100 // spacing
    p, i, r = ((np.arange(side // 100) + 0.5) * 100 for side in (13200, 8000, 11400))
    labels = np.stack([label(plane, i[:, None], r) for plane in p])
    for axis in range(3):
        labels = labels.repeat(times, axis)
    return nrrd_file(labels, spacing)


def settings(server: AllenServer) -> dict[str, str]:
    """Return the settings by which everything comes from a server that has `NAMED`."""
    return {"api_url": server.url, "annotation_url": server.annotation_url}
