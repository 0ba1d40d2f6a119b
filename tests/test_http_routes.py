"""The way to a service: the environment's proxies and certificates, and nothing else of it."""

from __future__ import annotations

import base64
import contextlib
import datetime
import gzip
import ipaddress
import select
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from answering import GOOD, Handler, Server, good, running, status
from atldld_xr import http
from atldld_xr.settings import config

NOWHERE = "http://no-such-host.test"  # the name is reserved: only a proxy can lead there
BASIC = "Basic " + base64.b64encode(b"me:hu@sh").decode()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with config.set({"http.backoff": 0.01, "http.retries": 1, "http.read_timeout": 10}):
        yield


@pytest.fixture
def server() -> Iterator[Server]:
    with running(Server()) as server:
        yield server


class Tunnel(Handler):
    """Connects to the proxy's `target`, whatever host is named."""

    def do_CONNECT(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        with socket.create_connection(self.server.target) as upstream:
            self.send_response(200)
            self.end_headers()
            relay(self.connection, upstream)
        self.close_connection = True


def relay(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes both ways until either end has no more."""
    peer = {one: other, other: one}
    with contextlib.suppress(OSError):
        while ready := select.select(list(peer), [], [], 10)[0]:
            for end in ready:
                if not (data := end.recv(65536)):
                    return
                peer[end].sendall(data)


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


@pytest.mark.parametrize("proxy", ["http://", "http://[::1", "http://me:hush@"])
def test_a_proxy_that_is_no_address_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(http.TransportError, match="connection failed") as caught:
        get(f"http://{len(proxy)}.no-such-host.test")
    assert caught.value.retried == 0
    assert "hush" not in str(caught.value)


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


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate that vouches for itself, with its key, in one file."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    names = [
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.DNSName("no-such-host.test"),
    ]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("identity") / "identity.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
def secure(identity: Path) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity)
    with running(Server(context=context)) as server:
        yield server


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_are_those_of_the_environment(
    secure: Server, identity: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with pytest.raises(http.TransportError, match="certificate verify failed"):
        get(secure.url)
    assert not secure.requests
    monkeypatch.setenv(variable, str(identity))
    assert get(secure.url) == GOOD
    monkeypatch.delenv(variable)  # what is trusted no more is asked no more, on no connection
    with pytest.raises(http.TransportError, match="certificate verify failed"):
        get(secure.url)
    assert len(secure.requests) == 1


def test_a_certificate_of_another_host_is_refused(
    secure: Server, identity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(identity))
    with pytest.raises(http.TransportError, match="Hostname mismatch"):
        get(f"https://localhost:{secure.server_port}")
    assert not secure.requests


def test_certificates_that_are_not_there_are_told(
    secure: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with pytest.raises(http.TransportError, match="connection failed"):
        get(secure.url)
    assert not secure.requests


def test_a_proxy_tunnels_to_a_secure_host(
    secure: Server, identity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(identity))
    with running(Server(Tunnel)) as proxy:
        proxy.target = secure.server_address
        monkeypatch.setenv("https_proxy", address(proxy, "me:hu%40sh@"))
        host = f"no-such-host.test:{secure.server_port}"
        assert get(f"https://{host}") == get(f"https://{host}") == GOOD
        secure.end()
    [(path, headers)] = proxy.requests
    assert path == host
    assert headers["Proxy-Authorization"] == BASIC
    assert [path for path, _ in secure.requests] == ["/x?a=1,2"] * 2
    assert "Proxy-Authorization" not in secure.requests[0][1]


def test_a_secure_service_may_lead_to_a_plain_one(
    server: Server, secure: Server, identity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(identity))
    secure.answers = [status(302, Location=f"{server.url}/y")]
    assert get(secure.url) == GOOD
    assert [path for path, _ in server.requests] == ["/y"]


def test_compressed_bodies_are_bounded_as_they_are_unpacked(server: Server) -> None:
    def packed(body: bytes) -> None:
        data = gzip.compress(body)
        server.answers = [lambda handler: handler.reply(200, data, Content_Encoding="gzip")]

    packed(GOOD)
    assert get(server.url) == get(server.url) == GOOD
    assert "gzip" in server.requests[0][1]["Accept-Encoding"]
    assert len(server.connections) == 1
    packed(bytes(50_000_000))
    with pytest.raises(http.TransportError, match="more than the 100000 bytes"):
        get(server.url)


FORKS = """
import os, sys
from atldld_xr import http
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
    server.answers = [good]
    done = subprocess.run(
        [sys.executable, "-c", FORKS, server.url], timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(server.requests) == 5
    assert len(server.connections) == 2
