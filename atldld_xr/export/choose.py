"""Which of a Dataset's variables are written: those asked for, or all that say something new."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr
from dask.utils import key_split

from atldld_xr.arrays.dask_graph import BlockLayer
from atldld_xr.arrays.readers import plan_arrays, plans_behind
from atldld_xr.arrays.variables import DERIVED
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.bent_section import is_bent

# What Dask names the moves that leave pixels as they are.
_MOVES = {"getitem", "rechunk-split", "rechunk-merge", "rechunk-p2p", "transpose", "concatenate"}


def choose(dataset: xr.Dataset, variables: str | Sequence[str] | None) -> xr.Dataset:
    """Return a Dataset of the variables that are to be written.

    Parameters
    ----------
    dataset : xarray.Dataset
        What there is.
    variables : str, sequence of str or None
        Data variables by name; None for all but a displacement that is an affine: one that is
        computed, loaded or read from a store is data like any other.

    Raises
    ------
    InvalidArgumentError
        If there is no such variable, or none is named.
    """
    if not isinstance(dataset, xr.Dataset):
        raise InvalidArgumentError(f"expected an xarray.Dataset, not {type(dataset).__name__}")
    known = list(map(str, dataset.data_vars))
    if variables is None:
        is_all = known == [DERIVED] or DERIVED not in known
        return dataset if is_all or not _is_affine(dataset) else dataset.drop_vars(DERIVED)
    names = [variables] if isinstance(variables, str) else list(variables)
    unknown = ", ".join(short(name) for name in names if name not in known)
    if unknown or not names:
        raise InvalidArgumentError(
            f"variables: there is no {unknown or 'name'}; the Dataset has {', '.join(known)}"
        )
    return dataset.drop_vars([name for name in known if name not in names])


def _is_affine(dataset: xr.Dataset) -> bool:
    """Return whether a displacement is as our plans make it, at most in another order."""
    variable = dataset.variables[DERIVED]
    if "affine" not in dataset.coords or any(map(is_bent, plans_behind(variable)[0])):
        return False
    layers = {} if variable.chunks is None else variable.data.dask.layers
    made = {
        name
        for name, layer in layers.items()
        if isinstance(layer, BlockLayer) and layer.variable.name == DERIVED
    }
    read = [array for array in plan_arrays(variable) if array.variable.name == DERIVED]
    if read:  # of which xarray makes chunks in two layers
        originals = [name for name in layers if name.startswith("original-")]
        made |= {*originals, *(name.removeprefix("original-") for name in originals)}
    moves = (name for name in layers if name not in made)
    return bool(made or read) and all(key_split(name) in _MOVES for name in moves)
