"""Trying again: soon where one failed, together where all do, and never in silence."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from answering import GOOD, Server, bad_body, good, hang_up, running, status
from atldld_xr.allen.tiers import Tile
from atldld_xr.errors import SectionImageError, ServiceError
from atldld_xr.settings import config
from atldld_xr.sources import http, retry
from atldld_xr.sources.api import ApiSource
from atldld_xr.sources.pace import Pace
from atldld_xr.sources.retry import TransportError, TryError, persist
from atldld_xr.testing import AllenServer, Faults
from commandline import IMAGE, SMALL, run
from loopback import unused_port

AS_SHIPPED = {"http.backoff": 0.5, "http.longest_wait": 60, "cache.enabled": False}


@pytest.fixture
def server() -> Iterator[Server]:
    with running(Server()) as server, config.set(AS_SHIPPED):
        yield server


def check(body: bytes) -> bytes:
    if body != GOOD:
        raise ValueError("it is bad")
    return body


def get(server: Server, path: str = "x") -> bytes:
    return http.get(f"{server.url}/{path}", check=check, limit=100_000)


@pytest.mark.parametrize("fault", [status(503), status(500), bad_body, hang_up])
def test_an_accident_is_tried_again_soon(server: Server, fault: object) -> None:
    server.answers = [fault, fault, fault, good]
    start = time.monotonic()
    assert get(server) == GOOD
    assert time.monotonic() - start < 1  # it took 3 s and more


def test_a_storm_costs_little() -> None:
    faults = Faults(rate=0.4, kinds=("503", "reset", "truncated", "html", "short"), seed=2)
    with (
        AllenServer(phantoms=[SMALL]) as server,
        config.set(AS_SHIPPED),
        ThreadPoolExecutor(8) as pool,
    ):

        def fetch(k: int) -> bytes:
            where = f"{server.url}/section_image_download/{IMAGE.id}"
            return http.get(where, params={"downsample": 3}, check=jpeg, limit=10**6)

        fetch(0)
        server.faults = faults
        start = time.monotonic()
        assert len(set(pool.map(fetch, range(42)))) == 1
        assert time.monotonic() - start < 8
        assert sum(request.fault is not None for request in server.log) > 17


def jpeg(body: bytes) -> bytes:
    if not (body.startswith(b"\xff\xd8") and body.endswith(b"\xff\xd9")):
        raise ValueError("no JPEG")
    return body


@pytest.mark.parametrize("code", [429, 503])
def test_what_the_service_asks_of_one_all_heed(server: Server, code: int) -> None:
    server.answers = [status(code, Retry_After="1"), good]
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(get, server)
        while not server.requests:
            time.sleep(0.005)
        time.sleep(0.1)
        others = [pool.submit(get, server) for _ in range(3)]
        assert [other.result() for other in (first, *others)] == [GOOD] * 4
    assert len(server.times) == 5
    assert server.times[1] - server.times[0] > 0.95


def test_where_all_fail_all_wait(server: Server) -> None:
    server.answers = [status(503)] * 8 + [good]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: get(server), range(24))) == [GOOD] * 24
    # Eight in a row: from the fifth on nothing is asked for half a second.
    gaps = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
    assert max(gaps) > 0.4
    assert server.times[-1] - server.times[0] < 3


def test_another_service_need_not_wait(server: Server) -> None:
    server.answers = [status(429, Retry_After="2"), good]
    with running(Server()) as other, ThreadPoolExecutor(1) as pool:
        first = pool.submit(get, server)
        while not server.requests:
            time.sleep(0.005)
        start = time.monotonic()
        assert get(other) == GOOD
        assert time.monotonic() - start < 1
        assert first.result() == GOOD


def test_waits_without_end_are_short_if_the_service_is_well(server: Server) -> None:
    """One address that never works does not hold up its thread as an outage would."""
    server.answers = [
        lambda handler: handler.reply(*((503, b"") if "bad" in handler.path else (200, GOOD)))
    ]
    with ThreadPoolExecutor(2) as pool:
        start = time.monotonic()
        bad = pool.submit(get, server, "bad")
        while not bad.done():
            get(server)
            time.sleep(0.01)
    with pytest.raises(http.TransportError, match="after 6 retries"):
        bad.result()
    assert time.monotonic() - start < 8  # it took 31 s


@pytest.mark.parametrize("host", ["no-such-host.invalid", "127.0.0.1:{port}"])
def test_a_host_that_is_not_there_is_tried_once_more(host: str) -> None:
    with unused_port() as port, config.set(AS_SHIPPED):
        source = ApiSource(f"http://{host.format(port=port)}/api/v2")
        start = time.monotonic()
        with pytest.raises(ServiceError) as caught:
            source.dataset_record(5)
        assert time.monotonic() - start < 5
        for part in (
            "after 1 retry",
            "source=",
            '"phantom"',
            "offline=True",
            "api_url",
            source.url,
        ):
            assert part in str(caught.value)
        assert len(str(caught.value)) < 600
        # It was gone a moment ago: each of a data set's images need not find out anew.
        start = time.monotonic()
        with pytest.raises(http.TransportError) as again:
            http.get(f"{source.url}/x", check=bytes, limit=10)
        assert again.value.retried == 0
        assert time.monotonic() - start < 2


def test_one_that_takes_long_not_to_be_there_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As names are that nobody resolves in seconds."""
    monkeypatch.setattr(retry, "_SILENT", 0.05)
    tries = []

    def attempt() -> None:
        tries.append(1)
        time.sleep(0.1)
        raise TryError("gone", is_unreachable=True)

    with pytest.raises(TransportError):
        persist(attempt, "x", Pace())
    assert len(tries) == 1


