"""Slow lines: what still comes is waited for, by fewer at once, and need not come twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from answering import GOOD, Answer, Handler, Server, running, status
from atldld_xr.settings import config
from atldld_xr.sources import http
from atldld_xr.sources.pace import Pace

BODY = bytes(range(256)) * 40
TAG = '"1"'


@pytest.fixture
def server() -> Iterator[Server]:
    settings = {"http.retries": 3, "http.connect_timeout": 0.2, "http.read_timeout": 0.2}
    with running(Server()) as server, config.set(settings):
        yield server


def check(body: bytes) -> bytes:
    if body not in (BODY, GOOD):
        raise ValueError(f"it has {len(body)} bytes, and not the right ones")
    return body


def get(server: Server) -> bytes:
    return http.get(f"{server.url}/x", check=check, limit=100_000)


def steadily(step: int, wait: float, body: bytes = GOOD) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        for k in range(0, len(body), step):
            handler.wfile.write(body[k : k + step])
            if handler.server.released.wait(wait):
                break

    return answer


def test_what_still_comes_is_not_too_slow(server: Server) -> None:
    server.answers = [steadily(100, 0.04)]  # 2500 bytes/s, for 1.6 s
    with config.set({"http.least_rate": 200}):
        assert get(server) == GOOD
    assert len(server.requests) == 1


def test_what_hardly_comes_is_told_with_its_settings(server: Server) -> None:
    server.answers = [steadily(10, 0.04)]
    with config.set({"http.retries": 0}), pytest.raises(http.TransportError) as caught:
        get(server)
    for part in (
        "too slow",
        "http.least_rate asks for 1000",
        "each 0.2 s (http.read_timeout)",
        "bytes had come",
    ):
        assert part in str(caught.value)
    with config.set({"http.least_rate": 100}):
        server.answers = [steadily(20, 0.01)]
        assert get(server) == GOOD


def test_what_does_not_come_at_all_names_the_setting(server: Server) -> None:
    server.answers = [lambda handler: handler.server.released.wait(5)]
    with (
        config.set({"http.retries": 0}),
        pytest.raises(http.TransportError, match=r"no byte for 0\.2 s \(http\.read_timeout\)"),
    ):
        get(server)


class SharedLine:
    """Answers whose bytes come one after the other, as over one line, and cannot be resumed."""

    def __init__(self, rate: float) -> None:
        self.lock, self.step, self.rate = threading.Lock(), 50, rate

    def __call__(self, handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(GOOD)))
        handler.end_headers()
        for k in range(0, len(GOOD), self.step):
            with self.lock:
                time.sleep(self.step / self.rate)
            handler.wfile.write(GOOD[k : k + self.step])


def test_fewer_share_a_line_on_which_eight_starve(server: Server) -> None:
    server.answers = [SharedLine(rate=20_000)]
    settings = {"http.read_timeout": 0.5, "http.least_rate": 3500, "http.retries": 6}
    with config.set(settings), ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: get(server), range(16))) == [GOOD] * 16
    assert len(server.requests) > 16  # eight do starve, and would again and again


def test_places_are_halved_at_once_and_come_back_slowly() -> None:
    pace = Pace()
    with pace.place() as one, pace.place() as two, pace.place(), pace.place():
        pace.starved(one)
        assert pace.allowed == 2
        pace.starved(two)  # of the same time
        assert pace.allowed == 2
    with pace.place() as later:
        pace.starved(later)
        assert pace.allowed == 1
    seen = []
    while pace.allowed < 8:
        pace.came()
        seen.append(pace.allowed)
    assert 25 < len(seen) < 40
    assert seen == sorted(seen)


def test_no_more_run_than_are_allowed(server: Server) -> None:
    pace, most, inside = Pace(), [], []
    with pace.place() as began, pace.place(), pace.place(), pace.place():
        pace.starved(began)

    def hold(_: int) -> None:
        with pace.place() as began:
            inside.append(began)
            most.append(len(inside))
            time.sleep(0.01)
            inside.remove(began)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hold, range(24)))
    assert max(most) == 2


class Resuming:
    """A server of one body that breaks off its first answers, and that knows `Range`."""

    def __init__(self, breaks: int, tags: tuple[str, ...] = (TAG,), **headers: str) -> None:
        self.left, self.tags, self.headers = breaks, list(tags), headers
        self.asked: list[str | None] = []

    def __call__(self, handler: Handler) -> None:
        wanted, validator = handler.headers["Range"], handler.headers["If-Range"]
        self.asked.append(wanted)
        tag = self.tags.pop(0) if len(self.tags) > 1 else self.tags[0]
        first = int(wanted[6:-1]) if wanted and validator == tag else 0
        part = BODY[first:]
        handler.send_response(206 if first else 200)
        headers = {"ETag": tag} | self.headers
        if first:
            headers |= {"Content-Range": f"bytes {first}-{len(BODY) - 1}/{len(BODY)}"}
            headers |= self.part_headers(first)
        for name, value in headers.items():
            if value:
                handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(part)))
        handler.end_headers()
        self.left -= 1
        handler.wfile.write(part[:3000] if self.left >= 0 else part)
        handler.close_connection = self.left >= 0

    def part_headers(self, first: int) -> dict[str, str]:
        return {}


def test_what_broke_off_is_gone_on_with(server: Server) -> None:
    server.answers = [answer := Resuming(2)]
    assert get(server) == BODY
    assert answer.asked == [None, "bytes=3000-", "bytes=6000-"]
    headers = server.requests[1][1]
    assert (headers["If-Range"], headers["Accept-Encoding"]) == (TAG, "identity")


def test_a_date_tells_versions_apart_too(server: Server) -> None:
    day = "Wed, 21 Oct 2015 07:28:00 GMT"
    server.answers = [answer := Resuming(1, tags=('W/"1"',), Last_Modified=day)]
    assert get(server) == BODY
    assert answer.asked == [None, "bytes=3000-"]
    assert server.requests[1][1]["If-Range"] == day


@pytest.mark.parametrize(
    "answer",
    [Resuming(2, tags=("",)), Resuming(2, tags=('W/"1"',)), Resuming(2, Accept_Ranges="none")],
    ids=["no validator", "weak", "none"],
)
def test_without_a_version_the_whole_is_asked_for(server: Server, answer: Resuming) -> None:
    answer.left, answer.asked = 2, []
    server.answers = [answer]
    assert get(server) == BODY
    assert answer.asked == [None] * 3


def test_another_version_is_begun_anew(server: Server) -> None:
    server.answers = [answer := Resuming(1, tags=(TAG, '"2"'))]
    assert get(server) == BODY
    assert answer.asked == [None, "bytes=3000-"]
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"Content-Range": "bytes 0-10239/10240"},
        {"Content-Range": "bytes 3000-10238/10240"},
        {"Content-Range": "bytes 3000-10239/10241"},
        {"Content-Range": "bytes 3000-10239/*"},
        {"Content-Range": ""},
        {"ETag": '"other"'},
        {"Content-Encoding": "gzip"},
    ],
    ids=str,
)
def test_another_part_than_was_asked_for_is_not_added(
    server: Server, wrong: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers = [answer := Resuming(1)]
    monkeypatch.setattr(answer, "part_headers", lambda first: wrong)
    assert get(server) == BODY
    assert answer.asked == [None, "bytes=3000-", None]


def test_a_part_that_nobody_asked_for_is_none(server: Server) -> None:
    server.answers = [status(206, Content_Range="bytes 0-4/5", ETag=TAG)]
    with pytest.raises(http.TransportError, match="another part"):
        get(server)


def test_a_body_that_is_shorter_now_is_begun_anew(server: Server) -> None:
    server.answers = [Resuming(1), status(416), lambda handler: handler.reply(200, GOOD)]
    assert get(server) == GOOD
    assert [headers.get("Range") for _, headers in server.requests] == [None, "bytes=3000-", None]


def test_the_whole_is_checked_and_begun_anew_if_it_is_bad(server: Server) -> None:
    def spoilt(handler: Handler) -> None:
        first = int(handler.headers["Range"][6:-1])
        place = f"bytes {first}-{len(BODY) - 1}/{len(BODY)}"
        handler.reply(206, bytes(len(BODY) - first), ETag=TAG, Content_Range=place)

    server.answers = [Resuming(1), spoilt, Resuming(0)]
    assert get(server) == BODY
    assert [headers.get("Range") for _, headers in server.requests] == [None, "bytes=3000-", None]


def test_nobody_is_left_waiting_after_a_pause() -> None:
    pace, done = Pace(), []
    with pace.place() as began, pace.place():
        pace.starved(began)  # one at a time from now on

    def hold(k: int) -> None:
        with pace.place():
            if k % 5 == 0:
                pace.pause(0.02)
            time.sleep(0.002)
        pace.came()
        done.append(k)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(hold, range(60)))
    assert sorted(done) == list(range(60))
