"""The table as a Zarr store: a row of chunks for each data set, laid out before any is counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from atldld_xr.analysis.ontology import Chosen
from atldld_xr.analysis.structure_summary import table
from atldld_xr.collection.columns import (
    FACT_NAMES,
    FACTS,
    attributes_of,
    columns_of,
    fact_type,
)
from atldld_xr.store.store_plan import STATE, Layout, make_layout

ROWS = "dataset"
"""The table's first dimension."""


def table_layout(
    ids: Sequence[int],
    chosen: Chosen,
    hemispheres: Sequence[int],
    method: str,
    attributes: dict[str, Any],
) -> Layout:
    """Return the layout of a table.

    Parameters
    ----------
    ids : sequence of int
        Of the data sets: its rows, in this order.
    chosen : Chosen
        Its structures.
    hemispheres : sequence of int
        Allen's ids; of one, the table has no such dimension.
    method : str
        What is counted: "sections" or "grid".
    attributes : dict
        Of the store: all that rows depend on. Tables of which they differ are different ones.
    """
    import zarr
    from zarr.codecs import ZstdCodec

    structures = table(chosen, {}, hemispheres)
    coordinates: dict[str, Any] = {
        ROWS: (ROWS, np.asarray(ids, np.int64), {"long_name": "Allen's SectionDataSet.id"})
    }
    for name, empty in FACTS.items():
        values = np.full(len(ids), empty, fact_type(name))
        coordinates[name] = (ROWS, values, {"long_name": FACT_NAMES[name]})
    sizes = {"datasets": len(ids), "structures": len(chosen.ids)}  # of which refusals tell
    small = structures.assign_coords(coordinates).assign_attrs(attributes | sizes)
    memory: dict[str, Any] = {}
    store = zarr.storage.MemoryStore(memory)
    whole = {n: {"chunks": v.shape} for n, v in small.variables.items() if v.ndim}
    small.assign_attrs({STATE: "incomplete"}).to_zarr(
        store, mode="w-", zarr_format=3, consolidated=False, encoding=whole
    )
    group = zarr.open_group(store, mode="r+")
    measures = columns_of(method)
    dims = (ROWS, *map(str, structures.sizes))
    sides = tuple(structures.sizes.values())
    for name, column in measures.items():
        group.create_array(
            name,
            shape=(len(ids), *sides),
            chunks=(1, *sides),
            dtype=column.dtype,
            fill_value=column.fill,
            compressors=(ZstdCodec(level=1),),
            dimension_names=dims,
            attributes=attributes_of(name),
        )
    facts = {name: fact_type(name) for name in FACTS}
    made_of = dict.fromkeys((*measures, *facts), "rows of data sets")
    return make_layout(memory, list(measures), made_of, facts, len(ids))


def shape_of(layout: Layout) -> tuple[int, ...]:
    """Return the shape of a row of one measure."""
    return next(iter(layout.arrays.values())).shape[1:]
