"""The test server in the foreground: ``python -m atldld_xr.testing [--port N] [--mirror PATH]``."""

from __future__ import annotations

import argparse
import contextlib
import threading

from atldld_xr.testing.server import AllenServer


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m atldld_xr.testing", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    parser.add_argument("--mirror", help="a folder to serve in place of the phantoms")
    arguments = parser.parse_args()
    with AllenServer(mirror=arguments.mirror, port=arguments.port) as server:
        print(server.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
