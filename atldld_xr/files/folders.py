"""Folders of a local disk: made, or said why not; and kept to one process at a time."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from atldld_xr.errors import StoreError

PATIENCE = 15.0
"""Seconds for which a lock is waited for that nobody needs for longer than a moment."""


def make_folders(path: str) -> None:
    """Make a folder and those that it is in, where they are not there.

    Raises
    ------
    OSError
        If that cannot be: where something else is in the way, it says what.
    """
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        wrong = _in_the_way(path)
        if wrong is None:
            raise
        raise NotADirectoryError(errno.ENOTDIR, wrong) from error


def leads_to(path: str) -> str:
    """Return where a file or folder is in truth, or is to be: a link may lead there.

    Raises
    ------
    StoreError
        If a link leads to a folder that is not there: it may be on a disk that is not mounted, and
        would be made on another one.
    """
    nearest, real = _nearest(path), os.path.realpath(path)
    to_be = nearest == path and os.path.isdir(os.path.dirname(real))
    if os.path.exists(nearest) or to_be:
        return real
    raise StoreError(f"{path} cannot be reached: {_not_there(nearest)}")


def _not_there(link: str) -> str:
    target = os.path.realpath(link)
    return f"{link} is a link to {target}, which is not there; is a disk not mounted?"


def _in_the_way(path: str) -> str | None:
    """Return what cannot be the folder that it is to be, in words."""
    path = _nearest(path)
    if os.path.isdir(path):
        return None
    return f"{path} is no folder" if os.path.exists(path) else _not_there(path)


def _nearest(path: str) -> str:
    """Return a path, or the nearest above it that is something, be it a link to nothing."""
    while not os.path.lexists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


@contextmanager
def locked(folder: str) -> Iterator[None]:
    """Keep other processes of this machine from doing the same, where the system can.

    Parameters
    ----------
    folder : str
        One that is there.

    Raises
    ------
    StoreError
        If another process has it locked, and keeps it so.
    """
    try:
        import fcntl
    except ImportError:  # Windows has none
        yield
        return
    try:
        file = os.open(folder, os.O_RDONLY)
    except OSError:  # what cannot be done there will be said of what is done
        yield
        return
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise StoreError(_locked(folder)) from None
                time.sleep(0.01)
            except OSError:  # a disk without locks
                break
            else:
                break
        yield
    finally:
        # A child that was forked meanwhile has the file open too: without this, the lock is its as
        # well, for as long as it lives.
        with suppress(OSError):  # a disk without locks
            fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)


def _locked(folder: str) -> str:
    return (
        f"another program has had the folder {folder} locked for {PATIENCE:.0f} s; nothing was "
        f'written. It may be stopped, or hang: "fuser -v {folder}" tells who it is; end it, or '
        "write to another folder"
    )
