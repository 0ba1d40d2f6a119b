"""The server, in a process of its own: ``python -m benchmarks.serve WHAT LATENCY BANDWIDTH``.

WHAT is a folder, the id of a data set of connectivity, or ``genes:COUNT:SECTIONS:PIXEL``: many data
sets. Those that are in no folder are drawn where they are asked for.

It prints its address; for each line that it reads it prints, as JSON, what it has served since the
last one. It ends with its input.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from atldld_xr.testing import AllenServer, Phantom


@dataclass(frozen=True)
class Served:
    """What a server has served.

    Attributes
    ----------
    requests : int
        Answers, redirects among them.
    images : int
        Answers with pixels.
    bytes : int
        Of all bodies.
    image_bytes : int
        Of the bodies with pixels.
    cpu : float
        Processor time that the server took, in seconds.
    """

    requests: int
    images: int
    bytes: int
    image_bytes: int
    cpu: float


class Server:
    """The server, as its user sees it; use it as a context manager.

    Parameters
    ----------
    what : Path, int or str
        The folder to serve, the id of one of `benchmarks.connectivity_case.DRAWN`, or what
        `benchmarks.collection_case.genes_of` takes.
    latency : float
        Seconds before each answer.
    bandwidth : float, optional
        Bytes a second of each connection.
    """

    def __init__(
        self, what: Path | int | str, *, latency: float = 0, bandwidth: float | None = None
    ) -> None:
        line = [str(latency), str(bandwidth or "")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.serve", str(what), *line],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self._answer()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)

    def served(self) -> Served:
        """Return what was served since this was last called."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Served(**json.loads(self._answer()))

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError("the server has ended")
        return line


def _drawn(what: str) -> Sequence[Phantom]:
    from benchmarks.collection_case import genes_of
    from benchmarks.connectivity_case import DRAWN

    if what.startswith("genes:"):
        return genes_of(what)
    return [phantom for phantom in DRAWN.values() if str(phantom.id) == what]


def main() -> None:
    """Serve until the input ends."""
    what, latency, bandwidth = sys.argv[1:]
    drawn = _drawn(what)
    with AllenServer(
        drawn or None,
        mirror=None if drawn else what,
        latency=float(latency),
        bandwidth=float(bandwidth) if bandwidth else None,
    ) as server:
        print(server.url, flush=True)
        cpu = time.process_time()
        for _ in sys.stdin:
            log = server.log
            server.clear_log()
            images = [r for r in log if r.image_id is not None and r.status != 302]
            bad = [r for r in log if r.status not in (200, 302)]
            if bad:
                sys.exit(f"not served: {bad[0]}")
            counts = {
                "requests": len(log),
                "images": len(images),
                "bytes": sum(r.bytes for r in log),
                "image_bytes": sum(r.bytes for r in images),
                "cpu": time.process_time() - cpu,
            }
            cpu = time.process_time()
            print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
