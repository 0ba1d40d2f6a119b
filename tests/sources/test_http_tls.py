"""Certificates: those that the environment names, for the host that was meant, or no answer."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from answering import GOOD, Server, Tunnel, forget_routes, running, status
from atldld_xr.doctor.run import examine
from atldld_xr.settings import config
from atldld_xr.sources import http
from atldld_xr.testing import AllenServer, Phantom


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    forget_routes(monkeypatch)
    with config.set({"http.backoff": 0.01, "http.retries": 1, "http.read_timeout": 10}):
        yield


def get(url: str) -> bytes:
    return http.get(f"{url}/x", params={"a": "1,2"}, check=bytes, limit=100_000)


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


def test_doctor_tells_of_certificates_and_of_a_step_down_to_http(secure, identity, monkeypatch):
    with AllenServer([Phantom(count=3, resolution=32.0)]) as plain:

        def front_door(handler):
            answer = requests.get(
                f"{plain.url.removesuffix('/api/v2')}{handler.path}", allow_redirects=False
            )
            led = {"Location": answer.headers["Location"]} if answer.is_redirect else {}
            kind = answer.headers["Content-Type"]
            handler.reply(answer.status_code, answer.content, Content_Type=kind, **led)

        secure.answers = [front_door]
        report = examine(f"{secure.url}/api/v2")
        assert not report.reached
        assert "the certificate is not good" in report.findings[0].found
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(identity))
        report = examine(f"{secure.url}/api/v2")
        assert report.good, report.rows
        (told,) = (finding.found for finding in report.findings if finding.name == "TLS")
        assert told == "the certificate is good; images are led on to http, as recorded of Allen's"


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
        monkeypatch.setenv("https_proxy", f"http://me:hu%40sh@127.0.0.1:{proxy.server_port}")
        host = f"no-such-host.test:{secure.server_port}"
        assert get(f"https://{host}") == get(f"https://{host}") == GOOD
        secure.end()
    [(path, headers)] = proxy.requests
    assert path == host
    assert headers["Proxy-Authorization"] == "Basic " + base64.b64encode(b"me:hu@sh").decode()
    assert [path for path, _ in secure.requests] == ["/x?a=1,2"] * 2
    assert "Proxy-Authorization" not in secure.requests[0][1]


def test_a_secure_service_may_lead_to_a_plain_one(
    secure: Server, identity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(identity))
    with running(Server()) as server:
        secure.answers = [status(302, Location=f"{server.url}/y")]
        assert get(secure.url) == GOOD
    assert [path for path, _ in server.requests] == ["/y"]


def test_a_redirect_to_http_is_followed_unless_that_is_not_allowed(
    secure: Server, identity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(identity))
    with running(Server()) as plain:
        secure.answers = [status(302, Location=f"{plain.url}/y?a=1")]
        assert get(secure.url) == GOOD
        with (
            config.set({"http.allow_downgrade": False}),
            pytest.raises(http.TransportError, match=r"http\.allow_downgrade") as caught,
        ):
            get(secure.url)
        assert caught.value.retried == 0
        assert len(plain.requests) == 1


def test_what_was_learnt_before_it_was_not_allowed_is_not_followed(
    secure: Server, identity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(identity))

    def window(left: int) -> bytes:
        return http.get(f"{secure.url}/x", params={"left": left}, check=bytes, limit=10_000)

    with running(Server()) as plain:
        secure.answers = [
            lambda handler: handler.reply(
                302, Location=f"{plain.url}/y?{handler.path.partition('?')[2]}"
            )
        ]
        for left in range(5):
            window(left)
        assert len(secure.requests) == 3
        with (
            config.set({"http.allow_downgrade": False}),
            pytest.raises(http.TransportError, match="not encrypted"),
        ):
            window(9)
        assert len(plain.requests) == 5
