"""Arrays over (section, y, x) that are computed by a rule: where they are indexed, or by Dask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise, product
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from atldld_xr.arrays.lazy_array import ranges_of

Rule = Callable[[int, slice, slice], NDArray[Any]]
"""``rule(section, rows, columns)`` returns the values of a part of one section."""

Chunks3 = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


class RuledArray(BackendArray):
    """An array over (section, y, x).

    Parameters
    ----------
    rule : callable
        What makes it.
    shape : tuple of int
        Sections, rows and columns.
    dtype : numpy.dtype
        Its dtype.
    """

    def __init__(self, rule: Rule, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        self.rule = rule
        self.shape = shape
        self.dtype = dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read
        )

    def __dask_tokenize__(self) -> object:
        from dask.base import normalize_token

        return normalize_token((type(self).__name__, self.rule, self.shape, self.dtype))

    def _read(self, key: tuple[Any, ...]) -> Any:
        sections, rows, columns = ranges_of(key, self.shape)
        out = np.empty((len(sections), len(rows), len(columns)), dtype=self.dtype)
        if out.size:
            y, x = (slice(min(r), max(r) + 1) for r in (rows, columns))
            at = slice(None, None, rows.step), slice(None, None, columns.step)
            for n, index in enumerate(sections):
                out[n] = self.rule(index, y, x)[at]
        return out[tuple(0 if not isinstance(k, slice) else slice(None) for k in key)]


def ruled_variable(
    rule: Rule,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    dims: tuple[str, ...],
    chunks: Chunks3 | None,
) -> xr.Variable:
    """Return a lazy variable of a rule.

    Parameters
    ----------
    rule : callable
        What makes it. With Dask it is sent to each worker once, and named by `dask.base.tokenize`.
    shape : tuple of int
        Sections, rows and columns.
    dtype : numpy.dtype
        Its dtype.
    dims : tuple of str
        Its dimensions.
    chunks : tuple, optional
        Sizes along each, one section at a time; None for an array without Dask.
    """
    if chunks is None:
        array: Any = indexing.LazilyIndexedArray(RuledArray(rule, shape, dtype))
    else:
        array = _by_dask(rule, dtype, chunks)
    return xr.Variable(dims, array, fastpath=True)


def _by_dask(rule: Rule, dtype: np.dtype[Any], chunks: Chunks3) -> Any:
    import dask.array as da
    from dask.base import tokenize
    from dask.highlevelgraph import HighLevelGraph
    from dask.task_spec import DataNode, Task, TaskRef

    name = f"atldld-ruled-{tokenize(rule, chunks)}"
    graph: dict[Any, Any] = {f"{name}-rule": DataNode(f"{name}-rule", rule)}
    for (n, j, k), (section, y, x) in blocks_of(chunks):
        key = (name, n, j, k)
        graph[key] = Task(key, _block, TaskRef(f"{name}-rule"), section, y, x)
    made = HighLevelGraph.from_collections(name, graph)
    return da.Array(made, name, chunks, meta=np.empty((0, 0, 0), dtype=dtype))


def blocks_of(chunks: Chunks3) -> Iterator[tuple[tuple[int, int, int], tuple[int, slice, slice]]]:
    """Yield the place of each block, and what it takes: a section, rows and columns."""
    rows, columns = (list(pairwise(accumulate(sizes, initial=0))) for sizes in chunks[1:])
    for section in range(len(chunks[0])):
        for (j, y), (k, x) in product(enumerate(rows), enumerate(columns)):
            yield (section, j, k), (section, slice(*y), slice(*x))


def _block(rule: Rule, section: int, rows: slice, columns: slice) -> NDArray[Any]:
    return rule(section, rows, columns)[None]
