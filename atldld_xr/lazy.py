"""Variables as lazy arrays in a Dataset, by the executor that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr
from dask.base import tokenize

from atldld_xr.arguments import Chunks
from atldld_xr.attributes import variable_attributes
from atldld_xr.sources.base import Source
from atldld_xr.variables import BlockVariable, SectionVariable


def assemble(
    variables: Sequence[BlockVariable | SectionVariable], dim: str, source: Source, chunks: Chunks
) -> xr.Dataset:
    """Return a Dataset of lazy arrays.

    Parameters
    ----------
    variables : sequence of BlockVariable or SectionVariable
        What is in it.
    dim : str
        Name of the dimension across sections.
    source : Source
        Where tiles come from.
    chunks : "auto", None, int or mapping
        None gives arrays without Dask; the chunks themselves are the plans'.
    """
    out: dict[str, xr.Variable] = {}
    token = tokenize(source)
    for variable in variables:
        dims: tuple[str, ...] = (dim,)
        preferred: dict[str, int] = {dim: 1}
        encoding: dict[str, Any] = {"preferred_chunks": preferred}
        if isinstance(variable, BlockVariable):
            dims += ("y", "x", *(name for name, _ in variable.last))
            preferred |= {"y": variable.plan.chunks[0][0], "x": variable.plan.chunks[1][0]}
        data: Any
        if chunks is None:
            from xarray.core import indexing

            from atldld_xr.backend import PlanArray

            data = indexing.LazilyIndexedArray(PlanArray(variable, source))
        else:
            from atldld_xr.graph import dask_array

            data = dask_array(variable, source, token)
        out[variable.name] = xr.Variable(
            dims, data, variable_attributes(variable), encoding, fastpath=True
        )
    return xr.Dataset(out)
