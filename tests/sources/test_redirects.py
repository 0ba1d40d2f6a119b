"""Redirects are learnt once they have proved themselves, and cost nothing where they do not."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl, urlencode, urlsplit

import numpy as np
import pytest

from answering import Answer, Handler, Server, running, status
from atldld_xr.allen.tiers import Tile
from atldld_xr.settings import config
from atldld_xr.sources import http, redirects
from atldld_xr.sources.api import ApiSource
from atldld_xr.testing import AllenServer
from commandline import IMAGE, SMALL

Target = Callable[[str, dict[str, str]], str]


def by_path(path: str, query: dict[str, str]) -> str:
    """Lead to where the image is, as Allen's service does: by its path, not its number."""
    image = path.rpartition("/")[2]
    return f"/images?mime=1&path=/a%20b/{image}.aff&{urlencode(query)}"


class Service:
    """A front door that redirects as a test says, and the pictures behind it."""

    def __init__(self, server: Server, target: Target = by_path) -> None:
        self.server, self.target = server, target
        self.behind: Answer = lambda handler: handler.reply(200, handler.path.encode())
        server.answers = [self.answer]

    def answer(self, handler: Handler) -> None:
        parts = urlsplit(handler.path)
        if parts.path.startswith("/front/"):
            location = self.target(parts.path, dict(parse_qsl(parts.query)))
            handler.reply(302, Location=location)
        else:
            self.behind(handler)

    def get(self, image: int = 1, **numbers: int | str) -> str:
        url = f"{self.server.url}/front/{image}"
        params = {"left": 0, "top": 0, "downsample": 3} | numbers
        return http.get(url, params=params, check=check, limit=10_000).decode()

    @property
    def doors(self) -> int:
        """How many times the front door was asked."""
        return sum(path.startswith("/front/") for path, _ in self.server.requests)


def check(body: bytes) -> bytes:
    if body.startswith(b"bad"):
        raise ValueError("it is bad")
    return body


@pytest.fixture(autouse=True)
def _nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redirects.LEARNT, "_own", {})


@pytest.fixture
def service() -> Iterator[Service]:
    with running(Server()) as server, config.set({"http.retries": 0}):
        yield Service(server)


def prove(service: Service, image: int = 1) -> None:
    """Ask for four windows, each of whose numbers was another in two foretold redirects."""
    service.get(image)
    service.get(image, left=5)
    service.get(image, top=6, downsample=2)
    service.get(image, left=7, top=3)
    service.server.requests.clear()


def test_once_proven_windows_are_asked_for_where_they_are(service: Service) -> None:
    prove(service)
    answer = service.get(left=70, top=80, downsample=1)
    assert answer == "/images?mime=1&path=/a%20b/1.aff&left=70&top=80&downsample=1"
    assert service.doors == 0
    # Of another image it is not known where it is, but that windows lead to one place is.
    assert "2.aff&left=9" in service.get(2, left=9)
    assert service.doors == 1
    assert "2.aff&left=10&top=4" in service.get(2, left=10, top=4)
    assert service.doors == 1


def test_the_first_are_asked_for_at_the_front_door(service: Service) -> None:
    for k in range(3):
        service.get(left=k)
    assert service.doors == 3  # one that is learnt of, and two foretold
    service.get(left=9)
    assert service.doors == 3


def test_a_number_that_was_never_another_has_proved_nothing(service: Service) -> None:
    for k in range(5):
        service.get(left=k)
    before = service.doors
    service.get(left=9, top=4)
    assert service.doors == before + 1
    service.get(left=10, top=8)
    assert service.doors == before + 1


def test_the_same_window_again_has_proved_nothing(service: Service) -> None:
    for _ in range(6):
        service.get(left=1)
    assert service.doors == 6


def test_words_are_told_apart(service: Service) -> None:
    prove(service)
    service.get(view="expression")
    assert service.doors == 1  # a query with other names is of another kind


_COUNT = itertools.count()
UNFORESEEABLE: dict[str, Target] = {
    "changing": lambda path, query: f"/images?{urlencode(query)}&token={next(_COUNT)}",
    "no query": lambda path, query: f"/images/{query['left']}",
    "other numbers": lambda path, query: "/images?left=3&top=4&downsample=1",
    "made of numbers": lambda path, query: (
        f"/images?{urlencode(query)}&x={int(query['left']) // 2}"
    ),
    "twice": lambda path, query: f"/images?{urlencode(query)}&left={query['left']}",
}


