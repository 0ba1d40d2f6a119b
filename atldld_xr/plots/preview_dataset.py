"""The preview of a Dataset that is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from atldld_xr.allen.reference import space_told
from atldld_xr.datasets.which_source import source_of
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.plan.arguments import is_whole
from atldld_xr.plots.preview import preview

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def preview_of(dataset: xr.Dataset) -> Figure:
    """Draw the same of an opened Dataset, in its space; see ``Dataset.atldld.plot.preview``."""
    number = dataset.attrs.get("section_data_set_id")
    if not is_whole(number):
        raise InvalidArgumentError(
            "this Dataset does not say of which data set it is: it has no attribute "
            "section_data_set_id"
        )
    space = space_told(dataset.attrs, 9)
    return preview(int(number), source=source_of(dataset), reference_space=space)
