"""The client of the cluster that Dask computes on, if there is one."""

from __future__ import annotations

import sys
from typing import Any

import dask.config

from atldld_xr.compute.lost_workers import cluster_errors
from atldld_xr.errors import InvalidArgumentError


def connected_client() -> Any:
    """Return the client of the cluster that Dask computes on; None if it computes here.

    Its workers know the storage options that this process knows. A task computes on its own thread:
    waiting for others, it would keep a worker from them.

    Raises
    ------
    InvalidArgumentError
        If it is an asynchronous one, for which nobody can wait.
    StoreError
        If the cluster is gone.
    """
    client = check_connected()
    if client is not None:
        from atldld_xr.compute.cluster import ship

        with cluster_errors():
            ship(client)
    return client


def check_connected() -> Any:
    """Return the client that is connected, None if none is, and tell its cluster nothing.

    Raises
    ------
    InvalidArgumentError
        If it is an asynchronous one, for which nobody can wait.
    """
    if not can_have_scheduler() or _is_task():
        return None
    from dask.base import get_scheduler

    try:
        scheduler = get_scheduler()
    except RuntimeError as error:  # also if "distributed" is asked for, and no client is there
        raise InvalidArgumentError(
            f"Dask cannot compute here ({error}); nothing was written. An asynchronous client "
            "cannot be waited for: connect a plain one, distributed.Client(address), or compute on "
            'threads: with dask.config.set(scheduler="threads")'
        ) from error
    client = getattr(scheduler, "__self__", None)
    return client if hasattr(client, "scheduler_info") else None


def can_have_scheduler() -> bool:
    """Tell whether Dask may have a scheduler that somebody chose, or a connected client.

    Dask itself imports distributed, which takes 0.2 s, only to find that there is no client.
    """
    chosen = (dask.config.get(name, None) is not None for name in ("scheduler", "get"))
    return "distributed" in sys.modules or any(chosen)


def _is_task() -> bool:
    if "distributed" not in sys.modules:
        return False
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:
        return False
    return True


def has_client() -> bool:
    """Tell whether this process has a client of a cluster: what is pickled here may go there."""
    if "distributed" not in sys.modules:
        return False
    from distributed import default_client

    try:
        default_client()
    except ValueError:
        return False
    return True
