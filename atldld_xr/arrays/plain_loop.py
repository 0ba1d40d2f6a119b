"""The plain loop: a plan carried out in the simplest way. The reference for the other executors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.arrays.fetch import fetch_tile
from atldld_xr.arrays.variables import BlockVariable, SectionVariable, errors_in
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
