"""A source that waits in each read until it may go on, and clients that do not wait."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from atldld_xr.errors import SectionImageError
from noise import NoiseSource


@dataclass(frozen=True)
class Gated(NoiseSource):
    """Tells of each read, and waits in it until it may go on; fails first, if it is to."""

    reads: list = field(default_factory=list, hash=False, compare=False)
    may_go_on: threading.Event = field(default_factory=threading.Event, hash=False, compare=False)
    failing: list = field(default_factory=list, hash=False, compare=False)

    def read(self, image: Any, tile: Any, view: str) -> Any:
        self.reads.append((image.id, tile))
        assert self.may_go_on.wait(10)
        if self.failing:
            raise SectionImageError(image.id, "here", self.failing.pop())
        return super().read(image, tile, view)


def first_key(store: Any, level: int = 0) -> str:
    """Return the key of a chunk that has something."""
    return f"{level}/c/0/{store.pyramid.planes.places[0]}/1/1"


def ask_and_keep_open(server: Any, key: str) -> socket.socket:
    """Return a connection on which a key was asked for."""
    address = urlsplit(server.address("5") + key)
    connection = socket.create_connection((address.hostname, address.port))
    connection.sendall(f"GET {address.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection
