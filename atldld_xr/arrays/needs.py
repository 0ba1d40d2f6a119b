"""What a source will be asked for, and which blocks are made, before anything is fetched. Pure."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import prod

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import GREY, Tile, View
from atldld_xr.arrays.fetch import fetch_key, plan_pieces
from atldld_xr.arrays.variables import TilePlace
from atldld_xr.plan.load_plan import Block, LoadPlan, SectionPlan
from atldld_xr.plan.pieces import Piece
from atldld_xr.settings import as_bytes, setting
from atldld_xr.sources.protocol import Source


@dataclass(frozen=True)
class Request:
    """Pixels of a section image that are asked for at once.

    Attributes
    ----------
    section : SectionPlan
        The section.
    view : {"image", "expression", "intensity"}
        What is read of it.
    rectangle : Tile
        Which pixels.
    """

    section: SectionPlan
    view: View
    rectangle: Tile

    @property
    def pixels(self) -> int:
        """How many."""
        return self.rectangle.width * self.rectangle.height

    @property
    def decoded_bytes(self) -> int:
        """Their bytes once decoded."""
        return self.pixels * (1 if self.view in GREY else 3)


@dataclass(frozen=True)
class BlockGrid:
    """Blocks of output pixels, from a first row and column on.

    Attributes
    ----------
    y0, x0 : int
        The first.
    heights, widths : tuple of int
        Of the blocks.
    """

    y0: int
    x0: int
    heights: tuple[int, ...]
    widths: tuple[int, ...]

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks, in reading order."""
        rows = list(pairwise(accumulate(self.heights, initial=self.y0)))
        columns = list(pairwise(accumulate(self.widths, initial=self.x0)))
        for y0, y1 in rows:
            for x0, x1 in columns:
                yield Block(y0, y1, x0, x1)


class Needs:
    """What something lazy needs: gathered from plans, graphs and arrays, in any order."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.images: dict[int, SectionImage] = {}
        """Of all sections of which anything is made, by id."""
        self.blocks: Counter[int] = Counter()
        """By the section image's id."""
        self.blocks_without_pixels: Counter[int] = Counter()
        """Those that no tile of the section touches: they cost nothing."""
        self._grids: dict[tuple[int, BlockGrid], tuple[SectionPlan, int, int]] = {}

    def ask(self, section: SectionPlan, view: View, rectangle: Tile) -> None:
        """Enter a request."""
        self.requests.append(Request(section, view, rectangle))

    def ask_for_pieces(self, section: SectionPlan, view: View, pieces: Iterable[Piece]) -> None:
        """Enter a request for each of some pieces."""
        for piece in pieces:
            self.ask(section, view, piece.rectangle)

    def ask_for_all(self, source: Source, plan: LoadPlan) -> None:
        """Enter the requests for all tiles that a plan needs."""
        for section in plan.sections:
            places = section.tiles(plan.whole)
            pieces = plan_pieces(source, section, places, plan.view)
            self.ask_for_pieces(section, plan.view, pieces)

    def make(self, section: SectionPlan, blocks: Iterable[Block], parts: int = 1) -> None:
        """Enter blocks of a section that are made, each in so many parts."""
        touched = [section.touches(block) for block in blocks]
        self._enter(section, parts * len(touched), parts * touched.count(False))

    def make_box(self, section: SectionPlan) -> None:
        """Enter a block of a volume that has pixels of a section: of others it has none."""
        self._enter(section, 1, 0)

    def make_all(self, section: SectionPlan, grid: BlockGrid, parts: int = 1) -> None:
        """Enter all blocks of a grid: several variables are made in the same."""
        key = id(section), grid
        if key not in self._grids:
            touched = [section.touches(block) for block in grid.blocks()]
            # With the section, so that no other gets its id.
            self._grids[key] = section, len(touched), touched.count(False)
        _, count, without = self._grids[key]
        self._enter(section, parts * count, parts * without)

    def make_plan(self, plan: LoadPlan) -> None:
        """Enter all blocks of a plan."""
        grid = BlockGrid(0, 0, *plan.chunks)
        for section in plan.sections:
            self.make_all(section, grid)

    def _enter(self, section: SectionPlan, blocks: int, without_pixels: int) -> None:
        image = section.image
        self.images[image.id] = image
        self.blocks[image.id] += blocks
        self.blocks_without_pixels[image.id] += without_pixels


class KeptTiles:
    """Which tiles memory has, as `TileMemory` keeps them; what it has is not asked for again."""

    def __init__(self) -> None:
        self._sizes: OrderedDict[object, int] = OrderedDict()
        self._bytes = 0
        self._limit = setting("memory.limit", as_bytes)

    def read(
        self, needs: Needs, source: Source, plan: LoadPlan, index: int, places: Sequence[TilePlace]
    ) -> None:
        """Enter what `read_tiles` asks for."""
        section = plan.sections[index]
        keys = {place: fetch_key(source, section, place, plan) for place in places}
        missing = [place for place in places if keys[place] not in self._sizes]
        for piece in plan_pieces(source, section, missing, plan.view):
            needs.ask(section, plan.view, piece.rectangle)
            for place in piece.places:
                self._keep(keys[place], section, plan, place)
        for place in set(places) - set(missing):
            if keys[place] not in self._sizes:  # it had to go for the others
                needs.ask(section, plan.view, section.tile(*place))
            self._keep(keys[place], section, plan, place)

    def _keep(self, key: object, section: SectionPlan, plan: LoadPlan, place: TilePlace) -> None:
        if key in self._sizes:
            self._sizes.move_to_end(key)
            return
        tile, side = section.tile(*place), 1 << section.reduction
        self._sizes[key] = prod((-(-tile.width // side), -(-tile.height // side), *plan.channels))
        self._bytes += self._sizes[key]
        while self._bytes > self._limit:
            self._bytes -= self._sizes.popitem(last=False)[1]
