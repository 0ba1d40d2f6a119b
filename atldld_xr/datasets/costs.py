"""What making a data set costs, told from its plans before any image is fetched. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atldld_xr.allen.tiers import View
from atldld_xr.arrays.needs import Needs
from atldld_xr.arrays.variables import DERIVED, BlockVariable
from atldld_xr.datasets.explain import Explanation, explain_needs

if TYPE_CHECKING:
    from atldld_xr.datasets.plan_dataset import DatasetPlan
from atldld_xr.plan.bent_section import is_bent


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
    blocks_without_pixels : int
        Those of them that no tile of their section touches: they cost nothing.
    estimated_seconds : float
        About how long fetching takes, over an ocean: see `Explanation.seconds`.
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
    blocks_without_pixels: int
    estimated_seconds: float


def estimate_costs(planned: DatasetPlan) -> Costs:
    """Return what it costs to make all of a planned data set.

    Parameters
    ----------
    planned : DatasetPlan
        What `atldld_xr.datasets.plan_dataset.plan_dataset` returns.
    """
    found = explain_plan(planned)
    return Costs(
        sections=len(found.sections),
        excluded=len(planned.data.excluded),
        tiers={view: found.tiers.get(view, {}) for view in planned.plans},
        requests=found.requests,
        source_pixels=found.pixels,
        decoded_bytes=found.decoded_bytes,
        estimated_jpeg_bytes=found.estimated_bytes,
        output_bytes=found.output_bytes,
        chunks=found.chunks,
        blocks_without_pixels=found.blocks_without_pixels,
        estimated_seconds=round(found.seconds, 3),
    )


def explain_plan(planned: DatasetPlan) -> Explanation:
    """Return what it takes to make all of a planned data set, by section."""
    needs = Needs()
    for plan in planned.plans.values():
        needs.ask_for_all(planned.source, plan)
    made = [
        variable
        for variable in planned.variables
        if isinstance(variable, BlockVariable)
        and (variable.name != DERIVED or is_bent(variable.plan))  # as exports choose
    ]
    for variable in made:
        needs.make_plan(variable.plan)
    axis = planned.grid.plane.section_axis
    return explain_needs(
        needs,
        {s.image.id: (s.image.section_number, float(s.point[axis])) for s in planned.placed},
        output_bytes=sum(math.prod(array.shape) * array.dtype.itemsize for array in made),
        chunks=needs.blocks.total(),
    )
