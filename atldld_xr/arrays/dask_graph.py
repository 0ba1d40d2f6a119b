"""The Dask executor: a plan as a graph of two layers, fetch and make.

A tile is one task however many blocks share it, and comes with others in one request. Tasks carry a
section's plan and a few numbers, never pixels, and are made when the graph is culled, so that
opening costs the same for any number of chunks. Names depend on the arguments alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, product
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph, Layer, MaterializedLayer
from dask.task_spec import Task, TaskRef
from numpy.typing import NDArray

from atldld_xr.arrays.fetch import fetch_pieces, fetch_tile, plan_pieces
from atldld_xr.arrays.variables import BlockVariable, SectionVariable, TilePlace, errors_in
from atldld_xr.arrays.volume_variables import VolumeVariable
from atldld_xr.arrays.whole_sections import section_tasks
from atldld_xr.arrays.window_blocks import window_tasks
from atldld_xr.compute.client import has_client
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.plan.load_plan import Block, LoadPlan, SectionPlan
from atldld_xr.plan.pieces import bundles_of
from atldld_xr.sources.protocol import Source

Key = tuple[Any, ...]
Variable = BlockVariable | SectionVariable | VolumeVariable

_NO_SECTION = -1


def dask_array(
    variable: BlockVariable | SectionVariable, source: Source, source_token: str
) -> da.Array:
    """Return a variable as a Dask array: a section and block, or a section, per chunk.

    Parameters
    ----------
    variable : BlockVariable or SectionVariable
        What to make. Variables of one plan share their fetches when computed together.
    source : Source
        Where tiles come from.
    source_token : str
        Its `dask.base.tokenize`, taken once: variables share fetches only under one name, even
        where a source of the user's own gives another token each time.

    Raises
    ------
    InvalidArgumentError
        If Dask is set to ``array.query-planning``, which takes no graphs made by hand.
    """
    if isinstance(variable, BlockVariable):
        plans: tuple[LoadPlan, ...] = (variable.plan,) if variable.needs_tiles else ()
    else:
        plans = variable.plans
    fetches = {fetch_name(source_token, plan): plan for plan in plans}
    name = array_name(variable, list(fetches))
    layers: dict[str, Layer] = {f: FetchLayer(f, plan, source) for f, plan in fetches.items()}
    chunks: tuple[tuple[int, ...], ...]
    if isinstance(variable, BlockVariable):
        layers[name] = BlockLayer(name, variable, source, source_token, next(iter(fetches), ""))
        trailing = ((size,) for _, size in variable.trailing_dims)
        chunks = ((1,) * variable.shape[0], *variable.plan.chunks, *trailing)
    else:
        layers[name] = SectionLayer(name, variable, source_token, fetches)
        chunks = ((1,) * variable.shape[0],)
    dependencies: dict[str, set[str]] = {fetch: set() for fetch in fetches}
    graph = HighLevelGraph(layers, {**dependencies, name: set(fetches)})
    meta = np.empty((0,) * len(chunks), dtype=variable.dtype)
    return da.Array(graph, name, chunks, meta=meta)


def array_name(variable: Any, fetches: Sequence[str]) -> str:
    """Name an array: a variable says all but where tiles come from, which the fetches' names do.

    Raises
    ------
    InvalidArgumentError
        If Dask is set to ``array.query-planning``, which takes no graphs made by hand.
    """
    if dask.config.get("array.query-planning", None):
        raise InvalidArgumentError(
            "Dask's array.query-planning takes no graphs made by hand: unset it "
            "(dask.config.set({'array.query-planning': False})), or use chunks=None"
        )
    return f"atldld-{variable.name}-{tokenize(variable, list(fetches))}"


def fetch_name(source_token: str, plan: LoadPlan) -> str:
    """Name a plan's fetches by what they read alone, so that chunkings and variables share them."""
    return f"atldld-fetch-{tokenize(source_token, plan.fetch_token)}"


