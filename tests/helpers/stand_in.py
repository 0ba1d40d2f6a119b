"""A service with the data sets that the documents and docstrings name, in Allen's place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from atldld_xr.allen.reference import ReferenceSpace
from atldld_xr.testing import AllenServer, DevelopingPhantom, FluorescentPhantom, GenePhantom

_MOUSE = {"abbreviation": "Mouse", "id": 1, "name": "Mouse Brain"}


@dataclass(frozen=True)
class Named(GenePhantom):
    """A phantom by the id of one of Allen's data sets, as small as can be.

    Parameters
    ----------
    first_image : int, optional
        The id of its first section image.
    """

    count: int = 4
    resolution: float = 40.0
    first_image: int | None = field(default=None)

    @property
    def _base(self) -> int:
        return super()._base if self.first_image is None else self.first_image - 1

    def _record(self) -> dict[str, Any]:
        return super()._record() | {"products": [_MOUSE]}


SMALL = {"count": 4, "resolution": 40.0}
NAMED = [
    Named(id=71717640, gene="Calb1", first_image=101321610),
    Named(id=79556706, gene="Pvalb"),
    Named(id=868, gene="Pvalb"),
    Named(id=73521813, gene="Gad1"),
    Named(id=69289763, gene="Prox1", plane="sagittal", spacing=18, first=14),
    FluorescentPhantom(id=126862385, **SMALL),
    DevelopingPhantom(id=100053401, space=ReferenceSpace(8, "P4", (7700, 4300, 5000)), **SMALL),
]


def settings(server: AllenServer) -> dict[str, str]:
    """Return the settings by which everything comes from a server that has `NAMED`."""
    return {"api_url": server.url, "annotation_url": server.annotation_url}
