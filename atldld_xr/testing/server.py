"""An Allen service on loopback: metadata, images and conversions, with faults on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

from atldld_xr.phantom.phantom import PHANTOMS, Phantom
from atldld_xr.testing.atlas import PLACE
from atldld_xr.testing.catalogue import Catalogue
from atldld_xr.testing.connections import Answer, HttpServer
from atldld_xr.testing.faults import HTML, Faults, Kind, spoil
from atldld_xr.testing.network import Network
from atldld_xr.testing.quirks import Quirks
from atldld_xr.testing.service import mirror_service, not_found, phantom_service


@dataclass(frozen=True)
class Request:
    """A request that was answered.

    Attributes
    ----------
    path : str
        Without the query.
    query : dict
        The query's parameters.
    status : int
        What it was answered with.
    bytes : int
        How much of the body was sent.
    image_id : int, optional
        The section image whose pixels were asked for, None for metadata.
    fault : str, optional
        What was made to go wrong.
    """

    path: str
    query: dict[str, str]
    status: int
    bytes: int
    image_id: int | None
    fault: Kind | None


class AllenServer:
    """An Allen service in this process, on loopback; use it as a context manager.

    Parameters
    ----------
    phantoms : iterable of Phantom, optional
        The data sets that it has. Default: the built-in ones.
    mirror : path, optional
        A folder of data sets and images to serve in place of phantoms. What was served once may
        be served from memory later.
    redirect : bool
        Whether image downloads lead on to the image service, as the real ones do.
    max_rows : int
        The longest page of metadata, whatever is asked for.
    faults : Faults, optional
        What goes wrong. Can be set at any time; setting it counts requests anew.
    port : int
        Default: any that is free.
    latency : float
        Seconds that pass before each answer, also a redirect's.
    bandwidth : float, optional
        Bytes a second that each connection carries. Default: as fast as they go.
    quirks : Quirks, optional
        What it does otherwise than Allen's service.
    catalogue : Catalogue, optional
        Records of many more data sets, beside phantoms.

    Raises
    ------
    OSError
        As it starts, if the port is taken.

    Examples
    --------
    >>> import atldld_xr
    >>> from atldld_xr.testing import AllenServer
    >>> with AllenServer() as server:
    ...     ds = atldld_xr.open_dataset(900000001, source=server.url)
    ...     server.image_requests
    0
    """

    def __init__(
        self,
        phantoms: Iterable[Phantom] | None = None,
        *,
        mirror: str | PathLike[str] | None = None,
        redirect: bool = True,
        max_rows: int = 25_000,
        faults: Faults | None = None,
        port: int = 0,
        latency: float = 0.0,
        bandwidth: float | None = None,
        quirks: Quirks | None = None,
        catalogue: Catalogue | None = None,
    ) -> None:
        self._quirks = quirks = quirks or Quirks()
        if mirror is None:
            chosen = PHANTOMS.values() if phantoms is None else phantoms
            by_id = {p.id: p for p in chosen}
            self._service = phantom_service(by_id, max_rows, quirks, catalogue)
        else:
            self._service = mirror_service(Path(mirror), max_rows, quirks)
        self._redirect = redirect
        self._lock = threading.Lock()
        self._log: list[Request] = []
        self._under_way = self._most = 0
        self._ended = threading.Event()
        self.faults = faults or Faults()
        self._port = port
        self._network = Network(latency, bandwidth, chunked=quirks.chunked, host=quirks.host)
        self._http: HttpServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> AllenServer:
        """Listen; returns itself."""
        self._ended.clear()
        self._http = HttpServer(self._port, self._respond, self._network)
        self._port = self._http.server_address[1]
        # It polls only for the request to stop.
        serve = {"poll_interval": 0.02}
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs=serve, name="AllenServer", daemon=True
        )
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening and end every connection. The log stays."""
        if self._http is not None and self._thread is not None:
            self._ended.set()
            self._http.close()
            self._thread.join()
            self._http = self._thread = None

    def __enter__(self) -> AllenServer:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The base address: ``http://127.0.0.1:PORT/api/v2``, or ``http://[::1]:PORT/api/v2``."""
        return f"{self._host}/api/v2"

    @property
    def annotation_url(self) -> str:
        """The address of the annotations, as the setting of that name takes it."""
        return f"{self._host}{PLACE}"

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        with self._lock:
            self._faults, self._count = faults, 0

    @property
    def log(self) -> list[Request]:
        """Every request so far, in the order of the answers. A copy."""
        with self._lock:
            return list(self._log)

    @property
    def image_requests(self) -> int:
        """How many times pixels were asked for; a request and its redirect are one."""
        return sum(r.image_id is not None and not 300 <= r.status < 400 for r in self.log)

    @property
    def metadata_requests(self) -> int:
        """How many times anything else was asked for."""
        return sum(r.image_id is None for r in self.log)

    @property
    def bytes_sent(self) -> int:
        """Bytes of all bodies."""
        return sum(r.bytes for r in self.log)

    @property
    def most_at_once(self) -> int:
        """The most requests for pixels that were being answered at the same time."""
        with self._lock:
            return self._most

    def clear_log(self) -> None:
        """Forget the requests so far, also for `most_at_once` and for `faults`."""
        with self._lock:
            self._log.clear()
            self._count = 0
            self._most = self._under_way

    @property
    def _host(self) -> str:
        return f"http://{'[::1]' if self._quirks.ipv6 else '127.0.0.1'}:{self._port}"

    def _respond(self, target: str) -> Answer:
        parts = urlsplit(target)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        place = self._service.place(parts.path, params)
        is_image = place.image_id is not None
        if self._redirect and place.redirects and place.image_id not in self.faults.missing:
            self._network.wait(self._ended)
            answer = self._service.redirect(place, params, self._host)
            self._enter(parts.path, params, answer, place.image_id, None)
            return answer
        with self._lock:
            faults = self._faults
            # Only requests that may have a fault count, so that metadata does not shift them.
            count = self._count
            self._count += is_image or faults.metadata
            self._under_way += is_image
            self._most = max(self._most, self._under_way)
        fault = None
        try:
            self._network.wait(self._ended)
            if place.image_id in faults.missing:
                answer = not_found(place.image_id)
            else:
                if is_image:
                    answer = self._service.image(place, params)
                else:
                    answer = self._service.metadata(parts.path, params)
                fault = faults.pick(count, place.image_id)
                answer = _with_fault(answer, fault, faults, self._ended)
        except Exception as error:  # a fault that nobody ordered: tests should see it
            answer = Answer(500, f"{type(error).__name__}: {error}".encode(), "text/plain")
        finally:
            # Before it is sent: a client that has it all may ask again at once, on another
            # connection, and would be counted twice.
            with self._lock:
                self._under_way -= is_image
        self._enter(parts.path, params, answer, place.image_id, fault)
        return answer

    def _enter(
        self,
        path: str,
        params: dict[str, str],
        answer: Answer,
        image_id: int | None,
        fault: Kind | None,
    ) -> None:
        entry = Request(path, params, answer.status, answer.sent, image_id, fault)
        with self._lock:
            self._log.append(entry)


def _with_fault(
    answer: Answer, fault: Kind | None, faults: Faults, ended: threading.Event
) -> Answer:
    if fault is None or answer.status != 200:
        return answer
    if fault == "429":
        headers = (("Retry-After", f"{faults.retry_after:g}"),)
        return Answer(429, b"<html>too many requests</html>", "text/html", headers)
    if fault == "503":
        return Answer(503, b"<html>service unavailable</html>", "text/html")
    if fault in ("reset", "truncated"):
        return replace(answer, ending=fault)
    if fault == "html":
        return Answer(200, HTML, "text/html")
    if fault == "slow":
        ended.wait(faults.delay)
    return replace(answer, body=spoil(fault, answer.body))
