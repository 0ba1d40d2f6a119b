"""Files on a local disk that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from atldld_xr.files.ending import whole_write
from atldld_xr.files.folders import make_folders

PARTIAL = ".atldld-part"
"""How the names of a store's files end that are still being written, and of folders of such."""

_TEMPORARY = (".atldld-", ".tmp")  # how the names of other unfinished files start and end


def _temporary(folder: Path) -> Path:
    start, end = _TEMPORARY
    return folder / f"{start}{os.getpid()}-{token_hex(16)}{end}"


def partial_name(path: str) -> str:
    """Return a name beside a store's file, in which it is written first."""
    return f"{path}.{token_hex(4)}{PARTIAL}"


def write_whole(
    path: str | Path,
    content: bytes,
    *,
    partial: Callable[[], str] | None = None,
    durable: bool = False,
    new: bool = False,
) -> None:
    """Write a file so that it appears whole or not at all; makes its folders.

    Parameters
    ----------
    path : str or Path
        Where.
    content : bytes
        What is in it.
    partial : callable, optional
        Returns where it is written first, having made the folder if that is elsewhere; called when
        the write is begun, which it is no more once the process is to end. Default: beside it,
        under a name of no more than 60 characters.
    durable : bool
        Whether to wait until the disk has it.
    new : bool
        Whether nothing is to be replaced.

    Raises
    ------
    FileExistsError
        If something is there, and a `new` file is wanted.
    OSError
        As the system reports it; nothing is left then.
    """
    folder = Path(path).parent
    for again in (True, True, True, False):
        first = ""
        try:
            with whole_write():
                first = partial() if partial else str(_temporary(folder))
                with open(first, "xb") as file:
                    file.write(content)
                    if durable:
                        file.flush()
                        os.fsync(file.fileno())
                _move_to_folder(first, str(path), new=new)
            return
        except BaseException as error:
            with suppress(OSError):
                os.unlink(first)
            # There is no folder yet, or another process cleared it: as it may meanwhile.
            is_cleared = isinstance(error, FileNotFoundError) and Path(first).parent == folder
            if not again or not is_cleared:
                raise
            with suppress(FileNotFoundError, FileExistsError):
                make_folders(str(folder))


def move(partial: str | Path, path: str | Path, *, new: bool) -> None:
    """Give a file its name; a new one only if nothing has it, at that very instant.

    Raises
    ------
    FileExistsError
        If something has it.
    """
    if new:
        try:
            os.link(partial, path)
        except FileExistsError:
            raise
        except OSError:  # a disk without links: whoever makes the file may fill it
            open(path, "xb").close()
        else:
            os.unlink(partial)
            return
    os.replace(partial, path)


def _move_to_folder(partial: str, path: str, *, new: bool) -> None:
    try:
        move(partial, path, new=new)
    except FileNotFoundError:
        if not os.path.lexists(partial):
            raise
        make_folders(os.path.dirname(path))
        move(partial, path, new=new)


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
