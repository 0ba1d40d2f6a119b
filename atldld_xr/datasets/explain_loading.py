"""What loading a Dataset or array takes: by Dask, or without it."""

from __future__ import annotations

from math import prod
from typing import Any

import xarray as xr

from atldld_xr.arrays.needs import KeptTiles, Needs
from atldld_xr.arrays.variables import BlockVariable
from atldld_xr.datasets.explain import Explanation, explain_needs
from atldld_xr.datasets.sections import sections_of


def explain_loading(data: xr.Dataset | xr.DataArray, **assumed: float) -> Explanation:
    """Return what ``data.compute()`` takes.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataArray
        Whole, sliced, or with more done to it. What is not lazy takes nothing.
    **assumed : float
        As for `explain_needs`.
    """
    from atldld_xr.arrays.lazy_needs import is_lazy, read_lazy

    variables = list(data.variables.values()) if isinstance(data, xr.Dataset) else [data.variable]
    by_dask = [variable for variable in variables if variable.chunks is not None]
    # `data` would load it, as xarray has no public way to what is lazy (pydata/xarray#5081).
    others = [v for v in variables if v.chunks is None and is_lazy(v._data)]
    needs, kept = Needs(), KeptTiles()
    if by_dask:
        _explain_dask([variable.data for variable in by_dask], needs, kept)
    for variable in others:
        read_lazy(variable._data, None, needs, kept)
    return explain_needs(
        needs,
        sections_of(data),
        output_bytes=sum(variable.nbytes for variable in (*by_dask, *others)),
        chunks=sum(prod(v.data.numblocks) for v in by_dask) + len(others),
        **assumed,
    )


def _explain_dask(arrays: list[Any], needs: Needs, kept: KeptTiles) -> None:
    from atldld_xr.arrays.dask_graph import BlockLayer, FetchLayer, SectionLayer
    from atldld_xr.arrays.graph_needs import GraphNeeds, computed_graph

    whole = [array.dask.layers[array.name] for array in arrays]
    if not all(isinstance(layer, BlockLayer | SectionLayer) for layer in whole):
        GraphNeeds(needs, kept).add(computed_graph(arrays))
        return
    # Nothing was done to any of them: what they need is in their plans, without a task.
    fetches = {}
    for array, layer in zip(arrays, whole, strict=True):
        variable = layer.variable
        if isinstance(variable, BlockVariable):
            needs.make_plan(variable.plan)
        layers = array.dask.layers.items()
        fetches.update({name: some for name, some in layers if isinstance(some, FetchLayer)})
    for fetch in fetches.values():
        needs.ask_for_all(fetch.source, fetch.plan)
