"""The server: an application on a port, run here or in a thread. Needs the extra "serve"."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.serve.app import check_token, make_app, path_of
from atldld_xr.serve.extra import missing_extra
from atldld_xr.settings import as_int, setting

try:
    import uvicorn
except ImportError as error:
    raise missing_extra(error) from error

if TYPE_CHECKING:
    from atldld_xr.serve.plan_store import PlanStore

_MOST_CONNECTIONS = 1000
_LONGEST_END = 5  # seconds that answers under way have, when it ends


class Server:
    """Stores over HTTP, from a thread; use it as a context manager, or `run` it.

    Parameters
    ----------
    stores : mapping of PlanStore
        By name, as for `make_app`.
    host : str
        On which address it listens. On one that others can reach, all paths begin with a token.
    port : int
        0 for any that is free.
    token : str, optional
        Of letters, digits, "-" and "_". Default: none on loopback, and else one that nobody
        guesses.

    Raises
    ------
    InvalidArgumentError
        If the address cannot be had, or the token cannot be a part of it.
    """

    def __init__(
        self,
        stores: Mapping[str, PlanStore],
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        token: str | None = None,
    ) -> None:
        check_token(token)
        self._stores = dict(stores)
        if token is None and not _is_loopback(host):
            token = secrets.token_urlsafe(16)
        try:
            self._socket = _listening(host, port)
        except (OSError, OverflowError) as error:
            raise InvalidArgumentError(f"cannot listen on {host}:{port}: {error}") from error
        name = f"[{host}]" if ":" in host else host
        port = self._socket.getsockname()[1]
        self.url = f"http://{name}:{port}" + (f"/{token}" if token else "")
        self._threads = ThreadPoolExecutor(setting("http.connections", as_int), "atldld-serve")
        config = uvicorn.Config(
            make_app(self._stores, token=token, threads=self._threads),
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_LONGEST_END,
        )
        self._server = uvicorn.Server(config)
        self._thread: threading.Thread | None = None

    def address(self, name: str) -> str:
        """Return the URL of a store, for viewers: it changes with the options."""
        return f"{self.url}{path_of(name, self._stores[name])}"

    def add(self, name: str, store: PlanStore) -> str:
        """Serve another store too, and return its URL."""
        self._stores[name] = store
        return self.address(name)

    def run(self) -> None:
        """Serve until the process is told to end; chunks that have begun are not waited for."""
        with self._socket:
            try:
                self._server.run([self._socket])
            finally:
                self._threads.shutdown(wait=False, cancel_futures=True)

    def start(self) -> Server:
        """Serve from a thread."""
        self._thread = threading.Thread(target=self.run, name="atldld-serve", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End: answers under way have some seconds, and chunks that have begun are waited for."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
        self._threads.shutdown(cancel_futures=True)
        self._socket.close()

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that takes connections, so that its port is known and nobody is refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=128)
