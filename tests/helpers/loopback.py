"""Servers of HTTP and HTTPS on loopback, and ports where there is none."""

from __future__ import annotations

import datetime
import functools
import http.server
import io
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def unused_port() -> Iterator[int]:
    """Give a port at which connections are refused for as long as this lasts."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextmanager
def serving(
    handler: Any,
    kind: type[http.server.HTTPServer] = http.server.ThreadingHTTPServer,
    certificate: Path | None = None,
) -> Iterator[int]:
    """Serve HTTP from a thread, over TLS if there is a certificate for it; gives the port."""
    with kind(("127.0.0.1", 0), handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Files(http.server.SimpleHTTPRequestHandler):
    def __init__(
        self,
        *args: Any,
        requests: list[tuple[str, str]],
        lists: bool,
        answers: Callable[[str], int | bytes | None],
        **kwargs: Any,
    ) -> None:
        self.requests, self.lists, self.answers = requests, lists, answers
        super().__init__(*args, **kwargs)

    def log_message(self, *_: object) -> None:
        self.requests.append((self.command, self.path))

    def send_head(self) -> Any:
        answer = self.answers(self.path)
        if answer is None:
            return super().send_head()
        if isinstance(answer, int):
            self.send_error(answer)
            return None
        self.send_response(200)
        self.end_headers()
        return io.BytesIO(answer)

    def list_directory(self, path: Any) -> Any:
        if self.lists:
            return super().list_directory(path)
        self.send_error(403)
        return None


@contextmanager
def web_server(
    folder: Path,
    certificate: Path | None = None,
    *,
    lists: bool = False,
    answers: Callable[[str], int | bytes | None] = lambda path: None,
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Serve a folder's files; gives the address and the requests so far.

    Without listings of folders, unless it `lists`. To some paths it `answers` with a status, or
    with a page of its own.
    """
    requests: list[tuple[str, str]] = []
    handler = functools.partial(
        _Files, directory=str(folder), requests=requests, lists=lists, answers=answers
    )
    with serving(handler, certificate=certificate) as port:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{port}", requests


def write_certificate(path: Path) -> None:
    """Write a key, and the certificate of this machine's own address that it has signed itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    key, private, _ = key_pair()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.UTC)
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(private.encode() + certificate.public_bytes(serialization.Encoding.PEM))


def key_pair() -> tuple[Any, str, str]:
    """Return a key of RSA's, and it and its public half as text."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return key, private.decode(), public.decode()
