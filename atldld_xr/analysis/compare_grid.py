"""compare_grid: expression counted on sections beside Allen's own grid of it."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.analysis.accumulators import EXPRESSING_INTENSITY, VALID, merge
from atldld_xr.analysis.grid_summary import AXES
from atldld_xr.analysis.places import r_lines, true_places
from atldld_xr.analysis.stream import count_sections
from atldld_xr.analysis.structure_summary import THRESHOLD, check_threshold
from atldld_xr.analysis.summary import grid_of
from atldld_xr.datasets.sections import section_dim
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

_FARTHEST = 2
"""Voxels that the grids are shifted by, along each axis, to see where they agree best."""

Values = NDArray[np.float64]


def compare_grid(
    dataset: xr.Dataset, *, grid: xr.Dataset | None = None, threshold: int = THRESHOLD
) -> xr.Dataset:
    """Put expression energy as counted on a Dataset's sections beside Allen's own grid of it.

    Ours is, of the pixels that truly lie in a voxel, the sum of 255 - grey of those that express,
    over all that section and mask have. All of the Dataset is read, block by block.

    Parameters
    ----------
    dataset : xarray.Dataset
        As `open_dataset` gives it with ``expression="intensity"``, whole or sliced.
    grid : xarray.Dataset, optional
        As `open_grid` gives it. Default: that of the same data set and source.
    threshold : int
        A mask's value above which a pixel expresses, of 255.

    Returns
    -------
    xarray.Dataset
        ``energy``, ours, and ``grid_energy``, Allen's, over (coronal, y, x) of the grid; not a
        number where there is none. Attributes: ``correlation``, of voxels that have both;
        ``best_shift``, the (p, i, r) in micrometres, within two voxels along each axis, by which
        ours agrees best with Allen's when it is moved, and ``best_correlation`` there.

    Raises
    ------
    InvalidArgumentError
        If the Dataset lacks what is counted, or an argument cannot work.
    DatasetNotFoundError, MetadataError, ServiceError
        If the grid cannot be had, as of `open_grid`.
    SectionImageError
        If a section cannot be read, under ``on_error="raise"``.

    Examples
    --------
    >>> import atldld_xr
    >>> ds = atldld_xr.open_dataset("phantom", resolution=100, expression="intensity")
    >>> ds = ds.isel(coronal=[8, 9])  # or all of it
    >>> atldld_xr.compare_grid(ds).attrs["best_shift"]
    [0.0, 0.0, 0.0]
    """
    threshold = check_threshold(threshold)
    for name, given in (("dataset", dataset), ("grid", dataset if grid is None else grid)):
        if not isinstance(given, xr.Dataset):
            raise InvalidArgumentError(f"{name} is an xarray.Dataset, not {short(given)}")
    dim = section_dim(dataset)
    grid = grid_of(dataset if grid is None else grid)
    allen = grid["energy"].transpose(*AXES)
    labels = _voxels(dataset, dim, grid)
    zeros = r_lines(dataset, dim, needed=False)
    sections, read = count_sections(dataset, labels, dim, zeros, threshold)
    total = merge(section for section, is_read in zip(sections, read, strict=True) if is_read)
    dark, valid = np.zeros((2, allen.size))
    places = total.labels.astype(np.int64) - 1
    dark[places] = total.counts[:, EXPRESSING_INTENSITY]
    valid[places] = total.counts[:, VALID]
    ours = np.where(valid > 0, dark / np.maximum(valid, 1), np.nan).reshape(allen.shape)
    theirs = allen.values.astype(np.float64)
    out = allen.rename("grid_energy").to_dataset().drop_attrs(deep=False)
    out["energy"] = (AXES, ours, {"long_name": "expression energy, counted on sections"})
    return out.assign_attrs(_agreement(ours, theirs, [_step(grid, axis) for axis in AXES]))


def _agreement(ours: Values, theirs: Values, steps: list[float]) -> dict[str, Any]:
    shifts = sorted(
        product(range(-_FARTHEST, _FARTHEST + 1), repeat=3), key=lambda s: sum(k * k for k in s)
    )
    found = {shift: _correlation(ours, theirs, shift) for shift in shifts}
    here, count = found[0, 0, 0]
    # Of few voxels any may agree by chance.
    near = {shift: c for shift, (c, n) in found.items() if n >= count / 2 and np.isfinite(c)}
    best = max(near, key=lambda shift: near[shift], default=(0, 0, 0))
    return {
        "correlation": here,
        "voxels": count,
        "best_shift": [k * step for k, step in zip(best, steps, strict=True)],
        "best_correlation": near.get(best, np.nan),
    }


def _correlation(ours: Values, theirs: Values, shift: tuple[int, ...]) -> tuple[float, int]:
    """Return the correlation of ours, moved by some voxels, with theirs; and of how many voxels."""
    mine = tuple(slice(max(-k, 0), n - max(k, 0)) for k, n in zip(shift, ours.shape, strict=True))
    other = tuple(slice(max(k, 0), n - max(-k, 0)) for k, n in zip(shift, ours.shape, strict=True))
    a, b = ours[mine], theirs[other]
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    if a.size < 2:
        return np.nan, int(a.size)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / scale) if scale else np.nan, int(a.size)


def _voxels(dataset: xr.Dataset, dim: str, grid: xr.Dataset) -> xr.DataArray:
    """Return the voxel of the grid that each pixel truly lies in, from 1; 0 where there is none."""
    import dask.array as da

    image = dataset["image"].variable if "image" in dataset else xr.Variable((), 0)
    sides = image.chunksizes or image.encoding.get("preferred_chunks", {})
    chunks = {axis: sides.get(axis, -1) for axis in ("y", "x")}
    found = da.blockwise(
        _voxels_of,
        "syx",
        *(da.from_array(true_places(dataset, dim), chunks=(1, 3, 3)), "sak"),
        *(_straight(dataset, "y", chunks["y"]), "y", _straight(dataset, "x", chunks["x"]), "x"),
        origin=[float(grid[axis][0]) for axis in AXES],
        step=[_step(grid, axis) for axis in AXES],
        shape=[grid.sizes[axis] for axis in AXES],
        concatenate=True,
        dtype=np.uint32,
        meta=np.empty((0, 0, 0), np.uint32),
    )
    coords = {axis: dataset[axis].values for axis in (dim, "y", "x")}
    return xr.DataArray(found, coords, (dim, "y", "x"))


def _straight(dataset: xr.Dataset, axis: str, chunks: Any) -> Any:
    import dask.array as da

    return da.from_array(np.asarray(dataset[axis].values, np.float64), chunks=(chunks,))


def _voxels_of(
    places: Values,
    y: Values,
    x: Values,
    origin: list[float],
    step: list[float],
    shape: list[int],
) -> NDArray[np.uint32]:
    index = np.zeros((len(places), y.size, x.size), np.int64)
    inside = np.ones(index.shape, bool)
    for axis in range(3):
        start, along_y, along_x = (places[:, axis, k, np.newaxis, np.newaxis] for k in range(3))
        at = start + along_y * y[:, np.newaxis] + along_x * x
        # What is a thousandth of a voxel before a border lies on it.
        place = np.floor((at - origin[axis]) / step[axis] + 0.5 + 1e-3).astype(np.int64)
        inside &= (place >= 0) & (place < shape[axis])
        index = index * shape[axis] + place
    return np.where(inside, index + 1, 0).astype(np.uint32)


def _step(grid: xr.Dataset, axis: str) -> float:
    at = grid[axis].values
    return float(at[1] - at[0]) if at.size > 1 else float(grid.attrs.get("resolution", 200.0))
