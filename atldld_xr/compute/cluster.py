"""What the workers of a Dask cluster are told outside the graph: storage options, and to end.

Importing it imports distributed: the rest of the package does so only where a client may be
connected.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
from collections.abc import Awaitable, Sequence
from typing import Any

from distributed import Client, WorkerPlugin

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.files.ending import finish
from atldld_xr.files.storage_options import StorageOptionsRef, receive, registered


class StorageOptionsPlugin(WorkerPlugin):  # type: ignore[misc]  # distributed is not typed
    """Enters storage options in the table of each worker, now and when it starts.

    Parameters
    ----------
    token : str
        What they are known by.
    data : bytes
        The options, pickled.
    """

    idempotent = True

    def __init__(self, token: str, data: bytes) -> None:
        self.name = f"atldld-storage-options-{token}"
        self._token, self._data = token, data

    def setup(self, worker: Any) -> None:
        """Run on a worker."""
        receive(self._token, pickle.loads(self._data))


class EndAtOnce(WorkerPlugin):  # type: ignore[misc]  # as above
    """Has a worker that is closed end without waiting for its tasks, whose results nobody wants."""

    name = "atldld-end-at-once"

    def setup(self, worker: Any) -> None:
        """Run on a worker: no more is begun."""
        logging.disable(logging.CRITICAL)  # that tasks are cancelled is no news
        finish()

    def teardown(self, worker: Any) -> None:
        """Run when it is closed."""
        os._exit(0)


def ship(client: Any, options: StorageOptionsRef | None = None) -> Awaitable[None] | None:
    """Tell a cluster's workers the storage options that this process has shared.

    Workers that join later, or are restarted, are told too. The options go over the cluster's own
    connections, and stay in the memory of its scheduler and workers until it is closed.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    options : StorageOptionsRef, optional
        Which. Default: all that this process knows and that can be sent; of the others a worker
        says that it was not told them, should it need them.

    Returns
    -------
    awaitable or None
        To be awaited, if the client is an asynchronous one.

    Raises
    ------
    InvalidArgumentError
        If `options` has an object that cannot be sent.
    StoreError
        If this process does not know the options itself.

    Examples
    --------
    >>> from distributed import Client
    >>> import atldld_xr
    >>> with Client(processes=False, dashboard_address=":0") as client:
    ...     atldld_xr.cluster.ship(client)
    """
    plugins = _sendable() if options is None else [_plugin(options)] if options else []
    if client.asynchronous:
        return _register_all(client, plugins)
    for plugin in plugins:
        client.register_plugin(plugin)
    return None


def ship_if_connected(source: object) -> None:
    """Tell the workers of the cluster that is connected, if one is, the options of a source.

    Parameters
    ----------
    source : object
        Its attribute ``storage_options`` counts where it is a `StorageOptionsRef`.
    """
    options = getattr(source, "storage_options", None)
    if not isinstance(options, StorageOptionsRef) or not options:
        return
    try:
        client = Client.current()
    except ValueError:  # there is none
        return
    if client.status == "running" and not client.asynchronous:  # others cannot be waited for
        ship(client, options)


async def _register_all(client: Any, plugins: Sequence[WorkerPlugin]) -> None:
    for plugin in plugins:
        await client.register_plugin(plugin)


def _sendable() -> list[WorkerPlugin]:
    plugins = []
    for shared in registered():
        with contextlib.suppress(InvalidArgumentError):  # of another store, perhaps of long ago
            plugins.append(_plugin(shared))
    return plugins


def _plugin(shared: StorageOptionsRef) -> WorkerPlugin:
    options = shared.options()
    try:
        data = pickle.dumps(options)
    except Exception:  # whatever the object raises: its words may tell what it holds
        data = b""
    if not data:
        raise InvalidArgumentError(
            "the storage options hold an object that cannot be sent to the workers: give plain "
            "values, or give the workers credentials by environment variables or files"
        )
    return StorageOptionsPlugin(shared.token, data)
