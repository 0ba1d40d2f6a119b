"""Verified bytes on disk, shared by any number of threads and processes without locks.

A file appears under its name whole or not at all, and may vanish at any time: that is all that
readers and writers rely on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from atldld_xr.errors import CacheError, InvalidArgumentError
from atldld_xr.files.atomic import _TEMPORARY, _temporary, write_whole
from atldld_xr.files.folders import make_folders
from atldld_xr.messages.repeating import short
from atldld_xr.settings import as_bool, as_bytes, as_path, setting

# At least one folder deep, no name starting with a dot: other files in the directory are not ours.
_KEY = re.compile(
    r"([A-Za-z0-9_-][A-Za-z0-9._-]*/)+[A-Za-z0-9_-][A-Za-z0-9._-]*"
    r"\.(jpg|json|labels|nrrd|pixels|zip)"
)
_ABANDONED = 3600  # seconds after which an unfinished file's writer is taken as dead

_MARKER = "CACHEDIR.TAG"
_MARKER_TEXT = """\
Signature: 8a477f597d28d172789f06886806bc55
# This directory holds the cache of atldld_xr; backups can leave it out.
# See https://bford.info/cachedir/
"""

# Scanning the directory takes a second per 100 000 files, so it is done once per this share of the
# limit written, and then more is evicted than must be: the limit holds without a scan at each put.
_SLACK = 0.02
_LOW_WATER = 0.9

# What this process has written since its last scan, and which directories it has found usable.
_unscanned: dict[str, float] = {}
_usable: set[str] = set()


@dataclass(frozen=True)
class Entry:
    """A file in the cache.

    Attributes
    ----------
    key : str
        Its name in the cache.
    size : int
        In bytes.
    used : float
        When it was last read or written, in seconds since the epoch.
    """

    key: str
    size: int
    used: float


@dataclass(frozen=True)
class Cache:
    """A directory of verified bytes, of which the least recently used are evicted.

    Attributes
    ----------
    directory : str
        Where; it is made when first used.
    limit : int
        Bytes that its files may have in all.
    """

    directory: str
    limit: int

    def ensure(self) -> None:
        """Make the directory usable, or say why it is not; checked once per process.

        Raises
        ------
        CacheError
            If it cannot be made or written, or holds files that are not this cache's.
        """
        if self.directory in _usable and os.path.exists(f"{self.directory}/{_MARKER}"):
            return
        root = Path(self.directory)
        is_new = not root.exists()
        try:
            make_folders(self.directory)
            if self.exists():
                probe = _temporary(root)
                probe.write_bytes(b"")
                probe.unlink()
            else:
                write_whole(root / _MARKER, _MARKER_TEXT.encode())
        except CacheError:
            raise
        except OSError as error:
            if is_new:
                with contextlib.suppress(OSError):
                    root.rmdir()
            raise self._error("cannot be used", error) from error
        _usable.add(self.directory)

    def exists(self) -> bool:
        """Tell whether the directory is a cache already; makes nothing.

        Raises
        ------
        CacheError
            If it cannot be looked into, or holds files that are not this cache's.
        """
        # Looked at in this order, since another process may be making the same cache: it puts
        # nothing there before the marker.
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._error("cannot be used", error) from error
        if self._is_marked():
            return True
        if any(not name.startswith(".") and name != _MARKER for name in names):
            raise CacheError(
                f"the cache directory {self.directory} holds files that are not atldld_xr's; "
                f"{_ADVICE_DIRECTORY}"
            )
        return False

    def get(self, key: str) -> bytes | None:
        """Return the bytes kept under a key and note their use; None if they cannot be had."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:  # the disk's fault, or another's hand: what is not read is fetched again
            with contextlib.suppress(OSError):
                self.discard(key)
            return None
        with contextlib.suppress(OSError):  # evicted meanwhile, or a directory one may only read
            os.utime(path)
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keep bytes under a key; nobody ever sees a part of them.

        Raises
        ------
        CacheError
            If they cannot be written, for instance because the disk is full.
        """
        path = self._path(key)
        if len(data) > self.limit:
            return
        self.ensure()
        try:
            write_whole(path, data)
        except OSError as error:
            _usable.discard(self.directory)
            raise self._error("cannot be written", error) from error
        self._account(len(data))

    def discard(self, key: str) -> None:
        """Forget what is kept under a key, if anything, be it an empty directory."""
        path = self._path(key)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.rmdir() if path.is_dir() else path.unlink()

    def entries(self) -> list[Entry]:
        """Return what is kept, in no order."""
        found = []
        for path in self._files():
            key = path.relative_to(self.directory).as_posix()
            if _KEY.fullmatch(key):
                with contextlib.suppress(OSError):  # evicted by another process
                    status = path.stat()
                    found.append(Entry(key, status.st_size, status.st_mtime))
        return found

    def size(self) -> int:
        """Return the bytes kept, in all."""
        return sum(entry.size for entry in self.entries())

    def trim(self, limit: int | None = None) -> tuple[int, int]:
        """Evict the least recently used files until the rest is within the limit.

        Also removes what processes that were killed left unfinished, once it is an hour old.

        Parameters
        ----------
        limit : int, optional
            Another limit, in bytes.

        Returns
        -------
        tuple of int
            How many files were evicted, and their bytes.
        """
        limit = self.limit if limit is None else limit
        self._remove_unfinished(older_than=_ABANDONED)
        entries = sorted(self.entries(), key=lambda entry: entry.used)
        excess = sum(entry.size for entry in entries) - limit
        count = freed = 0
        for entry in entries:
            if freed >= excess:
                break
            self.discard(entry.key)
            count, freed = count + 1, freed + entry.size
        return count, freed

    def clear(self) -> tuple[int, int]:
        """Remove all that is kept, and nothing that this package did not write.

        Returns
        -------
        tuple of int
            How many files were removed, and their bytes.

        Raises
        ------
        CacheError
            If the directory does not carry this cache's marker.
        """
        root = Path(self.directory)
        if not root.exists():
            return 0, 0
        if not self._is_marked():
            raise CacheError(
                f"{self.directory} has no {_MARKER} of atldld_xr, so nothing in it was removed"
            )
        removed = self.trim(limit=0)
        self._remove_unfinished(older_than=0)
        for folder, _, _ in os.walk(root, topdown=False):
            if Path(folder) != root:
                with contextlib.suppress(OSError):  # not empty
                    os.rmdir(folder)
        return removed

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise InvalidArgumentError(f"{short(key)} cannot be a key of the cache")
        return Path(self.directory, key)

    def _is_marked(self) -> bool:
        try:
            text = Path(self.directory, _MARKER).read_text("utf-8", "replace")
        except OSError:
            return False
        return text.startswith(_MARKER_TEXT.split("\n")[0]) and "atldld_xr" in text

    def _files(self) -> Iterator[Path]:
        if self._is_marked():
            for folder, _, names in os.walk(self.directory):
                yield from (Path(folder, name) for name in names)

    def _remove_unfinished(self, older_than: float) -> None:
        start, end = _TEMPORARY
        for path in self._files():
            if path.name.startswith(start) and path.name.endswith(end):
                with contextlib.suppress(OSError):  # finished meanwhile
                    if time.time() - path.stat().st_mtime >= older_than:
                        path.unlink()

    def _account(self, written: int) -> None:
        """Evict, once enough was written since the last scan."""
        slack = self.limit * _SLACK
        # A process starts somewhere within the slack, so that many short-lived ones, each of which
        # writes less, scan as often for what they write together.
        unscanned = _unscanned.get(self.directory, random.uniform(0, slack)) + written
        _unscanned[self.directory] = unscanned
        if unscanned > slack:
            _unscanned[self.directory] = 0
            if self.size() > self.limit * (1 - 2 * _SLACK):
                self.trim(int(self.limit * _LOW_WATER))

    def _error(self, what: str, error: OSError) -> CacheError:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = f"{_ADVICE_FULL if full else ''}{_ADVICE_DIRECTORY}"
        reason = error.strerror or type(error).__name__
        return CacheError(f"the cache directory {self.directory} {what}: {reason}; {advice}")


_ADVICE_FULL = "free some space, lower the setting cache.limit, or "
_ADVICE_DIRECTORY = (
    "name another with the setting cache.directory (ATLDLD_XR_CACHE__DIRECTORY), "
    "or do without one: cache.enabled=False"
)


def default_cache() -> Cache | None:
    """Return the cache that the settings ``cache.*`` describe, ready for use; None without one.

    Raises
    ------
    CacheError
        If its directory cannot be used.
    """
    if not setting("cache.enabled", as_bool):
        return None
    cache = open_cache()
    cache.ensure()
    return cache


def open_cache() -> Cache:
    """Return the cache that the settings name, be it on or off, without making its directory.

    Returns
    -------
    Cache
        With its ``directory`` and ``limit`` (bytes), and methods to look at what is kept
        (``entries``, ``size``) and to remove it (``trim``, ``clear``).

    Raises
    ------
    InvalidArgumentError
        If a setting ``cache.*`` has no value that it can have.

    Examples
    --------
    >>> import atldld_xr
    >>> cache = atldld_xr.open_cache()
    >>> cache.size() <= cache.limit
    True
    """
    directory = setting("cache.directory", as_path)
    if directory is None:
        directory = default_directory()
    limit = setting("cache.limit", as_bytes)
    return Cache(os.path.abspath(os.path.expanduser(directory)), limit)


def default_directory() -> str:
    """Return the cache's directory where the settings name none: the platform's for this user."""
    import platformdirs

    return str(platformdirs.user_cache_dir("atldld_xr", appauthor=False))
