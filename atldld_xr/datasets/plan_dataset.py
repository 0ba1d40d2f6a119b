"""What a Dataset is made by: its sections, grid, tiers and variables. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Literal

from atldld_xr.allen.cuts import Viewed
from atldld_xr.allen.fluorescence import RangeLike, check_range
from atldld_xr.allen.metadata import SectionDataset, parse_dataset
from atldld_xr.allen.reference import CORONAL, Anchor, Grid
from atldld_xr.allen.tiers import View, has_view, plan_section
from atldld_xr.allen.windowed import as_read, windowed_dataset
from atldld_xr.arrays.fetch import OnError
from atldld_xr.arrays.variables import (
    BlockVariable,
    SectionVariable,
    coverage_variable,
    displacement_variable,
    pixels_of,
    pixels_variable,
    status_variable,
)
from atldld_xr.datasets.placed import Placed, place_images
from atldld_xr.datasets.which_space import Extent, SpaceLike, check_space, space_of
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.plan.arguments import (
    Chunks,
    Tier,
    check_masks,
    check_options,
    check_plane,
    check_tier,
    split_blocks,
)
from atldld_xr.plan.bend import Bend
from atldld_xr.plan.bent_section import BentSectionPlan
from atldld_xr.plan.load_plan import Interpolation, LoadPlan, SectionPlan, default_fill
from atldld_xr.registration.registration import Registration
from atldld_xr.registration.resolve import Registered, check_registration, resolve_registration
from atldld_xr.sources.protocol import Source, ask_source, kept_alone
from atldld_xr.sources.resolve import parse_dataset_name, resolve


@dataclass(frozen=True)
class DatasetPlan:
    """What `open_dataset` is about to make, before any image is fetched.

    Attributes
    ----------
    data : SectionDataset
        The data set's metadata.
    grid : Grid
        The pixels of every registered section.
    placed : tuple of Placed
        The sections, in order of their coordinate.
    plans : mapping of View to LoadPlan
        By what is read: "image" always, and a mask if it was asked for.
    source : Source
        Where tiles come from.
    chunks, interpolation, plane
        As they were asked for.
    registration : Registration or None
        What says how sections lie in place of Allen's matrices.
    """

    data: SectionDataset
    grid: Grid
    placed: tuple[Placed, ...]
    plans: Mapping[View, LoadPlan]
    source: Source
    chunks: Chunks
    interpolation: Interpolation
    plane: Viewed
    registration: Registration | None = None

    @property
    def variables(self) -> list[BlockVariable | SectionVariable]:
        """The data variables, in their order in the Dataset."""
        return _variables(self.plans)


def plan_dataset(
    dataset: int | str,
    *,
    resolution: float = 25,
    tier: Tier = "auto",
    expression: bool | Literal["intensity"] = False,
    projection: bool | Literal["intensity"] = False,
    range: RangeLike | None = None,
    chunks: Chunks = "auto",
    anchor: Anchor = "center",
    interpolation: Interpolation = "linear",
    on_error: OnError = "raise",
    fill_value: int | None = None,
    reference_space: SpaceLike | None = None,
    extent: Extent | None = None,
    detection_xy: tuple[float, float] | None = None,
    plane: Viewed = "projected",
    registration: Registered | None = None,
    source: str | PathLike[str] | Source | None = None,
    refresh: bool = False,
    offline: bool | None = None,
) -> DatasetPlan:
    """Plan what `open_dataset` makes of the same arguments; raises what that does."""
    check_options(interpolation, on_error, fill_value, expression, detection_xy)
    check_masks("projection", projection)
    check_range(range)
    check_plane(plane)
    check_registration(registration)
    dataset_id = parse_dataset_name(dataset)
    # Arguments are checked before the request: any plane has the same bounds.
    Grid(CORONAL, check_space(reference_space, extent), resolution, anchor)
    opened = kept_alone(resolve(source, dataset), offline)

    opened, record = ask_source(opened, lambda s: s.dataset_record(dataset_id), refresh)
    data = windowed_dataset(parse_dataset(record), range)
    space = space_of(data, reference_space, extent, opened)
    grid = Grid(data.plane, space, resolution, anchor)
    registered = resolve_registration(registration, data)
    poses = None if registered is None else registered.of_dataset(data)
    bends = {} if registered is None else registered.bends
    placed = place_images(data, grid, plane=plane, detection_xy=detection_xy, poses=poses)
    plans = {
        view: LoadPlan(
            sections=tuple(
                _plan_section(section, grid, view, tier, interpolation, opened, bends)
                for section in placed
            ),
            shape=grid.shape,
            chunks=split_blocks(chunks, grid.shape),
            view=view,
            fill_value=default_fill(view, data.fluorescence)
            if fill_value is None
            else int(fill_value),
            on_error=on_error,
        )
        for view in _views(data, expression, projection)
    }
    return DatasetPlan(
        data, grid, tuple(placed), plans, opened, chunks, interpolation, plane, registered
    )


def _views(data: SectionDataset, expression: bool | str, projection: bool | str) -> list[View]:
    out: list[View] = ["image"]
    if expression:
        if not any(image.has_expression for image in data.images):
            raise InvalidArgumentError(f"section data set {data.id} has no expression masks")
        out.append("intensity" if expression == "intensity" else "expression")
    if projection:
        if not data.has_projections:
            raise InvalidArgumentError(
                f"section data set {data.id} has no projection masks: those of connectivity have"
            )
        out.append("projection_intensity" if projection == "intensity" else "projection")
    return out


def _plan_section(
    section: Placed,
    grid: Grid,
    view: View,
    tier: Tier,
    interpolation: Interpolation,
    source: Source,
    bends: Mapping[int, Bend],
) -> SectionPlan:
    image, affine = as_read(section.image, view), section.affine
    fetched, reduction, subsamples = plan_section(
        image,
        affine,
        tier=check_tier(tier, image),
        tiers=source.tiers(image, view),
        interpolation=interpolation,
        resolution=grid.resolution,
    )
    row_x, row_y = affine.tolist()
    plan = SectionPlan(
        image=image,
        affine=(tuple(row_x), tuple(row_y)),
        tier=fetched,
        reduction=reduction,
        subsamples=subsamples,
        tile_side=source.tile_side(image, fetched, view),
        interpolation=interpolation,
        readable=has_view(image, view),
    )
    bend = bends.get(image.id)
    return plan if bend is None else BentSectionPlan.of(plan, bend)


def _variables(plans: Mapping[View, LoadPlan]) -> list[BlockVariable | SectionVariable]:
    image = plans["image"]
    masks = [(pixels_of(view), plan) for view, plan in plans.items() if view != "image"]
    out: list[BlockVariable | SectionVariable] = [pixels_variable("image", image)]
    out += [pixels_variable(name, plan) for name, plan in masks]
    out += [displacement_variable("displacement", image), coverage_variable("coverage", image)]
    out += [coverage_variable(f"{name}_coverage", plan) for name, plan in masks]
    if image.on_error == "fill":
        out.append(status_variable("status", (image,)))
        out += [status_variable(f"{name}_status", (plan,)) for name, plan in masks]
    return out
