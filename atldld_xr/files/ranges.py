"""Parts of a file, wherever it is: only the bytes that are asked for are read."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import IO, cast
from urllib.parse import quote

from atldld_xr.errors import StoreError
from atldld_xr.files.filesystem import open_file_system
from atldld_xr.files.paths import is_path
from atldld_xr.files.storage_options import StorageOptionsRef

_BLOCK = 1 << 16
_GAP = 1 << 10  # bytes between two ranges that are read with them, as one

Range = tuple[int, int]
"""From where to where, the end excluded."""


class RangedFile:
    """A file of which parts are read.

    Its methods raise a FileNotFoundError where there is none, a StoreError where a web server gives
    no parts, and otherwise what the file system has for it; nothing is asked of anybody before one
    of them is called.

    Parameters
    ----------
    folder : str
        A path, or a URL that fsspec knows.
    key : str
        The file's path below it.
    options : StorageOptionsRef
        For the file system.
    kind : str
        What is there, in messages.
    """

    def __init__(self, folder: str, key: str, options: StorageOptionsRef, kind: str) -> None:
        self._is_web = folder.startswith(("http://", "https://"))
        self.url = f"{folder}/{quote(key) if self._is_web else key}" if key else folder
        self.is_local = is_path(folder)
        self._fs, self._path = open_file_system(self.url, options, kind)

    def size(self) -> int:
        """Return how many bytes it has."""
        if self.is_local and not os.path.isfile(self._path):  # nobody waits for a pipe
            raise FileNotFoundError(self._path)
        try:
            size = self._fs.size(self._path)
        except FileNotFoundError as error:
            # fsspec says so of whatever a web server answers.
            cause = error.__cause__
            if self._is_web and cause is not None and getattr(cause, "status", 0) != 404:
                raise OSError(f"no answer about its size: {cause!r}") from error
            raise
        if size is None:
            raise OSError("nobody tells how large it is, so that no part of it can be read")
        return int(size)

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """Return the bytes of some ranges, as far as there are any; what is adjacent at once.

        Parameters
        ----------
        ranges : sequence of (int, int)
            From where to where.
        """
        spans = _together(ranges)
        parts = dict(zip(spans, self._fetch(spans), strict=True))
        found = []
        for start, end in ranges:
            first, last = next(s for s in spans if s[0] <= start and end <= s[1])
            found.append(parts[first, last][start - first : end - first])
        return found

    def _fetch(self, spans: Sequence[Range]) -> list[bytes]:
        if self._is_web:
            # As a file: what ignores a range, and sends all, is cut off there.
            size = max(end for _, end in spans)
            out = []
            with self._fs.open(self._path, "rb", size=size, cache_type="none") as file:
                for start, end in spans:
                    file.seek(start)
                    try:
                        out.append(bytes(file.read(end - start)))
                    except ValueError as error:  # as fsspec has it of an answer that is no part
                        raise StoreError(
                            f"{self.url}: the web server gives whole files alone, and no parts of "
                            "them (HTTP ranges): copy it to a disk, or have another serve it"
                        ) from error
            return out
        starts, ends = [s for s, _ in spans], [e for _, e in spans]
        found = self._fs.cat_ranges([self._path] * len(spans), starts, ends, on_error="raise")
        return [bytes(part) for part in found]

    def opened(self, most: int, size: int | None = None) -> IO[bytes]:
        """Return it as a file that can be read and sought in; raises as `size` does.

        Parameters
        ----------
        most : int
            The most bytes that are read of it, after which an OSError says so.
        size : int, optional
            How many it has, if that is known.
        """
        return cast(IO[bytes], _Blocks(self, self.size() if size is None else size, most))


class _Blocks(io.RawIOBase):
    """A file in blocks, each of which is read once."""

    def __init__(self, file: RangedFile, size: int, most: int) -> None:
        self._file, self._size = file, size
        self._most = self._left = most
        self._at, self._blocks = 0, dict[int, bytes]()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError("there is nothing before its first byte")
        self._at = start + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        rest = max(self._size - self._at, 0)
        size = rest if size is None or size < 0 else min(size, rest)
        if size > self._most:
            raise OSError("more of it would be read than can be needed")
        numbers = range(self._at // _BLOCK, -(-(self._at + size) // _BLOCK))
        self._have(numbers)
        start = self._at % _BLOCK
        part = b"".join(self._blocks[n] for n in numbers)[start : start + size]
        self._at += len(part)
        return part

    def _have(self, numbers: range) -> None:
        """Read the blocks that were not read yet; those that follow each other at once."""
        wanted = [n for n in numbers if n not in self._blocks]
        spans = [(n * _BLOCK, min((n + 1) * _BLOCK, self._size)) for n in wanted]
        self._left -= sum(end - start for start, end in spans)
        if self._left < -_BLOCK:
            raise OSError("more of it would be read than can be needed")
        if wanted:
            self._blocks |= zip(wanted, self._file.read(spans), strict=True)


def _together(ranges: Sequence[Range]) -> list[Range]:
    """Return ranges that have others, with those that all but touch as one."""
    spans: list[Range] = []
    for start, end in sorted(set(ranges)):
        if spans and start <= spans[-1][1] + _GAP:
            spans[-1] = spans[-1][0], max(end, spans[-1][1])
        else:
            spans.append((start, end))
    return spans