def test_one_that_is_back_is_noticed() -> None:
    pace, answers = Pace(), [TryError("gone", is_unreachable=True)] * 3

    def attempt() -> str:
        if answers:
            raise answers.pop()
        return "there"

    with pytest.raises(TransportError):
        persist(attempt, "x", pace)
    with pytest.raises(TransportError):
        persist(attempt, "x", pace)
    assert pace.is_gone
    assert persist(attempt, "x", pace) == "there"
    assert not pace.is_gone


def test_the_command_line_tells_what_to_do() -> None:
    with unused_port() as port:
        result = run("info", 5, "--source", f"http://127.0.0.1:{port}/api/v2", code=1)
    assert "offline=True" in result.stderr


def test_images_are_given_up_with_advice_too() -> None:
    with unused_port() as port, pytest.raises(SectionImageError, match="api_url"):
        ApiSource(f"http://127.0.0.1:{port}").read(IMAGE, Tile(3, 0, 0, 9, 9, False), "image")


def test_waits_are_told_and_the_long_ones_as_warnings(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, retry.__name__)
    monkeypatch.setattr(retry, "_SILENT", 0.5)
    server.answers = [status(503), status(503, Retry_After="1"), status(503, Retry_After="1"), good]
    assert get(server) == GOOD
    _, second, third = caplog.records
    assert [r.levelname for r in caplog.records] == ["INFO", "WARNING", "INFO"]
    said = second.getMessage()
    for part in (f"{server.url}/x: the service answered 503", "try 2 of 7", "is in 1.0 s"):
        assert part in said
    # Waits that can follow: 1 + 2 + 4 + 8 + 16 s, of which the first is under way.
    assert "within 30 s more" in said
    assert "try 3 of 7" in third.getMessage()  # of ten seconds, one is enough to see


def test_a_terminal_is_told_in_a_line(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from atldld_xr.cli import failures, waiting

    monkeypatch.setattr(retry, "_SILENT", 0)
    server.answers = [status(503, Retry_After="1"), good]

    @failures.CarefulGroup
    def group() -> None:
        """Stand for the command line."""

    @group.command()
    def fetch() -> None:
        get(server)

    monkeypatch.setattr(waiting, "_is_terminal", lambda: True)
    with pytest.raises(SystemExit) as ended:
        group.main(["fetch"])
    assert ended.value.code == 0
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"atldld-xr: waiting: {server.url}/x: the service answered 503")
    assert not logging.getLogger(retry.__name__).handlers