class PlanLayer(Layer):  # type: ignore[misc]  # Dask is not typed
    """Tasks that are made when they are asked for, by their keys: (name, section, ...)."""

    has_legacy_tasks = False  # Dask would make every task to see this

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.is_sent = False
        """Whether it is culled for a cluster, whose workers share no memory."""

    def __getstate__(self) -> dict[str, Any]:
        # A cluster's scheduler culls what its client has sent.
        return {**self.__dict__, "is_sent": has_client()}

    @abstractmethod
    def places(self) -> Iterator[Key]:
        """Yield what follows the name in every key."""

    @abstractmethod
    def task(self, key: Key) -> Task:
        """Return the task of a key."""

    def __iter__(self) -> Iterator[Key]:
        return ((self.name, *place) for place in self.places())

    def __len__(self) -> int:
        return sum(1 for _ in self.places())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and key[:1] == (self.name,)

    def __getitem__(self, key: Key) -> Task:
        if key not in self:
            raise KeyError(key)
        return self.task(key)

    def is_materialized(self) -> bool:
        """Tell Dask that there are no tasks yet."""
        return False

    def get_output_keys(self) -> set[Key]:
        """Return every key."""
        return set(self)

    def cull(
        self, keys: set[Key], all_hlg_keys: Collection[Key]
    ) -> tuple[Layer, Mapping[Key, set[Key]]]:
        """Make the tasks of some keys, and no others."""
        return self._made_of({key: self.task(key) for key in keys if key in self})

    def _made_of(self, tasks: dict[Key, Task]) -> tuple[Layer, dict[Key, set[Key]]]:
        layer = MaterializedLayer(tasks, annotations=self.annotations)
        return layer, {key: set(t.dependencies) for key, t in tasks.items()}


class FetchLayer(PlanLayer):
    """A task for every tile that any chunking can need: layers of one name have one content."""

    def __init__(self, name: str, plan: LoadPlan, source: Source) -> None:
        super().__init__(name)
        self.plan, self.source = plan, source

    def places(self) -> Iterator[Key]:
        """Yield (section, tile row, tile column)."""
        for index, section in enumerate(self.plan.sections):
            for place in section.tiles(self.plan.whole):
                yield index, *place

    def task(self, key: Key) -> Task:
        """Return the task that fetches a tile."""
        _, index, *place = key
        plan = self.plan
        section = plan.sections[index]
        return Task(key, fetch_tile, self.source, section, tuple(place), plan.view, plan.on_error)

    def cull(
        self, keys: set[Key], all_hlg_keys: Collection[Key]
    ) -> tuple[Layer, Mapping[Key, set[Key]]]:
        """Make the tasks of some tiles, and those that fetch many of them at once."""
        places: dict[int, list[TilePlace]] = defaultdict(list)
        for _, index, *place in sorted(k for k in keys if k in self and k[1:] != (_NO_SECTION,)):
            places[index].append(tuple(place))
        tasks: dict[Key, Task] = {}
        for index, needed in places.items():
            tasks.update((task.key, task) for task in self._section_tasks(index, needed))
        return self._made_of(tasks)

    def _section_tasks(self, index: int, places: list[TilePlace]) -> Iterator[Task]:
        plan = self.plan
        section = plan.sections[index]
        pieces = plan_pieces(self.source, section, places, plan.view)
        # On a cluster each by itself: what is in one bundle is on one worker.
        bundles = [(piece,) for piece in pieces] if self.is_sent else bundles_of(pieces)
        for bundle in bundles:
            inside = [place for piece in bundle for place in piece.places]
            if len(inside) == 1:
                yield self.task((self.name, index, *inside[0]))
                continue
            # By what is in it: another computation may need others of the same square.
            key = (f"{self.name}-{tokenize(bundle)}", index)
            yield Task(key, fetch_pieces, self.source, section, bundle, plan.view, plan.on_error)
            for place in inside:
                yield Task((self.name, index, *place), _tile, TaskRef(key), place)


