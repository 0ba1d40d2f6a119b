"""The built-in phantom as a source: drawn where it is read, without files or network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import Tile, View
from atldld_xr.allen.windowed import range_in
from atldld_xr.attribution import PHANTOM, Attribution
from atldld_xr.errors import DatasetNotFoundError, SectionImageError
from atldld_xr.known_as import known_as
from atldld_xr.phantom.drawing import draw
from atldld_xr.phantom.phantom import PHANTOMS, Phantom, find_phantom_image
from atldld_xr.sources.protocol import service_tile_side

if TYPE_CHECKING:
    from atldld_xr.allen.structures import Structures
    from atldld_xr.sources.metaimage import MetaImage


@known_as("atldld_xr.sources.phantom")
@dataclass(frozen=True)
class PhantomSource:
    """Phantoms by their ids.

    Parameters
    ----------
    phantoms : tuple of Phantom
        Default: the built-in ones, `CORONAL_ID` and `SAGITTAL_ID`.
    """

    phantoms: tuple[Phantom, ...] = tuple(PHANTOMS.values())

    @property
    def url(self) -> str:
        """Where it is, for people."""
        return "phantom"

    @property
    def attribution(self) -> Attribution:
        """Whose it is: ours."""
        return PHANTOM

    def dataset_record(self, dataset_id: int) -> Mapping[str, Any]:
        """Return the ``SectionDataSet`` record of a phantom.

        Raises
        ------
        DatasetNotFoundError
            If there is none with that id.
        """
        return self._phantom(dataset_id).record

    def image_record(self, image_id: int) -> Mapping[str, Any]:
        """Return the ``SectionImage`` record of a phantom's section.

        Raises
        ------
        DatasetNotFoundError
            If there is none with that id.
        """
        return find_phantom_image(image_id, {p.id: p for p in self.phantoms})[1]

    def tiers(self, image: SectionImage, view: View) -> frozenset[int] | None:
        """Return None: every tier can be drawn."""
        return None

    def tile_side(self, image: SectionImage, tier: int, view: View) -> int:
        """Return the side of the tile grid: the service's."""
        return service_tile_side(image, tier)

    def read(self, image: SectionImage, tile: Tile, view: View) -> NDArray[np.uint8]:
        """Draw a tile: (height, width, 3), or (height, width) for the intensity view.

        Raises
        ------
        SectionImageError
            If no phantom has that section image.
        """
        try:
            phantom = self._phantom(image.data_set_id)
            window = (tile.left, tile.top, tile.width, tile.height)
            return draw(phantom, image, tile.tier, *window, view, range_in(image, view))
        except DatasetNotFoundError as error:
            raise SectionImageError(image.id, self.url, str(error)) from error

    def grids(self, dataset_id: int, variables: Sequence[str]) -> Mapping[str, MetaImage]:
        """Return grids by formula, as Allen's are of their data sets.

        Raises
        ------
        DatasetNotFoundError
            If there is no such phantom.
        """
        from atldld_xr.phantom.grid import SPACING, grid
        from atldld_xr.sources.metaimage import MetaImage

        made = grid(self._phantom(dataset_id))
        return {
            name: MetaImage(made[name], (SPACING,) * 3, (0.0,) * 3)
            for name in made
            if name in variables
        }

    def projection_grid(self, dataset_id: int, kind: str, resolution: int) -> MetaImage:
        """Return a grid of a projection by formula; raises as `grids` does, also of 10 um."""
        from atldld_xr.phantom.projections import projection_grid
        from atldld_xr.sources.metaimage import MetaImage

        values = projection_grid(self._phantom(dataset_id), kind, resolution)
        spacing = float(resolution)
        return MetaImage(values, (spacing,) * 3, (spacing / 2,) * 3)

    def structures(self) -> Structures:
        """Return the ontology of what is drawn."""
        from atldld_xr.allen.structures import parse_structures
        from atldld_xr.phantom.atlas import ontology

        return parse_structures(ontology())

    def _phantom(self, dataset_id: int) -> Phantom:
        for phantom in self.phantoms:
            if phantom.id == dataset_id:
                return phantom
        known = ", ".join(str(p.id) for p in self.phantoms)
        raise DatasetNotFoundError(
            f"there is no phantom section data set {dataset_id}; there are {known}"
        )
