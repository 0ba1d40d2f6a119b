"""Transport: what may pass is retried, what may not is told at once, and nothing hangs."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from answering import (
    GOOD,
    Answer,
    Handler,
    Server,
    bad_body,
    cut,
    cut_chunked,
    drip,
    good,
    hang_up,
    running,
    stall,
    status,
)
from atldld_xr.errors import DatasetNotFoundError, InvalidArgumentError
from atldld_xr.settings import config
from atldld_xr.sources import http
from loopback import unused_port

QUICK = {"http.backoff": 0.01, "http.retries": 3, "http.longest_wait": 60}


@pytest.fixture
def server() -> Iterator[Server]:
    with running(Server()) as server, config.set(QUICK):
        yield server


def check(body: bytes) -> bytes:
    if body != GOOD:
        raise ValueError(f"it starts with {body[:6]!r}")
    return body


def get(server: Server, **options: object) -> bytes:
    arguments = {"check": check, "limit": 100_000} | options
    return http.get(f"{server.url}/x", **arguments)


def test_a_good_answer_is_had_at_once(server: Server) -> None:
    body = get(server, params={"downsample": 3, "filterVals": "0,1", "name": "a&b"})
    assert body == GOOD
    [(path, headers)] = server.requests
    assert path == "/x?downsample=3&filterVals=0,1&name=a%26b"
    assert headers["User-Agent"].startswith("atldld-xr/")


@pytest.mark.parametrize(
    "fault",
    [
        *(pytest.param(status(code), id=str(code)) for code in (408, 429, 500, 502, 503, 504)),
        bad_body,
        cut,
        cut_chunked,
        hang_up,
    ],
)
def test_what_may_pass_is_retried(server: Server, fault: Answer) -> None:
    server.answers = [fault, fault, good]
    assert get(server) == GOOD
    assert len(server.requests) == 3


@pytest.mark.parametrize("fault", [stall, drip])
def test_slow_answers_are_given_up_and_retried(server: Server, fault: Answer) -> None:
    server.answers = [fault, good]
    start = time.monotonic()
    with config.set({"http.connect_timeout": 0.1, "http.read_timeout": 0.1}):
        assert get(server) == GOOD
    assert time.monotonic() - start < 3
    assert len(server.requests) == 2


def test_a_port_that_nobody_answers_at_is_given_up(server: Server) -> None:
    with (
        unused_port() as port,
        pytest.raises(http.TransportError, match="Connection refused, after 1 retry") as caught,
    ):
        http.get(f"http://127.0.0.1:{port}", check=check, limit=10)
    assert caught.value.retried == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (status(503), "answered 503"),
        (bad_body, "starts with b'<html>'"),
        (cut, "truncated: 3900"),
        (hang_up, "connection failed"),
    ],
)
def test_the_last_reason_is_told_in_words(server: Server, fault: Answer, reason: str) -> None:
    server.answers = [fault]
    with pytest.raises(http.TransportError, match=reason) as caught:
        get(server)
    assert "after 3 retries" in str(caught.value)
    assert caught.value.address == f"{server.url}/x"
    assert len(server.requests) == 4


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_what_cannot_pass_is_told_at_once(server: Server, code: int) -> None:
    server.answers = [status(code)]
    with pytest.raises(http.TransportError, match=f"answered {code}") as caught:
        get(server)
    assert len(server.requests) == 1
    assert (caught.value.status, caught.value.body) == (code, b"sorry")


def test_errors_of_the_check_that_are_no_value_errors_pass_through(server: Server) -> None:
    def missing(body: bytes) -> None:
        raise DatasetNotFoundError("none")

    with pytest.raises(DatasetNotFoundError):
        get(server, check=missing)
    assert len(server.requests) == 1


def test_no_more_is_read_than_the_limit(server: Server) -> None:
    server.answers = [lambda handler: handler.reply(200, b"", length=10**12)]
    with pytest.raises(http.TransportError, match="announces 1000000000000 bytes"):
        get(server)

    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b"x" * 100_000)
        handler.close_connection = True

    server.answers = [endless]
    with pytest.raises(http.TransportError, match="more than the 100000 bytes"):
        get(server)


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_honoured(server: Server, code: int) -> None:
    server.answers = [status(code, Retry_After="1"), good]
    assert get(server) == GOOD
    first, second = server.times
    assert 0.95 < second - first < 3


@pytest.mark.parametrize("header", ["3600", "Fri, 31 Dec 2199 23:59:59 GMT", "soon", "9" * 400])
def test_no_wait_is_longer_than_the_longest(server: Server, header: str) -> None:
    server.answers = [status(503, Retry_After=header), good]
    with config.set({"http.longest_wait": 0.2}):
        start = time.monotonic()
        assert get(server) == GOOD
    assert time.monotonic() - start < 2


def test_waits_are_short_at_first_and_grow_where_all_fails(server: Server) -> None:
    server.answers = [status(500)]
    settings = {"http.backoff": 0.02, "http.retries": 6}
    with config.set(settings), pytest.raises(http.TransportError):
        get(server)
    gaps = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
    assert sum(gaps[:4]) < 0.3
    assert 0.32 <= gaps[4] < 0.64 <= gaps[5] < 1.3


def test_redirects_are_followed_but_not_forever(server: Server) -> None:
    server.answers = [status(302, Location="/y"), good]
    assert get(server) == GOOD
    assert [path for path, _ in server.requests] == ["/x", "/y"]
    server.answers = [status(302, Location="/y")]
    with pytest.raises(http.TransportError, match="more than 5 redirects"):
        get(server)
    assert len(server.requests) == 2 + 6


def redirect_with(body: Answer, location: str = "/y") -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", location)
        body(handler)

    return answer


@pytest.mark.parametrize("announced", [True, False])
def test_a_redirects_body_is_bounded(server: Server, announced: bool) -> None:
    sent = 0

    def large(handler: Handler) -> None:
        nonlocal sent
        if announced:
            handler.send_header("Content-Length", str(300_000_000))
        handler.end_headers()
        handler.close_connection = True
        for _ in range(300):
            handler.wfile.write(b"x" * 1_000_000)
            sent += 1_000_000

    server.answers = [redirect_with(large), good]
    assert get(server) == GOOD
    assert len(server.requests) == 2
    assert sent < 30_000_000  # what sockets' buffers take


def test_a_redirects_body_that_drips_is_not_waited_for(server: Server) -> None:
    def dripping(handler: Handler) -> None:
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b"x")
            if handler.server.released.wait(0.02):
                break

    server.answers = [redirect_with(dripping), good]
    start = time.monotonic()
    with config.set({"http.connect_timeout": 0.1, "http.read_timeout": 0.1}):
        assert get(server) == GOOD
    assert time.monotonic() - start < 3
    assert [path for path, _ in server.requests] == ["/x", "/y"]


def test_redirects_may_take_their_time_each(server: Server) -> None:
    def slow(handler: Handler) -> None:
        time.sleep(0.2)
        handler.reply(302, Location="/y")

    server.answers = [slow, slow, slow, good]
    settings = {"http.connect_timeout": 0.05, "http.read_timeout": 0.7, "http.retries": 0}
    with config.set(settings):
        assert get(server) == GOOD
    server.answers = [slow]
    with config.set(settings), pytest.raises(http.TransportError, match="more than 5 redirects"):
        get(server)


def test_a_redirect_leaves_the_connection_to_the_next_request(server: Server) -> None:
    server.answers = [status(302, Location="/y")] * 3 + [good]
    assert get(server) == GOOD
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://host/x", "//me:hush@host/x", "http://[::1/x", "https:///x"],
)
def test_redirects_lead_to_plain_addresses_only(server: Server, location: str) -> None:
    server.answers = [status(302, Location=location), good]
    with pytest.raises(http.TransportError) as caught:
        get(server)
    assert "hush" not in str(caught.value)
    assert len(server.requests) == 1


def test_redirects_keep_their_query_and_their_letters(server: Server) -> None:
    where = "/é?a=1&b=%2F".encode().decode("latin-1")  # as UTF-8 in the header
    server.answers = [status(307, Location=where), good]
    assert get(server, params={"c": 2}) == GOOD
    assert [path for path, _ in server.requests] == ["/x?c=2", "/%C3%A9?a=1&b=%2F"]


def test_a_redirect_without_an_address_is_told_at_once(server: Server) -> None:
    server.answers = [status(302), good]
    with pytest.raises(http.TransportError, match="answered 302"):
        get(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("http.retries", "abc"), ("http.read_timeout", 0), ("http.connections", 0)],
)
def test_settings_that_cannot_be_are_told_before_anything_is_asked(
    server: Server, name: str, value: object
) -> None:
    with config.set({name: value}), pytest.raises(InvalidArgumentError, match=name):
        get(server)
    assert not server.requests


def test_connections_are_capped(server: Server) -> None:
    def slow(handler: Handler) -> None:
        time.sleep(0.02)
        good(handler)

    server.answers = [slow]
    with config.set({"http.connections": 3}), ThreadPoolExecutor(12) as pool:
        assert all(pool.map(lambda _: get(server) == GOOD, range(36)))
    assert server.most == len(server.connections) == 3


def test_waiting_to_retry_holds_no_connection(server: Server) -> None:
    server.answers = [hang_up, good]
    settings = {"http.connections": 1, "http.backoff": 20}
    with config.set(settings), ThreadPoolExecutor(2) as pool:
        first = pool.submit(get, server)
        while not server.requests:
            time.sleep(0.005)
        start = time.monotonic()
        assert pool.submit(get, server).result() == GOOD
        assert time.monotonic() - start < 0.8
        assert first.result() == GOOD


def test_credentials_of_the_user_are_not_sent(
    server: Server, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    get(server)
    assert "Authorization" not in server.requests[0][1]


def test_compressed_bodies_are_bounded_as_they_are_unpacked(server: Server) -> None:
    def packed(body: bytes) -> None:
        data = gzip.compress(body)
        server.answers = [lambda handler: handler.reply(200, data, Content_Encoding="gzip")]

    packed(GOOD)
    assert get(server) == get(server) == GOOD
    assert "gzip" in server.requests[0][1]["Accept-Encoding"]
    assert len(server.connections) == 1
    packed(bytes(50_000_000))
    with pytest.raises(http.TransportError, match="more than the 100000 bytes"):
        get(server)


FORKS = """
import os, sys
from atldld_xr.sources import http
def get(): return http.get(sys.argv[1], check=bytes, limit=10_000)
get()
child = os.fork()
assert get() == get()
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
else:
    os._exit(0)
