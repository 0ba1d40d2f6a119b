"""info: what a data set is, and what it costs to make all of it, before any image is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atldld_xr.allen.excluded import count_reasons, reasons_in_words
from atldld_xr.allen.metadata import ExcludedSection
from atldld_xr.allen.sides import NOT_KNOWN, Hemisphere, find_hemisphere, sides_along_r
from atldld_xr.datasets.arguments import with_arguments_of
from atldld_xr.datasets.costs import Costs, estimate_costs
from atldld_xr.datasets.fetching import JPEG_BYTES_PER_PIXEL
from atldld_xr.datasets.plan_dataset import DatasetPlan, plan_dataset
from atldld_xr.messages.text import (
    format_bytes,
    format_count,
    format_duration,
    format_range,
    format_rows,
    without_masks,
)


@dataclass(frozen=True, repr=False)
class DatasetInfo:
    """What a section data set is, and what it costs to make all of it. Printed, it is rows of text.

    Attributes
    ----------
    section_data_set_id : int
        Allen's id.
    genes : tuple of str
        Acronyms.
    plane_of_section : str
        "coronal" or "sagittal", the dimension across sections.
    reference_space_id, reference_space : int, str
        Of the coordinates.
    registered_to_reference_space_id : int
        Of the data set's own registration.
    hemisphere, sides : str
        Which side of the brain the sections are of, and which is at low and at high r.
    source : str
        Where it comes from.
    sections : int
        Those that can be registered.
    coordinates : tuple of float
        Of each section, in micrometres, ascending.
    spacing, widest_spacing : float or None
        Between sections: the median and the largest, in micrometres; None of a single section.
    section_thickness : float
        In micrometres.
    native_resolutions : tuple of float
        Of the images at full resolution, in micrometres per pixel; each once.
    widths, heights : tuple of int
        Of each section's image at full resolution, in pixels, in the order of the coordinates.
    with_expression : int
        Sections that have an expression mask.
    without_expression : tuple of int
        The ids of the section images that have none.
    excluded_sections : tuple of ExcludedSection
        Those that cannot be registered, and why.
    resolution : float
        Size of the output pixels, in micrometres.
    shape : tuple of int
        Rows and columns of each registered section.
    costs : Costs
        Of making all of it.
    """

    section_data_set_id: int
    genes: tuple[str, ...]
    plane_of_section: str
    reference_space_id: int
    reference_space: str
    registered_to_reference_space_id: int
    hemisphere: Hemisphere
    sides: str
    source: str
    sections: int
    coordinates: tuple[float, ...]
    spacing: float | None
    widest_spacing: float | None
    section_thickness: float
    native_resolutions: tuple[float, ...]
    widths: tuple[int, ...]
    heights: tuple[int, ...]
    with_expression: int
    without_expression: tuple[int, ...]
    excluded_sections: tuple[ExcludedSection, ...]
    resolution: float
    shape: tuple[int, int]
    costs: Costs

    def __repr__(self) -> str:
        return format_rows([*_dataset_rows(self), ("", ""), *_cost_rows(self)])


@with_arguments_of(plan_dataset)
def info(planned: DatasetPlan) -> DatasetInfo:
    """Say what a section data set is, and what it costs to make all of it with these arguments.

    One request for metadata is made, and none for images.

    Parameters
    ----------
    dataset, resolution, tier, expression, projection, range, chunks, anchor, interpolation, \
