"""The pixels of one picture, read no finer than it can show them.

A plan says how a section is read at any size of pixels, so a small picture of a data set that was
opened in fine ones is read from a coarser tier: a montage at 1 um would take a thousand times what
it shows. What is no plain part of a plan, as what was computed or is in a store, is read as it is.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.allen.reference import SECTION_DIMS
from atldld_xr.arrays.at_tier import at_its_tier
from atldld_xr.arrays.plain_part import PlainPart, plain_part
from atldld_xr.arrays.variables import PIXELS, coverage_variable, pixels_variable
from atldld_xr.datasets.assemble import assemble
from atldld_xr.datasets.masked import find_coverage
from atldld_xr.datasets.sections import TABLE_DIM, nearest_section
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.load_plan import SectionPlan
from atldld_xr.plan.selected import is_selected
from atldld_xr.planes.spacing import find_pixel_size, find_step

_LARGEST = 1 << 26  # pixels of a picture: 8192 a side
_ONE = "one_section"


def one_section(dataset: xr.Dataset, at: float | None) -> xr.Dataset:
    """Return the section of a Dataset that is meant, not yet read.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of sections, of one, or a volume.
    at : float, optional
        Near which coordinate, in micrometres; of one section it is not needed.

    Raises
    ------
    InvalidArgumentError
        If it is not told which.
    """
    dim = next((name for name in SECTION_DIMS if name in dataset.dims), None)
    if at is not None:
        if TABLE_DIM in dataset.dims and dim in dataset.dims:
            volume = dataset.drop_dims(TABLE_DIM)
            return nearest_section(volume, at)
        return nearest_section(dataset, at)
    if dim is None or not {"y", "x"} <= {*dataset.dims}:
        return dataset
    if not dataset.sizes[dim]:
        raise InvalidArgumentError(f"this Dataset has no section: {dim} is empty")
    if dataset.sizes[dim] == 1:
        return dataset.isel({dim: 0})
    first, last = (float(dataset[dim].values[end]) for end in (0, -1))
    raise InvalidArgumentError(
        f"this Dataset has {dataset.sizes[dim]} sections: say near which {dim} coordinate, from "
        f"{first:.0f} to {last:.0f} um, one is to be shown"
    )


def check_variable(dataset: xr.Dataset, name: object) -> str:
    """Return the name of a variable that can be drawn.

    Raises
    ------
    InvalidArgumentError
        If the Dataset has none of that name.
    """
    if isinstance(name, str) and name in dataset.data_vars:
        return name
    known = ", ".join(map(str, dataset.data_vars)) or "none"
    raise InvalidArgumentError(f"variable is one of {known}, not {short(name)}")


def read_section(dataset: xr.Dataset, name: str, finest: float) -> xr.Dataset:
    """Read a variable of one section, and where it has pixels, as coarse as it is shown.

    Parameters
    ----------
    dataset : xarray.Dataset
        One section.
    name : str
        The variable.
    finest : float
        The smallest pixels that can be seen, in micrometres: none is read that is finer than half
        of them.

    Returns
    -------
    xarray.Dataset
        Loaded: the variable and, where the Dataset has it, its coverage as "coverage".

    Raises
    ------
    InvalidArgumentError
        If there is too much for a picture.
    SectionImageError
        If it cannot be read, and the Dataset was opened with ``on_error="raise"``.
    """
    covered = find_coverage(dataset, name)
    # Not `dataset[[...]]`, which loses the coordinates that say how sections lie.
    wanted = dataset.drop_vars([v for v in dataset.data_vars if v not in (name, covered)])
    if covered not in (None, name):
        wanted = wanted.rename({covered: "coverage"})
    factor = factor_of(dataset, finest)
    # By Dask a window would be read with all blocks that it touches.
    by_plan = factor > 1 or wanted[name].chunks is not None
    coarse = coarser(wanted, name, factor) if by_plan else None
    if coarse is not None:
        return check_size(coarse, name).load()
    return _averaged(check_size(wanted, name).load(), factor)


def factor_of(dataset: xr.Dataset, finest: float) -> int:
    """Return of how many rows and columns a pixel can be made that is seen as one, at least."""
    size = find_pixel_size(dataset) if {"y", "x"} <= {*dataset.dims} else None
    if size is None:
        return 1
    return max(min(math.floor(finest / size), dataset.sizes["y"], dataset.sizes["x"]), 1)


def coarser(dataset: xr.Dataset, name: str, factor: int) -> xr.Dataset | None:
    """Return one section in pixels of so many rows and columns, lazy; None if no plan tells how.

    Parameters
    ----------
    dataset : xarray.Dataset
        One section, with the variable.
    name : str
        A variable of pixels.
    factor : int
        Of how many rows and columns a pixel is made. Those that fill none are left out.
    """
    found = _plan_behind(dataset, name)
    if found is None:
        return None
    part, section = found
    grid = coarser_grid(dataset, factor)
    y, x = grid["y"].values, grid["x"].values
    step = (find_pixel_size(dataset) or math.nan) * factor
    to_place = _to_place(grid, step)
    affine = np.asarray(grid["affine"].values, dtype=np.float64) @ to_place
    if factor > 1:
        view = part.made.plan.view
        section = at_its_tier(section, affine, step, view=view, source=part.source)
    else:
        row_x, row_y = affine.tolist()
        section = replace(section, affine=(tuple(row_x), tuple(row_y)))
    shape = len(y), len(x)
    chunks = ((shape[0],), (shape[1],))
    plan = replace(part.made.plan, sections=(section,), shape=shape, chunks=chunks)
    variables = [pixels_variable(name, plan)]
    if "coverage" in dataset:
        variables.append(coverage_variable("coverage", plan))
    made = assemble(variables, _ONE, part.source, None).isel({_ONE: 0})
    return made.assign_coords(grid.coords).assign_attrs(grid.attrs)


def _to_place(grid: xr.Dataset, step: float) -> NDArray[np.float64]:
    """Return the matrix from (row, column, 1) of pixels to micrometres (y, x, 1)."""
    y, x = (float(grid[dim].values[0]) for dim in ("y", "x"))
    return np.array([[step, 0, y], [0, step, x], [0, 0, 1]])


def coarser_grid(dataset: xr.Dataset, factor: int) -> xr.Dataset:
    """Return the coordinates of a section in coarser pixels, without a variable.

    Parameters
    ----------
    dataset : xarray.Dataset
        One section, or a stack.
    factor : int
        Of how many rows and columns a pixel is made. Those that fill none are left out.
    """
    out = dataset.drop_vars(list(dataset.data_vars))
    if factor == 1:
        return out
    places = {}
    for dim in ("y", "x"):
        at = np.asarray(dataset[dim].values, dtype=np.float64)
        count = len(at) // factor
        means = at[: count * factor].reshape(count, factor).mean(axis=1)
        places[dim] = (dim, means, dataset[dim].attrs)
    size = find_pixel_size(dataset)
    kept = {k: v for k, v in out.coords.items() if not {"y", "x"} & {*v.dims}}
    resolution = None if size is None else size * factor
    attributes = {**dataset.attrs, "resolution": resolution}
    return xr.Dataset(coords={**kept, **places}, attrs=attributes)


def _plan_behind(dataset: xr.Dataset, name: str) -> tuple[PlainPart, SectionPlan] | None:
    """Return what makes a section, if the variable is a part of it and nothing else."""
    variable = dataset[name].variable
    ids = dataset.coords.get("section_image_id")
    affine = dataset.coords.get("affine")
    size = find_pixel_size(dataset) if {"y", "x"} <= {*dataset.indexes} else None
    if (
        size is None
        or ids is None
        or ids.ndim
        or affine is None
        or affine.shape != (2, 3)
        or any(find_step(dataset[dim].values, size) != size for dim in ("y", "x"))
        or not all(dataset.indexes[dim].is_monotonic_increasing for dim in ("y", "x"))
    ):
        return None
    part = plain_part(variable)
    if part is None or part.made.name not in PIXELS:
        return None
    plan = part.made.plan
    section = next((one for one in plan.sections if one.image.id == int(ids)), None)
    dims = ("y", "x", *(name for name, _ in part.made.trailing_dims))
    if section is None or variable.dims != dims or variable.shape[2:] != plan.channels:
        return None
    shown = np.asarray(affine.values, dtype=np.float64) @ _to_place(dataset, size)
    shape = variable.shape[0], variable.shape[1]
    fits = is_selected(section.affine, shown, shape=shape, within=plan.shape, thinned=True)
    return (part, section) if fits else None


def _averaged(dataset: xr.Dataset, factor: int) -> xr.Dataset:
    """Return what was read in coarser pixels: the mean of each, rounded as its type needs."""
    if factor == 1:
        return dataset
    means = dataset.coarsen(y=factor, x=factor, boundary="trim").mean()
    out = {}
    for name, mean in means.data_vars.items():
        kind = dataset[name].dtype
        values = mean.round() if kind.kind in "ui" else mean >= 0.5 if kind.kind == "b" else mean
        out[name] = values.astype(kind)
    return means.assign(out)


def check_size(dataset: xr.Dataset, name: str) -> xr.Dataset:
    """Return what can be read for a picture.

    Raises
    ------
    InvalidArgumentError
        If it is too large.
    """
    count = math.prod(n for d, n in dataset[name].sizes.items() if d in dataset.indexes)
    if count > _LARGEST:
        raise InvalidArgumentError(
            f"a picture of {count:,} pixels is too large: open the data set at a coarser "
            "resolution, or take a window with .sel(y=slice(...), x=slice(...))"
        )
    return dataset
