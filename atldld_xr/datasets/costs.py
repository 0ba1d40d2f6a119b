"""What making a data set costs, told from its plans before any image is fetched. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atldld_xr.allen.tiers import Tile, View
from atldld_xr.arrays.fetch import plan_pieces
from atldld_xr.arrays.variables import DERIVED, BlockVariable
from atldld_xr.plan.load_plan import LoadPlan, SectionPlan
from atldld_xr.sources.protocol import Source

if TYPE_CHECKING:
    from atldld_xr.datasets.plan_dataset import DatasetPlan

JPEG_BYTES_PER_PIXEL = 0.25
"""A rough figure to estimate downloads by. Sections have much plain background: recorded ones of
in situ hybridization take about 0.16 bytes per pixel at tier 2, and more where they are coarser."""


@dataclass(frozen=True)
class Costs:
    """What it costs to make all of a data set, with nothing in the cache.

    Attributes
    ----------
    sections, excluded : int
        Sections that are made, and those left out since they cannot be registered.
    tiers : mapping
        By view, how many sections are read at which tier.
    requests : int
        Images requested: many tiles in one where the output needs many of a section. The metadata,
        which the plan was made of, take one more.
    source_pixels, decoded_bytes : int
        The pixels of these images, and their bytes once decoded, in all.
    estimated_jpeg_bytes : int
        About what is downloaded: `JPEG_BYTES_PER_PIXEL` for each of those pixels.
    output_bytes : int
        The bytes of the data variables that are exported by default, uncompressed.
    chunks : int
        The chunks that a Zarr store has of them.
    """

    sections: int
    excluded: int
    tiers: Mapping[View, Mapping[int, int]]
    requests: int
    source_pixels: int
    decoded_bytes: int
    estimated_jpeg_bytes: int
    output_bytes: int
    chunks: int


def estimate_costs(planned: DatasetPlan) -> Costs:
    """Return what it costs to make all of a planned data set.

    Parameters
    ----------
    planned : DatasetPlan
        What `atldld_xr.datasets.plan_dataset.plan_dataset` returns.
    """
    plans = planned.plans
    pixels = {
        view: [piece.width * piece.height for piece in needed_pieces(plan, planned.source)]
        for view, plan in plans.items()
    }
    source_pixels = sum(map(sum, pixels.values()))
    made = [v for v in planned.variables if isinstance(v, BlockVariable)]
    arrays = [v for v in made if v.name != DERIVED]
    return Costs(
        sections=len(planned.data.images),
        excluded=len(planned.data.excluded),
        tiers={view: _count_tiers(plan) for view, plan in plans.items()},
        requests=sum(map(len, pixels.values())),
        source_pixels=source_pixels,
        decoded_bytes=sum(sum(pixels[v]) * math.prod(p.channels) for v, p in plans.items()),
        estimated_jpeg_bytes=round(source_pixels * JPEG_BYTES_PER_PIXEL),
        output_bytes=sum(math.prod(array.shape) * array.dtype.itemsize for array in arrays),
        chunks=sum(_count_chunks(array.plan) for array in arrays),
    )


def needed_tiles(plan: LoadPlan) -> list[Tile]:
    """Return every tile that a plan's blocks need, once."""
    return [
        section.tile(*place) for section in plan.sections for place in section.tiles(plan.whole)
    ]


def needed_pieces(plan: LoadPlan, source: Source) -> list[Tile]:
    """Return what a source is asked for, so that every tile that a plan's blocks need comes."""
    return [
        piece.rectangle
        for section in plan.sections
        for piece in plan_pieces(source, section, section.tiles(plan.whole), plan.view)
    ]


def _count_tiers(plan: LoadPlan) -> dict[int, int]:
    read: list[SectionPlan] = [section for section in plan.sections if section.readable]
    return dict(sorted(Counter(section.tier for section in read).items()))


def _count_chunks(plan: LoadPlan) -> int:
    return len(plan.sections) * len(plan.chunks[0]) * len(plan.chunks[1])
