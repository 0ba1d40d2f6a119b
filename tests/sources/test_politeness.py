"""Politeness: who asks says so, not too often, and not while it is asked to wait."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from answering import GOOD, Server, good, running, status
from atldld_xr._version import __version__
from atldld_xr.settings import config
from atldld_xr.sources import http
from atldld_xr.sources.token_bucket import TokenBucket


@pytest.fixture
def server() -> Iterator[Server]:
    with running(Server()) as server:
        yield server


def get(server: Server) -> bytes:
    return http.get(f"{server.url}/x", check=bytes, limit=100_000)


def test_requests_say_who_asks_and_where_to_complain(server: Server) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    get(server)
    agent = server.requests[0][1]["User-Agent"]
    assert agent == f"atldld-xr/{__version__} (+{project['urls']['Homepage']})"


def test_no_more_begin_in_a_second_than_the_setting_says(server: Server) -> None:
    with config.set({"http.requests_per_second": 10}), ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: get(server), range(25))) == [GOOD] * 25
    times = sorted(server.times)
    assert times[-1] - times[0] > 1.3  # ten at once, and fifteen of ten a second
    assert times[20] - times[10] > 0.8


def test_redirects_count(server: Server) -> None:
    with config.set({"http.requests_per_second": 2}):
        start = time.monotonic()
        for _ in range(2):
            server.answers = [status(302, Location="/y"), good]
            get(server)
        assert time.monotonic() - start > 0.4  # two at once, and two more


def test_a_bucket_keeps_a_second_and_no_more() -> None:
    bucket = TokenBucket()
    bucket.take(20)
    time.sleep(0.3)
    start = time.monotonic()
    for _ in range(20):
        bucket.take(20)
    assert time.monotonic() - start < 0.2
    for _ in range(4):
        bucket.take(20)
    assert time.monotonic() - start > 0.1


def test_slower_than_one_a_second() -> None:
    bucket, start = TokenBucket(), time.monotonic()
    for _ in range(3):
        bucket.take(5 / 2)
    assert time.monotonic() - start < 0.6
    bucket, start = TokenBucket(), time.monotonic()
    for _ in range(2):
        bucket.take(0.9)
    assert time.monotonic() - start > 1
