"""Files on a local disk that are there whole or not at all."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress

PARTIAL = ".atldld-part"
"""How the names of files that are still being written end."""


def create(path: str, content: bytes) -> None:
    """Write a local file that is not there; nobody sees it empty, where the disk has links."""
    partial = f"{path}.{uuid.uuid4().hex[:8]}{PARTIAL}"
    try:
        with open(partial, "xb") as file:
            file.write(content)
        try:
            os.link(partial, path)
        except FileExistsError:
            raise
        except OSError:
            with open(path, "xb") as file:
                file.write(content)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(partial)


def sync_disk_of(path: str) -> None:
    """Have a disk hold what was written to it: at once, which for single files takes long."""
    import ctypes

    try:
        sync = ctypes.CDLL(None).syncfs
    except (AttributeError, OSError, TypeError):  # it is Linux's; others have one for all disks
        getattr(os, "sync", lambda: None)()
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        sync(folder)
    finally:
        os.close(folder)
