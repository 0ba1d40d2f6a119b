"""What is asked for at once when a mirror is made. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import Tile, View
from atldld_xr.allen.windowed import name_of
from atldld_xr.sources.kept_pieces import side_of, split
from atldld_xr.sources.mirror_contents import Held, image_file


@dataclass(frozen=True)
class MirrorJob:
    """A rectangle of a section image: a tile, or a square of tiles.

    Attributes
    ----------
    image : SectionImage
        The section image.
    tile : Tile
        The rectangle.
    view : View
        What is read of it.
    side : int
        Of the source's tiles.
    """

    image: SectionImage
    tile: Tile
    view: View
    side: int

    @property
    def file(self) -> str:
        """The name of its file."""
        return image_file(self.image.id, self.tile, name_of(self.image, self.view))

    @property
    def held(self) -> Held:
        """How its tier is there if its file is."""
        return self.tile.whole or (side_of(self.tile.width, self.tile.height),)

    def tiles(self) -> list[MirrorJob]:
        """Return the tiles of a square; none of one tile."""
        if max(self.tile.width, self.tile.height) <= self.side:
            return []
        return [replace(self, tile=tile) for tile in split(self.tile, self.side)]
