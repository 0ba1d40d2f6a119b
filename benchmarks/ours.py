"""This project, as its users run it, on two threads or two processes."""

from __future__ import annotations

import json
import resource
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import cv2
import dask
import dask.array
import numpy as np
import requests
import simplejpeg
import xarray as xr
import zarr

import atldld_xr
import atldld_xr.export

Facts = Mapping[str, Any]

THREADS = 2
# Imported here so that no import is measured; the package imports them where it needs them, and
# Dask imports distributed, where that is installed, as soon as something is delayed.
_OURS = (
    "atldld_xr.arrays.dask_graph",
    "atldld_xr.compute.cluster",
    "atldld_xr.export.to_zarr",
    "platformdirs",
    "fsspec.implementations.local",
)
_NAMES = (atldld_xr.open_dataset, atldld_xr.config)  # whose modules come when they are first named
IMPORTED = (cv2, requests, simplejpeg, atldld_xr.export, *map(import_module, _OURS))
if find_spec("distributed"):
    import_module("distributed")


def _open(server: str, dataset: int, count: int, first: int = 0, **options: Any) -> xr.Dataset:
    opened = atldld_xr.open_dataset(dataset, source=server, **options)
    return opened.isel(coronal=slice(first, first + count))


def _mean(out: str) -> float:
    array: Any = zarr.open_array(f"{out}/image", mode="r")
    return float(array[:, :: max(array.shape[1] // 64, 1)].mean())


def export(
    server: str,
    out: str,
    dataset: int,
    count: int,
    resolution: int,
    tier: int | str = "auto",
    variables: Sequence[str] = ("image",),
    first: int = 0,
    projection: bool | str = False,
) -> Iterator[Facts]:
    """Write the first sections of a data set, registered, to a Zarr store, on two threads.

    Parameters
    ----------
    server : str
        The service's address.
    out : str
        The store's path.
    dataset : int
        The data set's id.
    count : int
        How many sections.
    resolution : int
        Output pixel size, in micrometres.
    tier : int or "auto"
        Of the images.
    variables : sequence of str
        Which variables are written.
    first : int
        The place of the first section.
    projection : bool or "intensity"
        Whether there are masks of projections.
    """
    with dask.config.set(scheduler="threads", num_workers=THREADS):
        yield {}
        masks = {"projection": projection} if projection else {}  # earlier checkouts have none
        opened = _open(server, dataset, count, first, resolution=resolution, tier=tier, **masks)
        opened[list(variables)].atldld.to_zarr(out)
        yield {}
    yield {"mean": _mean(out), "tier": int(opened.tier[0])}


def codec(server: str, out: str, dataset: int) -> Iterator[Facts]:
    """Tell the codec that exports compress images with."""
    _open(server, dataset, 1, resolution=2000)[["image"]].atldld.to_zarr(out)
    metadata = json.loads(Path(out, "image", "zarr.json").read_text())
    kinds = ("array_array", "bytes")
    found = [c for c in metadata["codecs"] if c["name"] not in kinds]
    yield {}
    yield {}
    yield {"codec": found[0] if found else None}


def window(
    server: str,
    out: str,
    dataset: int,
    ids: Sequence[int],
    resolution: float,
    side: int,
    chunks: Literal["auto"] | None = "auto",
    once: bool = False,
) -> Iterator[Facts]:
    """Load a window in the middle of each of some sections, from an open Dataset.

    Parameters
    ----------
    server, out : str
        The service's address; nothing is written.
    dataset : int
        The data set's id.
    ids : sequence of int
        The images. The first is a warm-up.
    resolution, side : int
        Output pixel size and the window's side, in micrometres.
    chunks : "auto" or None
        With Dask or without.
    once : bool
        Whether section and window are taken by one indexing, and not one after the other.
    """
    opened = atldld_xr.open_dataset(
        dataset, source=server, resolution=resolution, tier=0, chunks=chunks
    )
    image = opened.image.swap_dims(coronal="section_image_id")
    y, x = (float(opened[name].values.mean()) for name in ("y", "x"))
    each = []
    with dask.config.set(scheduler="threads", num_workers=THREADS):
        yield {}
        for image_id in ids:
            start = time.perf_counter()
            window = {
                "y": slice(y - side / 2, y + side / 2),
                "x": slice(x - side / 2, x + side / 2),
            }
            if once:
                values = image.sel(section_image_id=image_id, **window).values
            else:
                values = image.sel(section_image_id=image_id).sel(window).values
            each.append(time.perf_counter() - start)
        yield {}
    yield {
        "each": statistics.median(each[1:]),
        "first": each[0],
        "shape": values.shape,
        "spread": float(np.std(values)),
    }


def cluster(
    server: str, out: str, dataset: int, count: int, resolution: int, processes: int = 2
) -> Iterator[Facts]:
    """Write what `export` writes on a cluster of processes of one thread each, which is up already.

    Parameters
    ----------
    server, out : str
        The service's address, and the store's path.
    dataset, count, resolution : int
        As for `export`.
    processes : int
        How many.
    """
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=processes, threads_per_worker=1, dashboard_address=":0") as local,
        Client(local) as client,
    ):
        before = client.run(_worker_figures)  # imports what tasks need, too
        yield {}
        opened = _open(server, dataset, count, resolution=resolution)
        opened[["image"]].atldld.to_zarr(out)
        yield {}
        after = client.run(_worker_figures)
    yield {
        "mean": _mean(out),
        "workers_cpu": sum(after[w]["cpu"] - before[w]["cpu"] for w in after),
        "workers_peak": max(figures["peak"] for figures in after.values()),
        "moved": sum(figures["moved"] for figures in after.values()),
        "transfers": sum(figures["transfers"] for figures in after.values()),
    }


def mean(
    server: str, out: str, dataset: int, count: int, resolution: int, processes: int = 0
) -> Iterator[Facts]:
    """Compute the mean across sections, on two threads or on a cluster, which is up already.

    Parameters
    ----------
    server, out : str
        The service's address; nothing is written.
    dataset, count, resolution : int
        As for `export`.
    processes : int
        Of the cluster, of one thread each; 0 for threads.
    """
    with ExitStack() as stack:
        if processes:
            from distributed import Client, LocalCluster

            local = LocalCluster(n_workers=processes, threads_per_worker=1, dashboard_address=":0")
            client = stack.enter_context(Client(stack.enter_context(local)))
            before = client.run(_worker_figures)
        else:
            stack.enter_context(dask.config.set(scheduler="threads", num_workers=THREADS))
        yield {}
        image = _open(server, dataset, count, resolution=resolution).image
        found = image.mean("coronal").values
        yield {}
        facts = {"mean": float(found.mean())}
        if processes:
            after = client.run(_worker_figures)
            facts["workers_cpu"] = sum(after[w]["cpu"] - before[w]["cpu"] for w in after)
            facts["workers_peak"] = max(figures["peak"] for figures in after.values())
            facts["moved"] = sum(figures["moved"] for figures in after.values())
    yield facts


def _worker_figures(dask_worker: Any) -> dict[str, float]:
    """Return what a worker has used, and has got from other workers."""
    incoming = list(dask_worker.transfer_incoming_log)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu": used.ru_utime + used.ru_stime,
        "peak": used.ru_maxrss * 1024 / 1e6,
        "moved": sum(entry["total"] for entry in incoming),
        "transfers": len(incoming),
    }
