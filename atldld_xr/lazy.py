"""Variables as lazy arrays in a Dataset, by the executor that is asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xarray as xr

from atldld_xr.arguments import Chunks
from atldld_xr.attributes import variable_attributes
from atldld_xr.plan import LoadPlan
from atldld_xr.sources.base import Source
from atldld_xr.variables import BlockVariable, SectionVariable, pixels_of

if TYPE_CHECKING:
    from atldld_xr.backend import PlanArray

Executor = Callable[[BlockVariable | SectionVariable], Any]


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
    if "distributed" in sys.modules:  # or nobody can have connected a client
        from atldld_xr.cluster import ship_if_connected

        ship_if_connected(source)
    make = executor(source, with_dask=chunks is not None)
    out: dict[str, xr.Variable] = {}
    for variable in variables:
        dims: tuple[str, ...] = (dim,)
        preferred: dict[str, int] = {dim: 1}
        encoding: dict[str, Any] = {"preferred_chunks": preferred}
        if isinstance(variable, BlockVariable):
            dims += ("y", "x", *(name for name, _ in variable.last))
            preferred |= {"y": variable.plan.chunks[0][0], "x": variable.plan.chunks[1][0]}
        out[variable.name] = xr.Variable(
            dims, make(variable), variable_attributes(variable), encoding, fastpath=True
        )
    return xr.Dataset(out)


def executor(source: Source, *, with_dask: bool) -> Executor:
    """Return what makes a lazy array of a variable."""
    # Each is imported where it is used: Dask's arrays, and xarray's indexing, take time to import.
    if not with_dask:
        from xarray.core import indexing

        from atldld_xr.backend import PlanArray

        return lambda variable: indexing.LazilyIndexedArray(PlanArray(variable, source))
    from dask.base import tokenize

    from atldld_xr.graph import dask_array

    token = tokenize(source)
    return lambda variable: dask_array(variable, source, token)


@dataclass(frozen=True)
class Reader:
    """What stands behind a lazy array.

    Attributes
    ----------
    plan : LoadPlan
        What it is made by.
    source : Source
        Where its tiles come from.
    with_dask : bool
        Whether by Dask.
    """

    plan: LoadPlan
    source: Source
    with_dask: bool

    @property
    def sections(self) -> dict[int, int]:
        """The place of each section in the plan, by the section image's id."""
        return {section.image.id: at for at, section in enumerate(self.plan.sections)}

    def read(self, variable: SectionVariable, places: Sequence[int], dim: Hashable) -> xr.Variable:
        """Return another variable of the same tiles, for some sections, as lazy."""
        array = executor(self.source, with_dask=self.with_dask)(variable)
        return xr.Variable((dim,), array, fastpath=True).isel({dim: list(places)})


def readers(variable: xr.Variable, pixels: str) -> Iterator[Reader]:
    """Yield the plans behind a variable that read what is in another one, by its name."""
    if variable.chunks is not None:
        from atldld_xr.graph import FetchLayer

        for layer in variable.data.dask.layers.values():
            if isinstance(layer, FetchLayer) and pixels_of(layer.plan.view) == pixels:
                yield Reader(layer.plan, layer.source, True)
    for array in plan_arrays(variable):
        for plan in array.variable.plans:
            if pixels_of(plan.view) == pixels:
                yield Reader(plan, array.source, False)


def plan_arrays(variable: xr.Variable) -> Iterator[PlanArray]:
    """Yield the arrays without Dask that a variable is read from, in whatever xarray wraps them."""
    from atldld_xr.backend import PlanArray

    held: list[Any] = []
    if variable.chunks is None:
        held.append(variable._data)  # `data` would load it
    else:
        for name, layer in variable.data.dask.layers.items():
            if name.startswith("original-"):  # where xarray has made chunks
                held += [getattr(task, "value", task) for task in layer.values()]
    for array in held:
        while array is not None and not isinstance(array, PlanArray):
            array = getattr(array, "array", None)
        if array is not None:
            yield array
