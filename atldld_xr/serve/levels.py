"""A Dataset's sections in pixels of any size: planned anew, each at the tier that it then needs.

The coordinate `affine` leads from micrometres to a section's image, so that this is of any slice
of a Dataset, and of whatever registration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from atldld_xr.arrays.at_tier import at_its_tier
from atldld_xr.arrays.plain_part import PlainPart, plain_part
from atldld_xr.arrays.readers import executor
from atldld_xr.plan.load_plan import SectionPlan
from atldld_xr.plan.selected import is_selected
from atldld_xr.planes.axis import Axis


@dataclass(frozen=True)
class Planned:
    """A variable that is a plain part of what a plan makes.

    Attributes
    ----------
    part : PlainPart
        What makes it.
    """

    part: PlainPart

    def has(self, dataset: xr.Dataset, name: str, y: Axis, x: Axis) -> bool:
        """Whether the pixels of a Dataset's sections are the plan's, where the plan has them.

        Parameters
        ----------
        dataset, y, x
            As for `at`; the pixels are the Dataset's own.
        name : str
            Of the variable.
        """
        plan, sizes = self.part.made.plan, dataset[name].sizes
        whole = all(sizes.get(dim) == size for dim, size in self.part.made.trailing_dims)
        return whole and all(
            is_selected(section.affine, matrix, shape=(y.size, x.size), within=plan.shape)
            for section, matrix in self._sections(dataset, y, x)
        )

    def at(self, dataset: xr.Dataset, y: Axis, x: Axis) -> xr.Variable:
        """Return the same of a Dataset's sections, without Dask, in other pixels.

        Parameters
        ----------
        dataset : xarray.Dataset
            Whose variable this is, with the coordinates `affine` and ``section_image_id``.
        y, x : Axis
            The pixels, in micrometres.
        """
        made, source = self.part.made, self.part.source
        planned = tuple(
            at_its_tier(section, matrix, y.step, view=made.plan.view, source=source)
            for section, matrix in self._sections(dataset, y, x)
        )
        plan = replace(
            made.plan,
            sections=planned,
            shape=(y.size, x.size),
            chunks=((y.size,), (x.size,)),
            on_error="raise",  # what is shown is right, or it is not shown
        )
        variable = replace(made, plan=plan)
        trailing = (name for name, _ in variable.trailing_dims)
        dims = (dataset["section_image_id"].dims[0], "y", "x", *trailing)
        return xr.Variable(dims, executor(source, with_dask=False)(variable))

    def _sections(
        self, dataset: xr.Dataset, y: Axis, x: Axis
    ) -> Iterator[tuple[SectionPlan, np.ndarray[Any, Any]]]:
        """Yield each section as it is planned, and what leads from pixels to its image."""
        sections = {section.image.id: section for section in self.part.made.plan.sections}
        affine = dataset["affine"].transpose(..., "component", "term").values
        to_micrometres = np.array([[y.step, 0, y.first], [0, x.step, x.first], [0, 0, 1]])
        for image_id, matrix in zip(
            dataset["section_image_id"].values.tolist(), affine, strict=True
        ):
            yield sections[image_id], matrix @ to_micrometres


def planned_behind(dataset: xr.Dataset, name: str) -> Planned | None:
    """Return what plan a variable is a plain part of; None if something else was done to it too."""
    if not {"affine", "section_image_id"} <= {*map(str, dataset.coords)}:
        return None
    part = plain_part(dataset[name].variable)
    return None if part is None else Planned(part)
