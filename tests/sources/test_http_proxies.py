"""The environment's proxies: they are used, exempted from and told of without their secrets."""

from __future__ import annotations

import base64
import os
import socket
import socketserver
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator

import pytest

from answering import GOOD, Server, forget_routes, relay, running, status
from atldld_xr.settings import config
from atldld_xr.sources import http

NOWHERE = "http://no-such-host.test"  # the name is reserved: only a proxy can lead there
BASIC = "Basic " + base64.b64encode(b"me:hu@sh").decode()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    forget_routes(monkeypatch)
    with config.set({"http.backoff": 0.01, "http.retries": 1, "http.read_timeout": 10}):
        yield


@pytest.fixture
def server() -> Iterator[Server]:
    with running(Server()) as server:
        yield server


def get(url: str) -> bytes:
    return http.get(f"{url}/x", params={"a": "1,2"}, check=bytes, limit=100_000)


def address(server: Server, user: str = "", scheme: str = "http") -> str:
    return f"{scheme}://{user}127.0.0.1:{server.server_port}"


def unused() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_proxy_is_asked_for_the_whole_address(
    server: Server, monkeypatch: pytest.MonkeyPatch, variable: str, scheme: str
) -> None:
    if variable == "HTTP_PROXY":
        monkeypatch.delenv("REQUEST_METHOD", raising=False)  # with it, the variable is a header's
    # Names that no other test has: proxies are looked up once for each host.
    host = f"{variable.replace('_', '-')}{len(scheme)}-{server.server_port}.test".lower()
    monkeypatch.setenv(variable, f"{scheme}127.0.0.1:{server.server_port}")
    assert get(f"http://{host}") == get(f"http://{host}") == GOOD
    [(path, headers), _] = server.requests
    assert path == f"http://{host}/x?a=1,2"
    assert headers["Host"] == host
    assert "Proxy-Authorization" not in headers
    assert len(server.connections) == 1


def test_a_proxy_gets_its_password_and_nobody_else_does(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(Server()) as proxy:
        monkeypatch.setenv("http_proxy", address(proxy, "me:hu%40sh@"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        proxy.answers = [status(302, Location=f"{server.url}/y")]
        assert get(f"{NOWHERE}:{server.server_port}") == GOOD
    [(_, headers)] = proxy.requests
    assert headers["Proxy-Authorization"] == BASIC
    [(path, headers)] = server.requests
    assert path == "/y"
    assert not {"Proxy-Authorization", "Authorization"} & set(headers)


def test_a_proxy_that_wants_a_password_is_told_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", address(server))
    server.answers = [status(407)]
    with pytest.raises(http.TransportError, match="answered 407"):
        get(f"{NOWHERE}:{server.server_port}")
    assert len(server.requests) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_away_is_told_without_its_address(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    port = unused()
    monkeypatch.setenv(f"{scheme}_proxy", f"http://me:hush@127.0.0.1:{port}")
    with pytest.raises(http.TransportError, match="Connection refused, after 1 retry") as caught:
        get(f"{scheme}://no-such-host.test:{port - 1}")
    for secret in ("hush", "127.0.0.1", str(port)):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "proxy",
    ["http://", "http://[::1", "http://me:hush@", "http://me:hush@[::1", "socks5://me:hush@"],
)
def test_a_proxy_that_is_no_address_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(http.TransportError, match="proxy with a malformed") as caught:
        get(f"http://{len(proxy)}.no-such-host.test")
    assert caught.value.retried == 0
    assert "hush" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("exempt", ["127.0.0.1", "127.0.0.0/8", "a.test, 127.0.0.1", "*"])
def test_what_is_exempt_from_proxies_is_asked_itself(
    server: Server, monkeypatch: pytest.MonkeyPatch, exempt: str
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused()}")
    monkeypatch.setenv("no_proxy", exempt)
    assert get(server.url) == GOOD
    assert server.requests[0][0] == "/x?a=1,2"


@pytest.mark.parametrize("exempt", ["localhost", "localhost:{port}"])
def test_names_are_exempt_with_a_port_or_without(
    server: Server, monkeypatch: pytest.MonkeyPatch, exempt: str
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused()}")
    monkeypatch.setenv("NO_PROXY", exempt.format(port=server.server_port))
    assert get(f"http://localhost:{server.server_port}") == GOOD


def test_names_in_other_letters_are_asked_for_as_the_net_knows_them(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", address(server))
    assert get(f"http://bücher.test:{server.server_port}") == GOOD
    [(path, headers)] = server.requests
    assert path == f"http://xn--bcher-kva.test:{server.server_port}/x?a=1,2"
    assert headers["Host"] == f"xn--bcher-kva.test:{server.server_port}"


class Socks(socketserver.BaseRequestHandler):
    """Takes one name and password, and connects to the server's `target`."""

    def handle(self) -> None:
        stream = self.request.makefile("rb")
        with stream:
            stream.read(stream.read(2)[1])
            self.request.sendall(b"\5\2")
            _, length = stream.read(2)
            name = stream.read(length)
            self.server.users.append((name, stream.read(stream.read(1)[0])))
            self.request.sendall(b"\1\0")
            stream.read(4)
            self.server.hosts.append(stream.read(stream.read(1)[0]))
            stream.read(2)
            with socket.create_connection(self.server.target) as upstream:
                self.request.sendall(b"\5\0\0\1" + bytes(6))
                relay(self.request, upstream)


def test_a_socks_proxy_leads_to_the_host(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("socks", reason="requests needs PySocks for such proxies")
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Socks) as socks:
        socks.users, socks.hosts, socks.target = [], [], server.server_address
        thread = threading.Thread(target=socks.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        port = socks.server_address[1]
        monkeypatch.setenv("all_proxy", f"socks5h://me:hush@127.0.0.1:{port}")
        try:
            assert get(f"{NOWHERE}:{port}") == GOOD
        finally:
            server.end()
            socks.shutdown()
            thread.join()
    assert (socks.users, socks.hosts) == ([(b"me", b"hush")], [b"no-such-host.test"])
    assert server.requests[0][0] == "/x?a=1,2"
    assert server.requests[0][1]["Host"] == f"no-such-host.test:{port}"


def test_a_socks_proxy_without_its_package_is_told_at_once() -> None:
    script = (
        "import sys; sys.modules['socks'] = None\n"
        "from atldld_xr.sources import http\n"
        "http.get('http://no-such-host.test', check=bytes, limit=1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"http_proxy": "socks5h://me:hush@127.0.0.1:9"},
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert "which needs the package PySocks (" in done.stderr
    assert "hush" not in done.stderr