class VariableLayer(PlanLayer):
    """The tasks that make a variable."""

    def __init__(self, name: str, variable: Variable, source_token: str) -> None:
        super().__init__(name)
        self.variable, self._source_token = variable, source_token

    @cached_property
    def content_token(self) -> str:
        """Name what is made, in whatever blocks, and whatever is done about errors."""
        plans = [plan.content_token for plan in self.variable.plans]
        return str(tokenize(self.variable.make, plans, self._source_token))


class BlockLayer(VariableLayer):
    """A task for every section and block of a variable."""

    variable: BlockVariable

    def __init__(
        self, name: str, variable: BlockVariable, source: Source, source_token: str, fetch: str
    ) -> None:
        super().__init__(name, variable, source_token)
        self.source, self.fetch = source, fetch

    def places(self) -> Iterator[Key]:
        """Yield (section, block row, block column, 0, ...)."""
        plan = self.variable.plan
        zeros = [range(1)] * len(self.variable.trailing_dims)
        counts = (len(plan.sections), *map(len, plan.chunks))
        return product(*map(range, counts), *zeros)

    def task(self, key: Key) -> Task:
        """Return the task that makes a block of its tiles."""
        _, index, row, column, *_ = key
        section = self.variable.plan.sections[index]
        block = self.variable.plan.block(row, column)
        places = tuple(self.variable.places(section, block))
        tiles = (TaskRef((self.fetch, index, *place)) for place in places)
        return Task(key, make_block, self.variable.make, section, block, places, *tiles)

    def cull(
        self, keys: set[Key], all_hlg_keys: Collection[Key]
    ) -> tuple[Layer, Mapping[Key, set[Key]]]:
        """Make the tasks of some blocks.

        On threads, those of a window such that only what is sliced is read; on a cluster, by
        sections where these are many.
        """
        own = [key for key in keys if key in self]
        tasks: dict[Key, Task] = {}
        if self.is_sent:
            tasks = section_tasks(self.name, self.variable, self.source, own)
        else:
            tasks = window_tasks(self.variable, self.source, self.fetch, own)
        layer, dependencies = self._made_of(
            tasks | {key: self.task(key) for key in own if key not in tasks}
        )
        if (
            own
            and self.fetch
            and not any(key[0] == self.fetch for key in chain(*dependencies.values()))
        ):
            # Dask keeps all tasks of the layers that are left when no key is: it is given one.
            dependencies[own[0]] |= {(self.fetch, _NO_SECTION)}
        return layer, dependencies


class SectionLayer(VariableLayer):
    """A task for every section of a variable."""

    variable: SectionVariable

    def __init__(
        self,
        name: str,
        variable: SectionVariable,
        source_token: str,
        fetches: Mapping[str, LoadPlan],
    ) -> None:
        super().__init__(name, variable, source_token)
        self.fetches = fetches

    def places(self) -> Iterator[Key]:
        """Yield (section,)."""
        return ((index,) for index in range(self.variable.shape[0]))

    def task(self, key: Key) -> Task:
        """Return the task that makes a section's value of all its tiles."""
        _, index = key
        tiles = (
            TaskRef((fetch, index, *place))
            for fetch, plan in self.fetches.items()
            for place in self.variable.places(plan, index)
        )
        return Task(key, _make_value, self.variable.maker(index), self.variable.dtype, *tiles)


def make_block(
    make: Any, section: SectionPlan, block: Block, places: tuple[TilePlace, ...], *tiles: Any
) -> NDArray[Any]:
    made: NDArray[Any] = make(section, block, dict(zip(places, tiles, strict=True)))
    return made[np.newaxis]


def _tile(tiles: Mapping[TilePlace, Any], place: TilePlace) -> Any:
    return tiles[place]


def _make_value(make: Any, dtype: np.dtype[Any], *tiles: Any) -> NDArray[Any]:
    out = np.empty(1, dtype=dtype)
    out[0] = make(errors_in(tiles))
    return out
