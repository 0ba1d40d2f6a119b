"""What makes lazy arrays, and the plans that stand behind them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xarray as xr

from atldld_xr.arrays.variables import BlockVariable, SectionVariable, pixels_of
from atldld_xr.arrays.volume_variables import VolumeVariable
from atldld_xr.plan.load_plan import LoadPlan
from atldld_xr.sources.protocol import Source

if TYPE_CHECKING:
    from atldld_xr.arrays.lazy_array import PlanArray


Executor = Callable[[BlockVariable | SectionVariable | VolumeVariable], Any]


def executor(source: Source, *, with_dask: bool) -> Executor:
    """Return what makes a lazy array of a variable."""
    # Each is imported where it is used: Dask's arrays, and xarray's indexing, take time to import.
    if not with_dask:
        from xarray.core import indexing

        from atldld_xr.arrays.lazy_array import PlanArray

        return lambda variable: indexing.LazilyIndexedArray(PlanArray(variable, source))
    from dask.base import tokenize

    from atldld_xr.arrays.dask_graph import dask_array
    from atldld_xr.arrays.volume_graph import volume_array

    token = tokenize(source)

    def with_dask_array(variable: BlockVariable | SectionVariable | VolumeVariable) -> Any:
        if isinstance(variable, VolumeVariable):
            return volume_array(variable, source, token)
        return dask_array(variable, source, token)

    return with_dask_array


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
        from atldld_xr.arrays.dask_graph import FetchLayer

        for layer in variable.data.dask.layers.values():
            if isinstance(layer, FetchLayer) and pixels_of(layer.plan.view) == pixels:
                yield Reader(layer.plan, layer.source, True)
    for array in plan_arrays(variable):
        for plan in array.variable.plans:
            if pixels_of(plan.view) == pixels:
                yield Reader(plan, array.source, False)


def plans_behind(variable: xr.Variable) -> tuple[list[LoadPlan], bool]:
    """Return the plans that a variable is made by, and whether it is made of nothing else."""
    arrays = [array.variable for array in plan_arrays(variable)]
    if variable.chunks is None:
        return [plan for made in arrays for plan in made.plans], bool(arrays)
    from atldld_xr.arrays.dask_graph import FetchLayer, VariableLayer

    graph = variable.data.dask
    layers = [layer for layer in graph.layers.values() if isinstance(layer, VariableLayer)]
    made = [layer.variable for layer in layers] + arrays
    others = [
        name
        for name, layer in graph.layers.items()
        if not graph.dependencies[name] and not isinstance(layer, FetchLayer | VariableLayer)
    ]
    return [plan for variable in made for plan in variable.plans], len(others) == len(arrays)


def content_name(variable: xr.Variable, chunks: Mapping[Hashable, int]) -> str | None:
    """Return a name for the Dask array of an array without Dask: the same for the same pixels.

    Dask's own would be of the bytes that xarray's wrappers are pickled as, with the names of
    modules and attributes: an export could not be gone on with after any change to these.

    Parameters
    ----------
    variable : xarray.Variable
        Any.
    chunks : mapping of int
        The size of its chunks by dimension.

    Returns
    -------
    str or None
        None if it is not made by a plan, or a rule, alone.
    """
    from dask.base import tokenize

    from atldld_xr.arrays.lazy_array import PlanArray
    from atldld_xr.arrays.ruled_array import RuledArray

    array, keys = behind_selections(variable)
    if not isinstance(array, PlanArray | RuledArray):
        return None
    return f"atldld-{tokenize(array, keys, variable.dims, sorted(chunks.items(), key=str))}"


def behind_selections(variable: xr.Variable) -> tuple[Any, list[Any]]:
    """Return the array that a variable selects from, and what is selected, without reading it."""
    # xarray has no public way to what is lazy: `.data` reads it (pydata/xarray#5081).
    return unwrapped(variable._data)


def unwrapped(array: Any) -> tuple[Any, list[Any]]:
    """Return what is in xarray's wrappers of an array, and what each of them selects."""
    keys: list[Any] = []
    while type(array).__name__ in _SELECTING:
        key = getattr(array, "key", None)
        keys.append(None if key is None else (type(key).__name__, key.tuple))
        array = array.array
    return array, keys


_SELECTING = {
    "CopyOnWriteArray",
    "LazilyIndexedArray",
    "LazilyVectorizedIndexedArray",
    "MemoryCachedArray",
}
"""xarray's wrappers that select from an array, or keep it, and change none of its values."""


def plan_arrays(variable: xr.Variable) -> Iterator[PlanArray]:
    """Yield the arrays without Dask that a variable is read from, in whatever xarray wraps them."""
    from atldld_xr.arrays.lazy_array import PlanArray

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
