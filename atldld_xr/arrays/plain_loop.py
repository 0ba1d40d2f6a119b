"""The plain loop: a plan carried out in the simplest way. The reference for the other executors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.arrays.fetch import fetch_tile
from atldld_xr.arrays.variables import BlockVariable, SectionVariable, errors_in
from atldld_xr.arrays.volume_variables import VolumeVariable, make_box
from atldld_xr.sources.protocol import Source


def load(variable: BlockVariable | SectionVariable, source: Source) -> NDArray[Any]:
    """Return a variable whole, one section and block after the other.

    Parameters
    ----------
    variable : BlockVariable or SectionVariable
        What to make.
    source : Source
        Where tiles come from; each is fetched once.
    """
    out = np.empty(variable.shape, dtype=variable.dtype)
    for index in range(variable.shape[0]):
        if isinstance(variable, SectionVariable):
            out[index] = variable.maker(index)(
                errors_in(
                    fetch_tile(source, plan.sections[index], place, plan.view, plan.on_error)
                    for plan in variable.plans
                    for place in variable.places(plan, index)
                )
            )
            continue
        plan, section = variable.plan, variable.plan.sections[index]
        fetched: dict[tuple[int, int], Any] = {}
        for block in plan.blocks():
            for place in variable.places(section, block):
                if place not in fetched:
                    fetched[place] = fetch_tile(source, section, place, plan.view, plan.on_error)
            out[index, block.y0 : block.y1, block.x0 : block.x1] = variable.make(
                section, block, fetched
            )
    return out


def load_volume(variable: VolumeVariable, source: Source) -> NDArray[Any]:
    """Return a variable of a volume whole, one chunk after the other.

    Parameters
    ----------
    variable : VolumeVariable
        What to make.
    source : Source
        Where tiles come from; each is fetched once.
    """
    plan = variable.plan.reading
    out = np.empty(variable.shape, dtype=variable.dtype)
    fetched: dict[int, dict[tuple[int, int], Any]] = {}
    for _, box in variable.boxes():
        for index, places in variable.needs(box).items():
            own, section = fetched.setdefault(index, {}), plan.sections[index]
            for place in places:
                if place not in own:
                    own[place] = fetch_tile(source, section, place, plan.view, plan.on_error)
        ends = (box.z0, box.z1), (box.y0, box.y1), (box.x0, box.x1)
        at = tuple(slice(*ends[axis]) for axis in variable.order)
        out[at] = make_box(variable.make, variable.order, variable.plan, box, fetched)
    return out
