"""A viewer that looks at a section through the server of this project, over some connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import requests

import atldld_xr
from atldld_xr.serve import AllenStore
from atldld_xr.serve.server import Server

Facts = Mapping[str, Any]


def look(server: str, out: str, dataset: int, resolution: int, connections: int) -> Iterator[Facts]:
    """Ask for all chunks of the finest level of a section, row by row, and then again.

    Parameters
    ----------
    server : str
        The service's address.
    out : str
        Is not written to.
    dataset : int
        The data set's id.
    resolution : int
        Output pixel size, in micrometres.
    connections : int
        How many chunks are asked for at a time; browsers have six.
    """
    with atldld_xr.config.set({"memory.limit": "1GB"}):
        store = AllenStore(dataset, source=server, resolution=resolution)
        plane = store.pyramid.planes.places[0]
        keys = ["/".join(map(str, (0, "c", *at))) for at in store.pyramid.blocks(0)]
        keys = [key for key in keys if key.startswith(f"0/c/0/{plane}/")]
        local = threading.local()
        with (
            Server({str(dataset): store}, port=0) as own,
            ThreadPoolExecutor(connections) as threads,
        ):
            address = own.address(str(dataset))

            def ask(key: str) -> tuple[float, int]:
                if not hasattr(local, "session"):
                    local.session = requests.Session()
                start = time.perf_counter()
                answer = local.session.get(address + key)
                if answer.status_code not in (200, 404):
                    raise RuntimeError(answer.text)
                size = len(answer.content) if answer.status_code == 200 else 0
                return time.perf_counter() - start, size

            list(threads.map(lambda _: ask("zarr.json"), range(connections)))
            yield {}
            cold, warm = ([*threads.map(ask, keys)] for _ in range(2))
            yield {}
    facts: dict[str, Any] = {}
    for name, found in {"cold": cold, "warm": warm}.items():
        times = [1000 * seconds for seconds, size in found if size]
        facts |= {f"{name} p{n}, ms": float(np.percentile(times, n)) for n in (50, 95)}
    yield facts | {
        "chunks": sum(size > 0 for _, size in cold),
        "bytes served": sum(size for _, size in cold),
    }
