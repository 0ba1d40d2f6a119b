"""open_image: one section image as it is, as a lazy array."""

from __future__ import annotations

from os import PathLike
from typing import Literal

import numpy as np
import xarray as xr

from atldld_xr.allen.fluorescence import RangeLike, check_range
from atldld_xr.allen.ids import check_id
from atldld_xr.allen.tiers import pixel_to_distance, starts_before, tier_size, to_full
from atldld_xr.allen.windowed import as_read
from atldld_xr.arrays.variables import pixels_of, pixels_variable
from atldld_xr.datasets.assemble import assemble
from atldld_xr.datasets.attributes import (
    channel_coordinate,
    coordinate_attributes,
    image_attributes,
    range_attribute,
    unregistered_attributes,
)
from atldld_xr.datasets.one_image import parse_one
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.plan.arguments import (
    Chunks,
    check_masks,
    check_options,
    check_tier,
    split_blocks,
)
from atldld_xr.plan.load_plan import LoadPlan, SectionPlan, default_fill
from atldld_xr.sources.protocol import Source, ask_source, kept_alone
from atldld_xr.sources.resolve import resolve


def open_image(
    image_id: int | str,
    *,
    tier: int = 0,
    expression: bool | Literal["intensity"] = False,
    projection: bool | Literal["intensity"] = False,
    range: RangeLike | None = None,
    chunks: Chunks = "auto",
    source: str | PathLike[str] | Source | None = None,
    refresh: bool = False,
    offline: bool | None = None,
) -> xr.Dataset:
    """Open one section image as it is, unregistered, as a lazy array.

    Parameters
    ----------
    image_id : int or str
        Allen's section image id, in any of the ways in which `open_dataset` takes an id: also one
        value of ``ds.section_image_id``.
    tier : int
        How many times the image is halved; 0 is full resolution.
    expression : bool or "intensity"
        Whether to add Allen's expression mask, as for `open_dataset`.
    projection : bool or "intensity"
        Whether to add the mask of connectivity, as for `open_dataset`.
    range : sequence of int or mapping, optional
        Which values of 16 bits become black and white, as for `open_dataset`.
    chunks : "auto", None, int or mapping
        As for `open_dataset`.
    source : str, path or source object, optional
        As for `open_dataset`.
    refresh : bool
        Whether to ask for the metadata anew, as for `open_dataset`.
    offline : bool, optional
        Whether to take all from the cache, as for `open_dataset`.

    Returns
    -------
    xarray.Dataset
        ``image`` (y, x, channel) uint8. `y` and `x` are the pixels' centres in micrometres from
        the section's corner; ``y_pixel`` and ``x_pixel`` the same in full-resolution pixels, as
        the registration counts them.

    Raises
    ------
    InvalidArgumentError, DatasetNotFoundError, MetadataError, ServiceError
        As for `open_dataset`.

    Examples
    --------
    >>> import atldld_xr
    >>> atldld_xr.open_image(910000001, tier=4, source="phantom").image.shape
    (125, 178, 3)
    """
    check_options("nearest", "raise", None, expression, None)
    check_masks("projection", projection)
    check_range(range)
    image_id = check_id(image_id, "section image")
    opened = kept_alone(resolve(source), offline)
    opened, record = ask_source(opened, lambda s: s.image_record(image_id), refresh)
    one = parse_one(record, range)
    image = one.image
    checked = check_tier(tier, image)
    if checked is None:
        raise InvalidArgumentError('an unregistered image has no resolution to take tier="auto" by')
    tier = checked  # an int of Python's: NumPy's small ones overflow
    views = one.views(expression, projection)
    height, width = tier_size(image.height, tier), tier_size(image.width, tier)
    # Output pixel k is the tier's pixel k; sampling at its centre copies it.
    step = float(2**tier)
    pixels = {
        axis: to_full(np.arange(size, dtype=np.float64), tier, starts_before(offset, tier))
        for axis, size, offset in (("y", height, image.y), ("x", width, image.x))
    }
    first_x, first_y = (float(pixels[axis][0]) for axis in "xy")
    plans = {
        view: LoadPlan(
            sections=(
                SectionPlan(
                    image=as_read(image, view),
                    affine=((0.0, step, first_x), (step, 0.0, first_y)),
                    tier=tier,
                    reduction=0,
                    subsamples=1,
                    tile_side=opened.tile_side(image, tier, view),
                    interpolation="nearest",
                ),
            ),
            shape=(height, width),
            chunks=split_blocks(chunks, (height, width)),
            view=view,
            fill_value=default_fill(view, fluorescence=one.channels is not None),
            on_error="raise",
        )
        for view in views
    }
    variables = [pixels_variable(pixels_of(view), plan) for view, plan in plans.items()]
    out = assemble(variables, "section", opened, chunks).isel(section=0)
    for name, variable in out.data_vars.items():
        variable.attrs = unregistered_attributes(str(name))
    for axis, along in (("y", "down"), ("x", "across")):
        pixel = pixels[axis]
        um = pixel_to_distance(pixel, image.resolution)
        out = out.assign_coords(
            {
                axis: (axis, um, coordinate_attributes(axis, f"{along} the section")),
                f"{axis}_pixel": (axis, pixel, {"long_name": "full-resolution pixel"}),
            }
        )
    out = out.assign_coords(channel_coordinate(one.channels))
    attributes = image_attributes(image, tier, opened, one.products)
    return out.assign_attrs(attributes | range_attribute(one.channels, image))
