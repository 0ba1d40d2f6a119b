"""Whose pixels a variable of a Dataset is made of, whatever it is called.

A mask that is renamed, or computed with, is absent where the service has none all the same. Plans
stand behind what is lazy; what is loaded, or read back from a store, says it in an attribute, which
xarray keeps with the values and drops in arithmetic. ``where`` and ``fillna`` keep the first one's:
of what was loaded before, they tell of the first alone, until the attribute is put right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from atldld_xr.arrays.readers import plans_behind
from atldld_xr.arrays.variables import MADE_OF, OWN_NAMES, STATUSES, pixels_of

EVERY = tuple(STATUSES.values())
"""Of what a variable may be made."""


def made_of(dataset: xr.Dataset, name: str) -> tuple[str, ...]:
    """Return what a variable is made of: "image", "expression", "projection" or several.

    Parameters
    ----------
    dataset : xarray.Dataset
        Whole, sliced or changed.
    name : str
        One of its variables.

    Returns
    -------
    tuple of str
        All where nothing tells: then a section is there if all are. Empty for what is not of
        sections.
    """
    variable = dataset.variables[name]
    plans, is_all = plans_behind(variable)
    found = {pixels_of(plan.view) for plan in plans}
    said = said_in("" if found else name, variable.attrs)
    if not said and not is_all:  # what is loaded, or read from a store, is in no plan
        ids = dataset.variables.get("section_image_id")
        if ids is not None and not {*ids.dims} <= {*variable.dims}:
            return ()
        # Projections are of few data sets: where nothing tells of them there are none.
        return tuple(b for b in EVERY if b != "projection" or "projection_status" in dataset)
    return tuple(base for base in EVERY if base in found.union(said))


def said_in(name: str, attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a variable is made of by its attribute, or its name if that is one of ours."""
    said = attributes.get(MADE_OF)
    if isinstance(said, str) and said:
        return tuple(base for base in EVERY if base in said.split())
    return (OWN_NAMES[name],) if name in OWN_NAMES else ()  # as earlier versions have it


def say_made_of(dataset: xr.Dataset) -> xr.Dataset:
    """Return a Dataset whose variables say what they are made of, as far as plans tell."""
    out = {}
    for name, variable in dataset.variables.items():
        if name not in dataset.data_vars or not plans_behind(variable)[0]:
            continue
        said = " ".join(made_of(dataset, str(name)))  # more than xarray has kept, after `where`
        if variable.attrs.get(MADE_OF) != said:
            out[name] = variable.copy(deep=False)
            out[name].attrs = {**variable.attrs, MADE_OF: said}
    return dataset.assign(out)
