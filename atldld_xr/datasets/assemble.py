"""Variables as lazy arrays in a Dataset, by the executor that is asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import xarray as xr

from atldld_xr.arrays.readers import executor
from atldld_xr.arrays.variables import BlockVariable, SectionVariable
from atldld_xr.datasets.attributes import variable_attributes
from atldld_xr.plan.arguments import Chunks
from atldld_xr.sources.protocol import Source


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
    send_to_workers(source)
    make = executor(source, with_dask=chunks is not None)
    out: dict[str, xr.Variable] = {}
    for variable in variables:
        dims: tuple[str, ...] = (dim,)
        preferred: dict[str, int] = {dim: 1}
        encoding: dict[str, Any] = {"preferred_chunks": preferred}
        if isinstance(variable, BlockVariable):
            dims += ("y", "x", *(name for name, _ in variable.trailing_dims))
            preferred |= {"y": variable.plan.chunks[0][0], "x": variable.plan.chunks[1][0]}
        out[variable.name] = xr.Variable(
            dims, make(variable), variable_attributes(variable), encoding, fastpath=True
        )
    return xr.Dataset(out)


def send_to_workers(source: object) -> None:
    """Tell a connected cluster's workers what they need to know to read a source."""
    if "distributed" in sys.modules:  # or nobody can have connected a client
        from atldld_xr.compute.cluster import ship_if_connected

        ship_if_connected(source)
