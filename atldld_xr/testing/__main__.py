"""The test server in the foreground: ``python -m atldld_xr.testing [--help]``."""

from __future__ import annotations

import argparse
import contextlib
import threading

from atldld_xr.testing.quirks import read_quirks
from atldld_xr.testing.server import AllenServer


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m atldld_xr.testing", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    parser.add_argument("--mirror", help="a folder to serve in place of the phantoms")
    parser.add_argument(
        "--latency", type=float, default=0.0, metavar="S", help="seconds before each answer"
    )
    parser.add_argument(
        "--bandwidth", type=float, metavar="B", help="bytes a second of each connection"
    )
    parser.add_argument(
        "--no-redirect", action="store_true", help="answer with images where they are asked for"
    )
    parser.add_argument(
        "--quirk",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what it does otherwise, as tiers=ceiling, windows=false or redirect_status=303",
    )
    arguments = parser.parse_args()
    try:
        quirks = read_quirks(arguments.quirk)
    except ValueError as error:
        parser.error(str(error))
    with AllenServer(
        mirror=arguments.mirror,
        port=arguments.port,
        redirect=not arguments.no_redirect,
        latency=arguments.latency,
        bandwidth=arguments.bandwidth,
        quirks=quirks,
    ) as server:
        print(server.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
