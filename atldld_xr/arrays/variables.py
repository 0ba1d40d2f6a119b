"""The data variables that a plan can make, each a pure function of tiles; all executors use them.

A block variable is made per section and block of output pixels, a section variable per section.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.tiers import PROJECTIONS, View
from atldld_xr.errors import SectionImageError
from atldld_xr.known_as import known_as
from atldld_xr.plan.load_plan import Block, LoadPlan, SectionPlan
from atldld_xr.warp.kernel import Tiles, coverage, displacement, render

TilePlace = tuple[int, int]

READ, UNREADABLE, ABSENT, PENDING = 0, 1, 2, 255
"""What the status of a section says; pending is what an export has not come to yet."""

MEANINGS = {READ: "read", UNREADABLE: "unreadable", ABSENT: "absent", PENDING: "pending"}

STATUSES = {
    "status": "image",
    "expression_status": "expression",
    "projection_status": "projection",
}
"""The variables that say whether sections could be read, and whose pixels they speak of."""

DERIVED = "displacement"
"""Two thirds of a Dataset's bytes, which say what the coordinate `affine` does in six numbers."""

NO_MASK = "the service has no expression mask of this section"


PIXELS = ("image", "expression", "projection")
"""The variables of pixels."""

MADE_OF = "made_of"
"""Attribute of a variable: whose pixels it is made of, or speaks of: "image", "expression",
"projection"."""

OWN_NAMES = {
    "image": "image",
    "coverage": "image",
    DERIVED: "image",
    "expression": "expression",
    "expression_coverage": "expression",
    "projection": "projection",
    "projection_coverage": "projection",
    **STATUSES,
}
"""Whose pixels the variables of an opened Dataset are made of, or speak of."""


def pixels_of(view: View) -> str:
    """Return the variable that a view's pixels are in."""
    if view in PROJECTIONS:
        return "projection"
    return "image" if view == "image" else "expression"


@known_as("atldld_xr.variables", trailing_dims="last", needs_tiles="reads", uses_pixels="shows")
@dataclass(frozen=True)
class BlockVariable:
    """A data variable over (section, y, x, ...).

    Attributes
    ----------
    name : str
        Its name in the Dataset.
    plan : LoadPlan
        What it is made by.
    dtype : numpy.dtype
        Its dtype.
    trailing_dims : tuple
        Names and sizes of the dimensions after x.
    needs_tiles : bool
        Whether it needs tiles, or only geometry.
    uses_pixels : bool
        Whether it is made of the tiles' pixels, and not only of whether these could be had.
    make : callable
        ``make(section, block, tiles) -> array`` of the block's shape and `trailing_dims`.
    """

    name: str
    plan: LoadPlan
    dtype: np.dtype[Any]
    trailing_dims: tuple[tuple[str, int], ...]
    needs_tiles: bool
    uses_pixels: bool
    make: Callable[[SectionPlan, Block, Tiles], NDArray[Any]]

    @property
    def plans(self) -> tuple[LoadPlan, ...]:
        """The plan, as section variables have theirs."""
        return (self.plan,)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sections, rows, columns and what follows."""
        return len(self.plan.sections), *self.plan.shape, *(size for _, size in self.trailing_dims)

    def places(self, section: SectionPlan, block: Block) -> list[TilePlace]:
        """Return the tiles that a block needs, as places on the section's tile grid."""
        return section.tiles(block) if self.needs_tiles else []


@known_as("atldld_xr.variables")
@dataclass(frozen=True)
class SectionVariable:
    """A data variable over sections, made of what went wrong with the tiles of each.

    Attributes
    ----------
    name : str
        Its name in the Dataset.
    plans : tuple of LoadPlan
        Those whose tiles it speaks of.
    dtype : numpy.dtype
        Its dtype.
    make : callable
        ``make(errors, readable) -> value``, with what could not be had of all tiles that the plans
        need, and whether the source has any.
    """

    name: str
    plans: tuple[LoadPlan, ...]
    dtype: np.dtype[Any]
    make: Callable[..., Any]

    @property
    def shape(self) -> tuple[int]:
        """The number of sections."""
        return (len(self.plans[0].sections),)

    def places(self, plan: LoadPlan, index: int) -> list[TilePlace]:
        """Return the tiles of one plan that any block of a section needs."""
        return plan.sections[index].tiles(plan.whole)

    def maker(self, index: int) -> Callable[[list[SectionImageError]], Any]:
        """Return ``make(errors) -> value`` of one section."""
        readable = any(plan.sections[index].readable for plan in self.plans)
        return self.make if readable else partial(self.make, readable=False)


def pixels_variable(name: str, plan: LoadPlan) -> BlockVariable:
    """Return the registered section images, or masks: uint8 over (..., channel)."""
    return BlockVariable(
        name=name,
        plan=plan,
        dtype=np.dtype(np.uint8),
        trailing_dims=tuple(("channel", size) for size in plan.channels),
        needs_tiles=True,
        uses_pixels=True,
        make=partial(render, fill_value=plan.fill_value, channels=plan.channels),
    )


def coverage_variable(name: str, plan: LoadPlan) -> BlockVariable:
    """Return where the sections have pixels, as bool; needs tiles only if these may be missing."""
    needs_tiles = plan.on_error == "fill"
    return BlockVariable(
        name, plan, np.dtype(bool), (), needs_tiles, uses_pixels=False, make=coverage
    )


def displacement_variable(name: str, plan: LoadPlan) -> BlockVariable:
    """Return the displacement fields, float32 over (..., component), in pixels of the tier."""
    return BlockVariable(
        name,
        plan,
        np.dtype(np.float32),
        (("component", 2),),
        needs_tiles=False,
        uses_pixels=False,
        make=_displacement,
    )


def status_variable(name: str, plans: tuple[LoadPlan, ...]) -> SectionVariable:
    """Return the status of each section: read, unreadable in part or whole, or absent."""
    return SectionVariable(name, plans, np.dtype(np.uint8), _status)


def reason_variable(name: str, plans: tuple[LoadPlan, ...]) -> SectionVariable:
    """Return why a section could not be read, and where from; the empty string where it could."""
    return SectionVariable(name, plans, np.dtype(object), _reason)


@known_as("atldld_xr.variables")
def _displacement(section: SectionPlan, block: Block, tiles: Tiles) -> NDArray[np.float32]:
    return displacement(section, block)


def errors_in(tiles: Iterable[object]) -> list[SectionImageError]:
    """Return the errors that stand in place of tiles."""
    return [tile for tile in tiles if isinstance(tile, SectionImageError)]


@known_as("atldld_xr.variables")
def _status(errors: list[SectionImageError], readable: bool = True) -> int:
    if not readable:
        return ABSENT
    return UNREADABLE if errors else READ


@known_as("atldld_xr.variables")
def _reason(errors: list[SectionImageError], **_: bool) -> str:
    if not errors:
        return ""
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    return f"{errors[0].reason} ({errors[0].address}){more}"
