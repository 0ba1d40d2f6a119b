"""Replacing: a new store is made beside the old one and takes its place when it is whole."""

from __future__ import annotations

import os

from atldld_xr.export.place import Place
from atldld_xr.export.records import RECORDS

MARK = f"{RECORDS}/replaces"
"""File in a store that is made to replace one: it tells the new from the old, whole as both are."""


def aside(place: Place) -> Place:
    """Return where the store that is to replace another is made."""
    return place.beside(f".{os.path.basename(place.url)}.atldld-new")


def swap(place: Place) -> None:
    """Put the store that was made aside in the place of the old one."""
    new, old = aside(place), _old(place)
    new.settle()  # the old one goes at once
    with place.storing():
        if not os.path.exists(place.url):
            os.rename(new.url, place.url)
        elif not _exchange(new.url, place.url):
            os.rename(place.url, old.url)
            os.rename(new.url, place.url)
    place.remove([MARK])
    new.clear()
    old.clear()


def mend(place: Place) -> None:
    """Bring back the old store, or clear up, if a swap was interrupted."""
    if not place.is_movable:
        return
    old = _old(place)
    if os.path.isdir(old.url):
        if os.path.exists(place.url):
            old.clear()
        else:
            with place.storing():
                os.rename(old.url, place.url)
    place.remove([MARK])


def _old(place: Place) -> Place:
    return place.beside(f".{os.path.basename(place.url)}.atldld-old")


def _exchange(one: str, other: str) -> bool:
    """Have two folders change places at once; return False where the system cannot."""
    import ctypes

    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):  # it is Linux's
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)
