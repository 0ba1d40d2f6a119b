"""Stores that an earlier version of this package began: gone on with as they were laid out.

Format 2 of the records has the displacement unless something else was asked for; one status, of the
image and its mask together; and the reasons as an array of text. Format 3 has fewer attributes.
What an array holds is told by its name in "made of", which is the same in all, so that attributes
and coordinates may have become others since.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeGuard

import numpy as np
import xarray as xr

from atldld_xr.allen.poses import POSE
from atldld_xr.arrays.readers import Reader, readers
from atldld_xr.arrays.variables import DERIVED, STATUSES, reason_variable, status_variable
from atldld_xr.files.file_store import FileStore
from atldld_xr.store.chunk_encoding import ArraySpec
from atldld_xr.store.consolidated import same
from atldld_xr.store.done import REASON
from atldld_xr.store.store_plan import (
    FORMAT,
    METADATA,
    MOST,
    OME_KEY,
    PLAN,
    STATE,
    Layout,
    RecordsError,
    Tell,
    read_plan,
)

_LATER = {"expression_coverage", "expression_status", "affine", "has_expression", POSE}
"""Variables and coordinates that there were none of."""

Plan = Mapping[str, Any]


def plan_there(place: FileStore, mode: str) -> Plan | None:
    """Return the plan of a store that may be gone on with; else None."""
    if mode != "w-":  # made anew
        return None
    place.check_writable()  # nobody is asked otherwise
    try:
        return read_plan(place.real())
    except RecordsError:  # which who opens it says
        return None


def is_earlier(plan: Plan | None) -> TypeGuard[Plan]:
    """Return whether there is a plan, of an earlier version."""
    return plan is not None and plan["format"] < FORMAT


def without_later(chosen: xr.Dataset, plan: Plan | None) -> xr.Dataset:
    """Return a Dataset without the poses, if a store of this format was begun without them."""
    if plan is None or is_earlier(plan) or POSE in _names(plan):
        return chosen
    return chosen.drop_vars(POSE, errors="ignore")


def step_there(plan: Plan | None) -> float | None:
    """Return how far apart the planes of an OME-Zarr are that was begun with the former default.

    That was what a section is thick, on the grid of the reference space: it is gone on with where
    no step is asked for. None of all others.
    """
    own = {} if plan is None else plan["dataset"].get(OME_KEY)
    if not isinstance(own, dict):
        return None
    grid, attributes = own.get("planes"), own.get("attributes")
    if not isinstance(grid, dict) or not isinstance(attributes, dict) or "origin" in grid:
        return None
    step: float | None = grid.get("step")
    return step if step == attributes.get("section_thickness") else None


def as_earlier(dataset: xr.Dataset, chosen: xr.Dataset, plan: Plan) -> xr.Dataset:
    """Return what an earlier version would have written of a Dataset.

    Parameters
    ----------
    dataset : xarray.Dataset
        All of it.
    chosen : xarray.Dataset
        What this version would write.
    plan : mapping
        The store's.
    """
    names = _names(plan)
    out = chosen.drop_vars(_LATER - names, errors="ignore")
    if DERIVED in names and DERIVED in dataset and DERIVED not in out:
        out = out.assign({DERIVED: dataset.variables[DERIVED]})  # without coordinates of its own
    if "status" in out and "status" not in plan["values"] and plan["on_error"] == "raise":
        return out.drop_vars("status")  # that run would have ended, and told nobody
    return out.assign(_values(dataset)) if REASON in plan["values"] else out


def _names(plan: Plan) -> set[str]:
    """Return what a store has, by name; OME-Zarr has what is along sections in its attributes."""
    names = {*plan["arrays"], *plan["values"]}
    own = plan["dataset"].get(OME_KEY)
    sections = own.get("sections") if isinstance(own, dict) else None
    if isinstance(sections, list) and sections and isinstance(sections[0], dict):
        names |= sections[0].keys()
    return names | {key.partition("/")[0] for key in plan["crc32c of files"]}


def goes_on(stored: Plan, asked: Plan) -> bool:
    """Return whether an earlier version's plan is of the same content."""
    files = stored["crc32c of files"]
    return same(_content(stored, files), _content(asked, files))


def adopted(place: FileStore, plan: Plan, layout: Layout, tell: Tell) -> Layout:
    """Return the layout of a store as it is there; the one that is asked for if it is not that.

    Parameters
    ----------
    place : FileStore
        The store.
    plan : mapping
        Its plan.
    layout : Layout
        That of what is asked for.
    tell : callable
        Keeps in the finished store what could not be read; not in an array of reasons, of format 2.

    Raises
    ------
    RecordsError
        If not all of its metadata had been written.
    """
    import zarr
    from zarr.buffer import default_buffer_prototype

    if not goes_on(plan, layout.plan):
        return layout
    store, zarr_format = place.real(), plan["zarr format"]
    names = {name: f"{name}/{METADATA[zarr_format]}" for name in plan["arrays"]}
    memory: dict[str, Any] = {}
    attributes = {**plan["dataset"], STATE: "incomplete"}
    zarr.create_group(
        zarr.storage.MemoryStore(memory), zarr_format=zarr_format, attributes=attributes
    )
    buffer = default_buffer_prototype().buffer
    for key in (*plan["crc32c of files"], *names.values()):
        content = store.get(key, MOST)
        if content is None:
            raise RecordsError(
                f"{place.url} was begun by an earlier version, which had written nothing but its "
                'plan yet; mode="w" (--mode w) starts anew'
            )
        memory[key] = buffer.from_bytes(content)
    merged = {**plan, "on_error": layout.plan["on_error"]}
    files = {key: bytes(content.to_bytes()) for key, content in sorted(memory.items())}
    written = json.dumps(merged, indent=1).encode()
    specs = {n: ArraySpec(n, files[key].decode(), zarr_format) for n, key in names.items()}
    text = np.dtypes.StringDType()
    values = {
        name: text if dtype == "str" else np.dtype(dtype)
        for name, (dtype, _) in plan["values"].items()
    }
    told = None if REASON in values else tell
    return Layout({PLAN: written} | files, merged, specs, values, memory, told)


def _content(plan: Plan, files: Mapping[str, int]) -> dict[str, Any]:
    """Return what of a plan says what its chunks, values and coordinates hold."""
    arrays = {
        name: {key: value for key, value in metadata.items() if key != "attributes"}
        for name, metadata in plan["arrays"].items()
    }
    recorded = plan["crc32c of files"]
    chunks = {key: recorded.get(key) for key in files if key.rpartition("/")[2] not in _NO_CHUNKS}
    kept = {key: plan.get(key) for key in ("zarr format", "made of", "values", "sections")}
    return {"arrays": arrays, "chunks": chunks, **kept}


_NO_CHUNKS = {"zarr.json", ".zarray", ".zattrs", ".zgroup"}


def _values(dataset: xr.Dataset) -> dict[str, xr.Variable]:
    """Return the status of image and mask together, and the reasons, as they were."""
    found_readers: list[Reader] = []
    for name, pixels in STATUSES.items():
        if name in dataset.variables:
            found_readers += readers(dataset.variables[name], pixels)
    status = dataset.variables["status"]
    if not found_readers or status.ndim != 1:
        return {}
    plans, ids = tuple(reader.plan for reader in found_readers), dataset["section_image_id"].values
    made = status_variable("status", plans), reason_variable(REASON, plans)
    text = replace(made[1], dtype=np.dtypes.StringDType())
    places = [found_readers[0].sections[image] for image in ids.tolist()]
    return {
        variable.name: found_readers[0].read(variable, places, status.dims[0])
        for variable in (made[0], text)
    }