@pytest.mark.parametrize("target", UNFORESEEABLE.values(), ids=UNFORESEEABLE)
def test_what_cannot_be_foretold_is_not_learnt(service: Service, target: Target) -> None:
    service.target = target
    for k in range(8):
        service.get(left=5 * k, top=k)
    assert service.doors == 8


def test_what_proves_wrong_has_to_prove_itself_again(service: Service) -> None:
    prove(service)
    service.target = lambda path, query: by_path(path, query).replace("images", f"i{query['left']}")
    service.get(2)
    service.get(2, view="x", left=9)  # another kind: tells nothing
    learnt = redirects.LEARNT()
    url, numbers = f"{service.server.url}/front/2", {"left": 4, "top": 0, "downsample": 3}
    assert learnt.foretell(url, numbers)
    learnt.learn(url, numbers, "http://elsewhere/?left=4&top=0&downsample=3")
    assert learnt.foretell(url, numbers | {"left": 5}) is None


@pytest.mark.parametrize(
    "fault",
    [
        status(404),
        status(500),
        lambda handler: handler.reply(200, b"bad"),
        lambda handler: setattr(handler, "close_connection", True),
        lambda handler: handler.reply(200, b"x" * 20_000),
    ],
    ids=["404", "500", "bad body", "hangs up", "too long"],
)
def test_a_learnt_address_that_fails_costs_no_retry(service: Service, fault: Answer) -> None:
    prove(service)
    well = service.behind
    faults = [fault]
    service.behind = lambda handler: (faults.pop() if faults else well)(handler)
    assert "left=20" in service.get(left=20)  # with no retries
    assert [path.split("?")[0] for path, _ in service.server.requests] == [
        "/images",
        "/front/1",
        "/images",
    ]
    assert "left=21" in service.get(left=21)  # learnt again of the front door's answer
    assert service.doors == 1


def test_learnt_addresses_that_keep_failing_are_given_up(service: Service) -> None:
    prove(service)
    doors: list[str] = []

    def only_from_the_door(handler: Handler) -> None:
        """Refuse whoever comes without having been sent."""
        with service.server.lock:
            last = [path for path, _ in service.server.requests][-2:-1]
        doors.append(handler.path)
        handler.reply(200 if last and "/front/" in last[0] else 403, handler.path.encode())

    service.behind = only_from_the_door
    for k in range(20):
        service.get(left=100 + k)
    assert service.doors == 20
    assert len(doors) == 20 + 5


def test_one_that_is_asked_to_wait_waits(service: Service) -> None:
    prove(service)
    well, busy = service.behind, [status(429, Retry_After="1")]
    service.behind = lambda handler: (busy.pop() if busy else well)(handler)
    with config.set({"http.retries": 1, "http.longest_wait": 0.3}):
        service.get(left=33)
    times = service.server.times
    assert len(service.server.requests) == 3
    assert times[-2] - times[-3] > 0.25


def test_the_setting_turns_it_off(service: Service) -> None:
    prove(service)
    with config.set({"http.learn_redirects": False}):
        service.get(left=50)
        assert service.doors == 1
    service.get(left=51)
    assert service.doors == 1


def test_memory_is_bounded(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redirects, "_MOST_TEMPLATES", 3)
    prove(service)
    for image in range(1, 6):
        service.get(image, left=60)
    service.server.requests.clear()
    for image in (5, 4, 3, 2, 1):
        service.get(image, left=61)
    assert service.doors == 2  # the last three are known
    assert len(redirects.LEARNT()._templates) == 3


def test_threads_may_all_learn(service: Service) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda k: service.get(k % 4, left=k, top=k // 3), range(80)))
    assert all(f"{k % 4}.aff&left={k}&top={k // 3}&" in answer for k, answer in enumerate(answers))
    assert service.doors < 40


def test_pixels_are_the_same_for_half_the_round_trips() -> None:
    corners = [(left, top) for top in range(0, 100, 20) for left in range(0, 120, 30)]
    tiles = [Tile(1, left, top, 30, 20, whole=False) for left, top in corners]
    with AllenServer(phantoms=[SMALL]) as server, config.set({"cache.enabled": False}):
        source, pixels, redirected = ApiSource(server.url), {}, {}
        for learns in (False, True):
            server.clear_log()
            with config.set({"http.learn_redirects": learns}):
                pixels[learns] = [source.read(IMAGE, tile, "image") for tile in tiles]
            redirected[learns] = sum(request.status == 302 for request in server.log)
            assert server.image_requests == len(tiles)
    assert all(map(np.array_equal, pixels[True], pixels[False]))
    assert redirected == {False: len(tiles), True: 4}  # until `top` was another, in one foretold
