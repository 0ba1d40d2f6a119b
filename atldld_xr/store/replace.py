"""Replacing: a new store is made beside the old one and takes its place when it is whole.

The folder that it is made in has a name that no other run has, and who goes on with it gives it
another one: a run that was stopped, and is no longer the one, finds nothing to put in the place.
"""

from __future__ import annotations

import errno
import os
import re
import uuid
from contextlib import suppress

from atldld_xr.errors import StoreError
from atldld_xr.files.file_store import FileStore
from atldld_xr.files.paths import name_beside
from atldld_xr.store.occupant import clear
from atldld_xr.store.store_plan import RECORDS

MARK = f"{RECORDS}/replaces"
"""File in a store that is made to replace one: it tells the new from the old, whole as both are."""

_NEW, _OLD = ".atldld-new", ".atldld-old"


def is_begun(place: FileStore) -> bool:
    """Return whether an earlier run has begun a store that is to replace one."""
    return bool(_found(place, _NEW))


def staging_store(place: FileStore) -> FileStore:
    """Return where the store that is to replace another is made, with what there is of it."""
    mine = _fresh(place, _NEW)
    begun = _found(place, _NEW)
    for first in begun[:1]:
        with place.storing():
            os.rename(first.url, mine.url)
    for other in begun[1:]:  # of runs that are no more: one is enough to go on with
        with suppress(StoreError):  # in nobody's way
            _discard(place, other)
    return mine


def exchange(place: FileStore, new: FileStore) -> None:
    """Put the store that was made aside in the place of the old one, and remove that.

    Raises
    ------
    StoreError
        If it cannot be; also if all is done but that the old one cannot be removed.
    """
    new.settle()  # the old one goes at once
    old = new
    with place.storing():
        if not os.path.exists(place.url):
            os.rename(new.url, place.url)
        elif not _exchange(new.url, place.url):
            old = _former(place)
            os.rename(place.url, old.url)
            try:
                os.rename(new.url, place.url)
            except BaseException:
                os.rename(old.url, place.url)
                raise
    place.remove([MARK])
    _discard(place, old)


def recover(place: FileStore) -> None:
    """Bring back the old store, or clear up, if a swap was interrupted."""
    if not place.is_movable:
        return
    former = _former(place)
    if os.path.isdir(former.url) and not os.path.exists(place.url):
        with place.storing():
            os.rename(former.url, place.url)
    leftovers = [former] if os.path.isdir(former.url) else []
    leftovers += [new for new in _found(place, _NEW) if new.get(MARK) is None]
    for left in (*leftovers, *_found(place, _OLD)):
        with suppress(StoreError):  # told by the run that could not remove it, and in nobody's way
            _discard(place, left)
    place.remove([MARK])


def _discard(place: FileStore, old: FileStore) -> None:
    """Remove a store that was replaced, or hardly begun, from where others of that name may be."""
    if not os.path.isdir(old.url):
        return
    gone = _fresh(place, _OLD)
    with place.storing():
        os.rename(old.url, gone.url)
    try:
        clear(gone)
    except StoreError as error:
        raise StoreError(
            f"{place.url} is complete, but what it replaced cannot be removed: {error}. "
            f"It is in {gone.url}: nobody needs it, remove it"
        ) from error


def _former(place: FileStore) -> FileStore:
    """Return where an old store is for the moment in which neither is in its place."""
    return place.beside(f"{_stem(place)}{_OLD}")


def _fresh(place: FileStore, end: str) -> FileStore:
    return place.beside(f"{_stem(place)}.{uuid.uuid4().hex[:8]}{end}")


def _stem(place: FileStore) -> str:
    """Return how the names of folders beside a store begin: with its own, if that leaves room."""
    return name_beside(os.path.basename(place.url), ".", "")


def _found(place: FileStore, end: str) -> list[FileStore]:
    """Return the folders of some runs beside a store; of earlier versions all have one name."""
    folder, stem = os.path.dirname(place.url), _stem(place)
    ours = re.compile(rf"{re.escape(stem)}\.[0-9a-f]{{8}}{re.escape(end)}")
    names_of_old = {f"{stem}{end}"} if end == _NEW else set()
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    with place.storing():
        return [
            place.beside(name)
            for name in names
            if (name in names_of_old or ours.fullmatch(name))
            and os.path.isdir(os.path.join(folder, name))
        ]


def _exchange(path: str, other: str) -> bool:
    """Have two folders change places at once; return False where the system cannot."""
    import ctypes

    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):  # it is Linux's
        return False
    working_folder, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if rename(working_folder, os.fsencode(path), working_folder, os.fsencode(other), exchange) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):  # nor do all of its disks
        return False
    raise OSError(code, os.strerror(code))
