"""Doing one thing with many data sets: each is one task, such as to open it and write its store."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from atldld_xr.allen.ids import parse_dataset_name
from atldld_xr.compute.client import connected_client
from atldld_xr.compute.in_turn import in_turn
from atldld_xr.compute.lost_workers import cluster_errors
from atldld_xr.datasets.records_ahead import WHERE, records_ahead
from atldld_xr.errors import AtldldError, InvalidArgumentError, StoreError
from atldld_xr.export.formats import writer
from atldld_xr.files.ending import give_back, work_named
from atldld_xr.files.storage_options import register, told
from atldld_xr.messages.repeating import short

PLACEHOLDER = "{id}"
"""In an address: stands for the data set."""

GENE = "{gene}"
"""In an address: stands for the acronyms of the data set's genes."""

_BETWEEN = "_"
_LONGEST = 100  # characters of genes' names: file systems take 255 bytes of a name


@dataclass(frozen=True)
class Outcome:
    """How it went with one data set.

    Attributes
    ----------
    dataset : str
        The data set.
    report : ExportReport, VolumeReport or another, optional
        What was done; None if it failed.
    error : str
        Why it failed; empty if it did not.
    kind : type of exception, optional
        Of the error: one of `atldld_xr.errors`, or Exception for any other; None if it did not
        fail. The error itself need not survive the way from a worker.
    """

    dataset: str
    report: Any
    error: str = ""
    kind: type[Exception] | None = None


def export_many(
    datasets: Iterable[int | str],
    url: str,
    *,
    opening: Mapping[str, Any] | None = None,
    format: str = "zarr",
    writing: Mapping[str, Any] | None = None,
    volume: bool = False,
) -> Generator[Outcome, None, None]:
    """Export data sets, each to a store of its own, and tell of each as it is done.

    It is `for_each` of the data sets; their metadata are asked for ahead, many at a time.

    Parameters
    ----------
    datasets : iterable of int or str
        Taken one after the other, as there is room.
    url : str
        Where the stores go, with ``{id}`` in place of the data set, and ``{gene}`` of the acronyms
        of its genes.
    opening : mapping, optional
        Arguments of `open_dataset`, or of `open_volume`.
    format : str
        What is written: "zarr", or another of `atldld_xr.export.formats`.
    writing : mapping, optional
        Arguments of ``Dataset.atldld.to_zarr``, or of what writes the format.
    volume : bool
        Whether they are opened as volumes.

    Raises
    ------
    InvalidArgumentError
        If the address has no ``{id}``, or there is no such format.
    """
    if PLACEHOLDER not in url:
        raise InvalidArgumentError(
            f"{short(url)} is one store for several data sets: put {PLACEHOLDER} where the data "
            "set's name goes"
        )
    writer(format)
    opening, writing = dict(opening or {}), dict(writing or {})
    if "storage_options" in writing:  # into no task
        writing["storage_options"] = register(writing["storage_options"])
    if not format.endswith("zarr"):  # which goes on by itself
        writing["skip_written"] = writing.get("mode", "w-") == "w-"
    task = partial(
        write_one, url=url, opening=opening, format=format, writing=writing, volume=volume
    )
    where = {key: opening[key] for key in WHERE if key in opening}
    yield from for_each(records_ahead(datasets, **where), task)


def for_each(
    datasets: Iterable[int | str], task: Callable[[int | str], Any]
) -> Generator[Outcome, None, None]:
    """Do something with data sets, and tell of each as it is done.

    On the cluster whose client is connected, each thread of its workers has a data set at a time,
    and the connections are shared among them; without one, they go one after the other. One that
    fails, of whatever, does not keep the others; what goes on where it ended does so when it is
    called again. Closed before all are done, as by an interrupt, it ends those that are under way.

    Parameters
    ----------
    datasets : iterable of int or str
        Taken one after the other, as there is room.
    task : callable
        Takes a data set, and returns a report; sent to workers.
    """
    client = connected_client()
    if client is None:
        for dataset in datasets:
            yield _do(_Order(dataset, task))
        return
    yield from _on_cluster(client, datasets, task)


def path_of(url: str, dataset: int | str, genes: Iterable[str] = ()) -> str:
    """Return where a data set goes: an address with its id, and its genes in letters of files."""
    # No point begins a name: "..", of whatever record, would lead out of the folder.
    named = _BETWEEN.join(re.sub(r"^\.|[^A-Za-z0-9.-]", "_", gene) for gene in genes) or "none"
    url = url.replace(GENE, named[:_LONGEST])
    return url.replace(PLACEHOLDER, str(parse_dataset_name(dataset)))


@dataclass(frozen=True)
class _Order:
    dataset: int | str
    task: Callable[[int | str], Any]
    connections: int | None = None
    work: str = ""


def _on_cluster(
    client: Any, datasets: Iterable[int | str], task: Callable[[int | str], Any]
) -> Iterator[Outcome]:
    work = uuid.uuid4().hex

    def submit(dataset: int | str, connections: int) -> Any:
        return client.submit(_do, _Order(dataset, task, connections, work), pure=False)

    try:
        with closing(in_turn(client, datasets, submit)) as futures:
            for dataset, future in futures:
                yield _outcome(future, dataset)
    except BaseException:
        with suppress(Exception):  # however the cluster is, what has ended this is told
            client.run(give_back, work)
        raise


def _outcome(future: Any, dataset: int | str) -> Outcome:
    """Return how a task went, which tells of all but the cluster's own failures."""
    try:
        with cluster_errors():
            outcome: Outcome = future.result()
    except StoreError as error:
        return _failed(dataset, error)
    return outcome


def _do(order: _Order) -> Outcome:
    from atldld_xr.export.run.run import limited

    # On a worker, a task is one thread's work.
    is_shared = order.connections is not None
    try:
        limits = limited(1, order.connections or 1) if is_shared else nullcontext()
        with work_named(order.work), limits:
            report = order.task(order.dataset)
    except Exception as error:  # what is wrong with one says nothing about the next
        return _failed(order.dataset, error)
    return Outcome(str(order.dataset), report)


def write_one(
    dataset: int | str,
    *,
    url: str,
    opening: Mapping[str, Any],
    format: str,
    writing: Mapping[str, Any],
    volume: bool,
) -> Any:
    """Write one data set, and return the report of it; arguments as of `export_many`."""
    if volume:
        from atldld_xr.datasets.open_volume import open_volume as open_one
    else:
        from atldld_xr.datasets.open_dataset import open_dataset as open_one  # type: ignore[assignment]  # as they are called

    opened = open_one(dataset, **opening)
    return writer(format)(opened, path_of(url, dataset, opened.attrs["genes"]), **writing)


def _failed(dataset: int | str, error: Exception) -> Outcome:
    kind = type(error) if isinstance(error, AtldldError) else Exception
    return Outcome(str(dataset), None, told(error), kind)
