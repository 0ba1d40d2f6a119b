"""Where commands compute: in this process, or on the cluster that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from atldld_xr.cli.text import say


@contextmanager
def computing(scheduler: str | None, workers: int | None) -> Iterator[None]:
    """Compute on a cluster that is there, or on processes of this machine, as asked for."""
    if scheduler is None and workers is None:
        yield
        return
    if scheduler is not None and workers is not None:
        raise click.UsageError("--scheduler and --workers exclude each other")
    from atldld_xr.errors import MissingExtraError, StoreError

    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise MissingExtraError(
            'clusters need another package: pip install "atldld-xr[distributed]"'
        ) from error
    if scheduler is not None:
        try:
            client = Client(scheduler)
        except (OSError, ValueError) as error:
            raise StoreError(f"no Dask scheduler answers at {scheduler}: {error}") from error
        with client:
            _tell_of_none(client)
            yield
        return
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as local,
        Client(local) as client,
    ):
        _tell_of_none(client)
        yield


def _tell_of_none(client: Any) -> None:
    """Say that a cluster has no worker yet: what is done there waits for one, however long."""
    if not client.nthreads():
        address = client.scheduler.address
        say(f"the scheduler at {address} has no workers; waiting for them", err=True)
