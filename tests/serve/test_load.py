"""A viewer's load: many connections, a service that fails, and clients that do not wait."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.serve import AllenStore
from atldld_xr.serve.plan_store import CHUNKS
from atldld_xr.testing import AllenServer, Faults
from commandline import SMALL
from gated import ask_and_keep_open

pytest.importorskip("uvicorn")

from atldld_xr.serve.server import Server

CONNECTIONS, CHUNKS_ASKED, LIMIT = 12, 500, 60_000


def test_no_chunk_is_wrong_and_memory_is_bounded():
    before = {*threading.enumerate()}
    with AllenServer([SMALL]) as service, atldld_xr.config.set({"cache.enabled": False}):
        store = AllenStore(SMALL.id, source=service.url, resolution=50, chunks=50, levels=3)
        keys = [
            f"{level}/c/{c}/{z}/{y}/{x}"
            for level in range(3)
            for c, z, y, x in store.pyramid.blocks(level)
        ]
        want = {key: store.read(key) for key in keys}
        assert sum(content is not None for content in want.values()) > 20
        CHUNKS().reset()
        TILES.reset()
        service.clear_log()
        # Broken answers alone: what is right and late is no failure.
        kinds = ("503", "reset", "truncated", "html", "corrupt", "wrong_size")
        service.faults = Faults(rate=0.2, kinds=kinds)
        chosen = random.Random(0).choices(keys, k=CHUNKS_ASKED)
        local, held, failed = threading.local(), [], []

        def ask(asked):
            number, key = asked
            if number % 9 == 0:
                ask_and_keep_open(server, key).close()
                return
            if not hasattr(local, "session"):
                local.session = requests.Session()
            address = server.address("5") + key
            answer = local.session.get(address)
            while answer.status_code == 502:  # as viewers do
                assert "section image" in answer.text
                failed.append(key)
                answer = local.session.get(address)
            assert (answer.content if answer.status_code == 200 else None) == want[key]
            held.append(TILES._bytes + CHUNKS()._bytes)

        settings = {"memory.limit": LIMIT, "http.retries": 0}
        with (
            atldld_xr.config.set(settings),
            Server({"5": store}, port=0) as server,
            ThreadPoolExecutor(CONNECTIONS) as threads,
        ):
            list(threads.map(ask, enumerate(chosen)))
        log = service.log
    assert len(held) > 0.85 * CHUNKS_ASKED
    # What is on its way comes on top: a section at each of the eight that are made at a time.
    largest = 3 * max(i.width * i.height for i in parse_dataset(SMALL.record).images) // 4
    assert max(held) <= 2 * LIMIT + 8 * largest
    assert len(failed) > 5
    assert 0.1 < sum(request.fault is not None for request in log) / len(log) < 0.3
    ours = ("atldld-serve", "AnyIO", "asyncio")
    assert [t for t in {*threading.enumerate()} - before if t.name.startswith(ours)] == []
