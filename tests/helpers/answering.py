"""An HTTP server that answers as a test says: well, late, in part, not at all, or over TLS."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

GOOD = b"good" * 1000
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers with the next of the server's answers, the last one for good."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        with server.lock:
            server.requests.append((self.path, dict(self.headers)))
            server.times.append(time.monotonic())
            answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
            server.inside += 1
            server.most = max(server.most, server.inside)
        try:
            answer(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with server.lock:
                server.inside -= 1

    def reply(
        self, status: int, body: bytes = b"", length: int | None = None, **headers: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def good(handler: Handler) -> None:
    handler.reply(200, GOOD)


def status(code: int, **headers: str) -> Answer:
    return lambda handler: handler.reply(code, b"sorry", **headers)


def bad_body(handler: Handler) -> None:
    handler.reply(200, b"<html>busy</html>")


def cut(handler: Handler) -> None:
    handler.reply(200, GOOD[:100], length=len(GOOD))
    handler.close_connection = True


def cut_chunked(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"64\r\n" + GOOD[:100] + b"\r\n")
    handler.close_connection = True


def hang_up(handler: Handler) -> None:
    handler.close_connection = True


def stall(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(GOOD)))
    handler.end_headers()
    handler.wfile.flush()
    handler.server.released.wait(5)
    handler.close_connection = True


def drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(GOOD)))
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b"g")
        handler.wfile.flush()
        if handler.server.released.wait(0.02):
            break
    handler.close_connection = True


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


class Server(ThreadingHTTPServer):
    daemon_threads = False  # waited for, so that none outlives its test

    def __init__(
        self, handler: type[Handler] = Handler, context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.scheme = "https" if context else "http"
        if context:  # the handshake is left to the handler's thread
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self.lock, self.released = threading.Lock(), threading.Event()
        self.answers: list[Answer] = [good]
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.times: list[float] = []
        self.inside = self.most = 0
        self.connections: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def process_request(self, request: socket.socket, client_address: object) -> None:
        self.connections.append(request)
        super().process_request(request, client_address)

    def end(self) -> None:
        """Wake every handler: those that stall, and those that wait for another request."""
        self.released.set()
        self.shutdown()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """Let a server answer until the end."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.end()
            thread.join()


def forget_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the proxies and certificates of whoever runs the tests out of the environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
