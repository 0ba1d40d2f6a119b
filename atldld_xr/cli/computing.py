"""Where commands compute: in this process, or on the cluster that is asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import resource_tracker
from tempfile import TemporaryDirectory
from typing import Any

import click

from atldld_xr.cli.signals import held
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
        import dask
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
    with ExitStack() as stack:
        # Of its workers' own, so that all is removed with it, however they end.
        folder = stack.enter_context(
            TemporaryDirectory(
                prefix="atldld-xr-",
                dir=dask.config.get("temporary_directory", None),
                ignore_cleanup_errors=True,
            )
        )
        # A process of its own, which lets signals of this thread through when it has begun.
        with held():
            resource_tracker.ensure_running()
        with held(), dask.config.set(temporary_directory=folder):
            local = stack.enter_context(
                LocalCluster(
                    n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0"
                )
            )
            client = stack.enter_context(Client(local))
        try:
            _tell_of_none(client)
            yield
        except KeyboardInterrupt:
            _end_at_once(client)
            raise


def _end_at_once(client: Any) -> None:
    """Have the workers of this process end when they are closed, whatever they are doing."""
    from atldld_xr.compute.cluster import EndAtOnce

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # of tasks that are not waited for
    with suppress(Exception):  # however the cluster is, it is the interrupt that is told
        client.register_plugin(EndAtOnce())


def _tell_of_none(client: Any) -> None:
    """Say that a cluster has no worker yet: what is done there waits for one, however long."""
    if not client.nthreads():
        address = client.scheduler.address
        say(f"the scheduler at {address} has no workers; waiting for them", err=True)
