"""A section's blocks as one task, which fetches its own tiles: how a cluster makes many sections.

By a task for each tile, as on threads, most tiles cross between workers, as blocks on both need
them. Here nothing but blocks is passed on, and each tile is still fetched once. Where several
variables of a Dataset need the same tiles, as under ``on_error="fill"``, tiles stay tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from itertools import chain, groupby
from math import prod
from operator import getitem
from typing import Any

import numpy as np
from dask.base import tokenize
from dask.task_spec import Task, TaskRef
from numpy.typing import NDArray

from atldld_xr.allen.tiers import View
from atldld_xr.arrays.fetch import fetch_pieces, plan_pieces
from atldld_xr.arrays.variables import BlockVariable, TilePlace
from atldld_xr.compute.threads import ending_threads
from atldld_xr.plan.load_plan import Block, SectionPlan
from atldld_xr.sources.protocol import Source
from atldld_xr.warp.kernel import Tiles

Key = tuple[Any, ...]

FEWEST_SECTIONS = 4
"""Of fewer, tiles and blocks are tasks: else some workers had nothing to do."""

LARGEST = 20 << 20
"""Bytes of a section's blocks. Of larger sections tiles and blocks are tasks, too: a mean across
sections holds the float64 of sixteen of them, and one cut in parts would fetch borders twice."""

_FETCHING = 2  # tiles at a time, while a block is made


def section_tasks(
    name: str, variable: BlockVariable, source: Source, keys: Collection[Key]
) -> dict[Key, Task]:
    """Return tasks that make blocks of a variable by sections, as far as that is better.

    Parameters
    ----------
    name : str
        Of the layer: its keys are (name, section, block row, block column, ...).
    variable : BlockVariable
        What is made.
    source : Source
        Where tiles come from.
    keys : collection
        Of the blocks that are wanted.

    Returns
    -------
    dict
        Some of these keys are in it, none, or all.
    """
    by_section = {
        index: list(own) for index, own in groupby(sorted(keys), key=lambda key: int(key[1]))
    }
    plan = variable.plan
    # To be filled, tiles are shared: `coverage` and `status` need those of `image`.
    is_alone = variable.needs_tiles and plan.on_error == "raise"
    if len(by_section) < FEWEST_SECTIONS or not is_alone:
        return {}
    each = variable.dtype.itemsize * prod(size for _, size in variable.trailing_dims)
    tasks = {}
    for index, wanted in by_section.items():
        blocks = [plan.block(row, column) for _, _, row, column, *_ in wanted]
        if each * sum(prod(block.shape) for block in blocks) > LARGEST:
            continue
        # Of other blocks of the section, as for another slice, it is another task.
        made: Key = (f"{name}-section", tokenize(wanted))
        section, reading = plan.sections[index], (plan.view, plan.on_error)
        tasks[made] = Task(made, make_blocks, source, section, reading, variable.make, blocks)
        tasks |= {key: Task(key, getitem, TaskRef(made), n) for n, key in enumerate(wanted)}
    return tasks


def make_blocks(
    source: Source,
    section: SectionPlan,
    reading: tuple[View, Any],
    make: Callable[[SectionPlan, Block, Tiles], NDArray[Any]],
    blocks: Sequence[Block],
) -> list[NDArray[Any]]:
    """Make blocks of a section one after the other, while the tiles of the next one are fetched.

    A tile is fetched once, and kept until the last block that needs it is made.
    """
    view, on_error = reading
    needs = [section.tiles(block) for block in blocks]
    last = {place: n for n, places in enumerate(needs) for place in places}
    pieces = plan_pieces(source, section, last, view)
    piece_of = {place: piece for piece in pieces for place in piece.places}
    tiles: dict[TilePlace, Future[dict[TilePlace, Any]]] = {}
    made = []
    with ending_threads(_FETCHING, "atldld-section") as threads:
        for n, (block, places) in enumerate(zip(blocks, needs, strict=True)):
            for place in chain(*needs[n : n + 2]):
                if place not in tiles:
                    piece = piece_of[place]
                    future = threads.submit(fetch_pieces, source, section, [piece], view, on_error)
                    tiles.update(dict.fromkeys(piece.places, future))
            got: Any = {place: tiles[place].result()[place] for place in places}
            made.append(make(section, block, got)[np.newaxis])
            for place in places:
                if last[place] == n:
                    del tiles[place].result()[place]
    return made