"""


def test_a_forked_process_has_connections_of_its_own(server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKS, server.url], timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(server.requests) == 5
    assert len(server.connections) == 2


def test_nothing_is_kept_of_an_answer(server: Server) -> None:
    server.answers = [
        lambda handler: handler.reply(302, Location="/y", Set_Cookie="me=1"),
        lambda handler: handler.reply(200, GOOD, Set_Cookie="me=2"),
        good,
    ]
    assert get(server) == get(server) == GOOD
    assert not any("Cookie" in headers for _, headers in server.requests)


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://api.brain-map.org/api/v2", "https://api.brain-map.org/api/v2"),
        ("http://127.0.0.1:8080/api/v2/", "http://127.0.0.1:8080/api/v2"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_good_addresses(url: str, plain: str) -> None:
    assert http.check_address(url) == plain


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.brain-map.org",
        "ftp://host/api/v2",
        "file:///etc/passwd",
        "http://",
        "http:///api/v2",
        "http://host:port/",
        "http://host:99999/",
        "http://ho st/",
        "http://host/\n",
        "http://host/\x00",
        "http://[::1/",
        "http://host/?a=1",
        "http://host/#a",
        "http://..",
        None,
        5,
    ],
)
def test_bad_addresses(url: object) -> None:
    with pytest.raises(InvalidArgumentError):
        http.check_address(url)


def test_passwords_are_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        http.check_address("https://me:hush@host/api/v2")
    assert "hush" not in str(caught.value)
    with pytest.raises(InvalidArgumentError) as caught:
        http.check_address("https://me:hush@ho st/api/v2")
    assert "hush" not in str(caught.value)
