"""Files on a local disk that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from atldld_xr.files.ending import whole_write
from atldld_xr.files.folders import make_folders

PARTIAL = ".atldld-part"
"""How the names of files that are still being written end, and of folders that hold them."""


class Disk:
    """Writes files: each under another name beside it, which it then takes the place of."""

    def __init__(self) -> None:
        self._folders: set[str] = set()  # known to be there

    def put(self, path: str, content: bytes, *, durable: bool) -> None:
        """Write a file whole: it is there as it should be, or as it was.

        Parameters
        ----------
        path : str
            Where.
        content : bytes
            What is in it.
        durable : bool
            Whether to wait until the disk has it.
        """
        partial = self._partial(path)
        try:
            with open(partial, "wb") as file:
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            self._make(os.path.dirname(path))
            os.replace(partial, path)
        except BaseException:
            self.forget_folders()
            with suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(partial)
            raise

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(path)

    def forget_folders(self) -> None:
        """Take no folder for there that was there before."""
        self._folders.clear()

    def forget(self) -> None:
        """Take nothing for there that was there before."""
        self.forget_folders()

    def _partial(self, path: str) -> str:
        """Return where a file is written first, in a folder that is there."""
        self._make(os.path.dirname(path))
        return f"{path}.{uuid.uuid4().hex[:8]}{PARTIAL}"

    def _make(self, folder: str) -> None:
        if folder not in self._folders:
            make_folders(folder)
            self._folders.add(folder)


@whole_write()
def create(path: str, content: bytes) -> bool:
    """Write a local file that is not there; return False if it is.

    Its folder is there. Nobody sees the file empty, where the disk has links.
    """
    partial = f"{path}.{uuid.uuid4().hex[:8]}{PARTIAL}"
    try:
        with open(partial, "xb") as file:
            file.write(content)
        try:
            os.link(partial, path)
        except FileExistsError:
            return False
        except OSError:
            return _create_without_links(path, content)
        return True
    finally:
        with suppress(FileNotFoundError):
            os.unlink(partial)


def _create_without_links(path: str, content: bytes) -> bool:
    try:
        file = open(path, "xb")  # noqa: SIM115  # so that only this is what may be there
    except FileExistsError:
        return False
    with file:
        file.write(content)
    return True


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


_TEMPORARY = (".atldld-", ".tmp")  # how the names of unfinished files start and end


def _temporary(folder: Path) -> Path:
    start, end = _TEMPORARY
    return folder / f"{start}{os.getpid()}-{token_hex(16)}{end}"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all; makes its folders.

    Raises
    ------
    OSError
        As the system reports it; nothing is left then.
    """
    for again in (True, True, True, False):
        temporary = _temporary(path.parent)
        try:
            with whole_write():
                with open(temporary, "xb") as file:
                    file.write(data)
                os.replace(temporary, path)
            return
        except FileNotFoundError:  # there is no folder yet, or another process cleared it
            if not again:
                raise
            with contextlib.suppress(FileNotFoundError, FileExistsError):  # cleared meanwhile
                make_folders(str(path.parent))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