on_error, fill_value, reference_space, extent, detection_xy, plane, registration, source, refresh, \
offline
        As for `atldld_xr.open_dataset`.

    Returns
    -------
    DatasetInfo
        The facts, and under ``costs`` the requests, pixels and bytes. Printed, it is rows of text.

    Raises
    ------
    InvalidArgumentError, DatasetNotFoundError, MetadataError, ServiceError
        As for `atldld_xr.open_dataset`.

    Examples
    --------
    >>> import atldld_xr
    >>> atldld_xr.info("phantom", resolution=10).costs.requests
    17
    """
    data, grid = planned.data, planned.grid
    at = [float(section.point[grid.plane.section_axis]) for section in planned.placed]
    steps = np.diff(at)
    return DatasetInfo(
        section_data_set_id=data.id,
        genes=data.genes,
        plane_of_section=data.plane.dim,
        reference_space_id=grid.space.id,
        reference_space=grid.space.name,
        registered_to_reference_space_id=data.reference_space_id,
        hemisphere=find_hemisphere(data),
        sides=sides_along_r(mirrored=grid.space.id != data.reference_space_id),
        source=planned.source.url,
        sections=len(data.images),
        coordinates=tuple(at),
        spacing=float(np.median(steps)) if steps.size else None,
        widest_spacing=float(steps.max()) if steps.size else None,
        section_thickness=data.section_thickness,
        native_resolutions=tuple(sorted({image.resolution for image in data.images})),
        widths=tuple(section.image.width for section in planned.placed),
        heights=tuple(section.image.height for section in planned.placed),
        with_expression=sum(image.has_expression for image in data.images),
        without_expression=tuple(
            section.image.id for section in planned.placed if not section.image.has_expression
        ),
        excluded_sections=data.excluded,
        resolution=grid.resolution,
        shape=grid.shape,
        costs=estimate_costs(planned),
    )


def _excluded_in_words(excluded: Sequence[ExcludedSection]) -> str:
    counts = count_reasons(section.reason for section in excluded)
    return f"{len(excluded):,}: {reasons_in_words(counts)}" if excluded else "none"


def _sides(facts: DatasetInfo) -> str:
    return facts.sides if facts.hemisphere == NOT_KNOWN else f"{facts.hemisphere}: {facts.sides}"


def _dataset_rows(facts: DatasetInfo) -> list[tuple[str, str]]:
    dim, at, excluded = facts.plane_of_section, facts.coordinates, facts.excluded_sections
    registered, space = facts.registered_to_reference_space_id, facts.reference_space_id
    moved = "" if registered == space else f", registered to {registered}"
    spacing = "none"
    if facts.spacing is not None:
        spacing = f"{facts.spacing:.0f} um, at most {facts.widest_spacing:.0f} um"
    some = facts.with_expression and facts.without_expression
    without = [("", without_masks(facts.without_expression))] if some else []
    rows = [
        ("section data set", str(facts.section_data_set_id)),
        ("genes", ", ".join(facts.genes) or "none named"),
        ("plane of section", dim),
        ("reference space", f"{space} ({facts.reference_space}){moved}"),
        ("sides", _sides(facts)),
        ("source", facts.source),
        ("sections", f"{facts.sections:,}, {facts.with_expression:,} with an expression mask"),
        *without,
        (f"{dim} coordinates", f"{at[0]:.0f} to {at[-1]:.0f} um"),
        ("spacing", spacing),
        ("section thickness", f"{facts.section_thickness:g} um"),
        ("native resolution", format_range(facts.native_resolutions, "um")),
        ("image widths", format_range(facts.widths, "px")),
        ("image heights", format_range(facts.heights, "px")),
        ("excluded sections", _excluded_in_words(excluded)),
    ]
    rows += [("", f"number {e.section_number} (image {e.id}): {e.reason}") for e in excluded]
    return rows


def _cost_rows(facts: DatasetInfo) -> list[tuple[str, str]]:
    costs, (rows, columns) = facts.costs, facts.shape
    tiers = [
        f"{view} at tier {tier}: {format_count(count, 'section')}"
        for view, counts in costs.tiers.items()
        for tier, count in counts.items()
    ]
    chunks = format_count(costs.chunks, "Zarr chunk")
    return [
        ("at resolution", f"{facts.resolution:g} um"),
        ("output", f"{costs.sections:,} x {rows:,} x {columns:,} px"),
        *zip(["read", *[""] * (len(tiers) - 1)], tiers, strict=True),
        ("requests", f"{costs.requests:,} for images"),
        (
            "download",
            f"about {format_bytes(costs.estimated_jpeg_bytes)}: a rough estimate, by "
            f"{JPEG_BYTES_PER_PIXEL:g} bytes of JPEG per pixel",
        ),
        (
            "source pixels",
            f"{costs.source_pixels:,}, {format_bytes(costs.decoded_bytes)} decoded",
        ),
        ("time to fetch", f"about {format_duration(costs.estimated_seconds)} across an ocean"),
        ("export", f"{format_bytes(costs.output_bytes)} uncompressed, in {chunks}"),
        ("", f"{costs.blocks_without_pixels:,} of them without pixels"),
    ]
