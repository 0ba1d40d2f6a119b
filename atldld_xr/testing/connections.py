"""The sockets of the test server: answers sent whole or broken off, and a clean end."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from atldld_xr.testing.network import Network


@dataclass(frozen=True)
class Answer:
    """What a request is answered with.

    Attributes
    ----------
    status : int
        The HTTP status.
    body : bytes
        All of the body.
    content_type : str
        Its media type.
    headers : tuple of (str, str)
        More headers.
    ending : {"whole", "truncated", "reset"}
        Whether the connection ends amid the body, and if so in good order or not.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    ending: Literal["whole", "truncated", "reset"] = "whole"

    @property
    def sent(self) -> int:
        """How many bytes of the body are sent."""
        return len(self.body) if self.ending == "whole" else len(self.body) // 2


class HttpServer(ThreadingHTTPServer):
    """An HTTP/1.1 server on loopback, with a thread to each connection.

    Parameters
    ----------
    port : int
        0 for any that is free.
    respond : callable
        Takes a request's path and query, as sent; is called from many threads at once.
    network : Network
        How answers travel.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, respond: Callable[[str], Answer], network: Network) -> None:
        if ":" in network.host:
            self.address_family = socket.AF_INET6
        super().__init__((network.host, port), _Handler)
        self.respond = respond
        self.network = network
        self.ended = threading.Event()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, keeping account of it for `close`."""
        thread = threading.current_thread()
        with self._lock:
            self._open[thread] = request
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(thread, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that leave amid an answer are part of the tests."""

    def close(self) -> None:
        """Stop, end the connections that are kept alive, and wait for their threads."""
        self.ended.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            connections = list(self._open.items())
        for _, connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was faster
        for thread, _ in connections:
            thread.join(timeout=10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet, or clients wait for the second
    disable_nagle_algorithm = True
    server: HttpServer
    _resets = False

    def do_GET(self) -> None:
        answer = self.server.respond(self.path)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        # Also of an answer without a body: chunks need HTTP/1.1, which this server speaks.
        chunked = self.server.network.chunked
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        for piece in self.server.network.pieces(answer.body[: answer.sent], self.server.ended):
            if not chunked:
                self.wfile.write(piece)
            elif piece:  # an empty chunk is the last
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), bytes(piece)))
            self.wfile.flush()
        if chunked and answer.ending == "whole":
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
        if answer.ending != "whole":
            self.close_connection = True
        self._resets = answer.ending == "reset"

    def finish(self) -> None:
        super().finish()
        if self._resets:
            # Closed with no time to linger, a socket is reset. Here, because the server would
            # first shut it down in good order.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        pass
