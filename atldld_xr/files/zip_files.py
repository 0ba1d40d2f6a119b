"""Files in a zip, wherever that is: read by ranges, never written."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from atldld_xr.errors import StoreError
from atldld_xr.files.paths import is_path
from atldld_xr.files.ranges import RangedFile
from atldld_xr.files.storage_options import StorageOptionsRef, store_errors
from atldld_xr.forks import PerProcess

_MOST_DIRECTORY = 32_000_000  # bytes: 300 000 files, of which Python makes 200 MB as it reads them
_STORED, _DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
_LOCAL_HEADER = 30  # bytes, and what it says of its name and extra
_SLACK = 256
_OF_MACS = "__MACOSX/"  # a folder that they put beside what is packed


@dataclass(frozen=True, slots=True)
class _Member:
    start: int
    packed: int
    size: int
    method: int
    crc: int
    header: int  # about how long


@dataclass(frozen=True)
class _Directory:
    stamp: tuple[float, int]
    size: int
    members: Mapping[str, _Member]


_directories: PerProcess[dict[ZipFiles, _Directory]] = PerProcess(dict)
_reading_one = PerProcess(Lock)
_MOST_OPEN = 8


@dataclass(frozen=True)
class ZipFiles:
    """The files of a zip, as a `FileStore` has those of a folder, but only to read.

    A folder in it that all is in is taken as its top. Its list is read once a process, and again
    when `look_anew` finds another file there.

    Parameters
    ----------
    url : str
        A path or URL.
    shared : StorageOptionsRef
        For the file system.
    """

    url: str
    shared: StorageOptionsRef

    is_local = False  # its files are not on the disk, each by itself
    is_web = False  # what is in it is listed, wherever it is

    def names(self) -> list[str]:
        """Return the names of what is at its top; none if there is no zip.

        Raises
        ------
        StoreError
            If it cannot be read.
        """
        with self._reading():
            try:
                return [name for name in self._directory().members if "/" not in name]
            except FileNotFoundError:
                return []

    def get(self, key: str, most: int | None = None) -> bytes | None:
        """Return a file's content, None if there is none.

        Parameters
        ----------
        key : str
            Which.
        most : int, optional
            The most bytes that it can sensibly have: of a larger one no more is unpacked.

        Raises
        ------
        StoreError
            If it cannot be read, or is not what the zip says of it.
        """
        with self._reading():
            try:
                directory = self._directory()
            except FileNotFoundError:
                return None
            member = directory.members.get(key)
            if member is None:
                return None
            try:
                return self._content(directory, key, member, most)
            except _DamagedError as error:
                _directories().pop(self, None)  # which may be of a zip that was replaced
                raise StoreError(f"{self.url}: {key} is damaged: {error}") from None

    def put(self, key: str, content: bytes, *, durable: bool = False) -> None:
        """Raise the `refusal`: a zip is not written."""
        raise self.refusal()

    def refusal(self) -> StoreError:
        """Return the error that says how a zip is made."""
        return StoreError(
            f"{self.url} is a zip, which can only be read: copy to a folder, and zip that when all "
            "is there (zip -0 -r mirror.zip mirror/)"
        )

    def look_anew(self) -> None:
        """Forget its list if it is another file now."""
        known = _directories().get(self)
        if known is not None:
            with self._reading():
                try:
                    if self._stamp(self._file()) == known.stamp:
                        return
                except FileNotFoundError:
                    pass
            _directories().pop(self, None)

    def _directory(self) -> _Directory:
        with _reading_one():
            kept = _directories()
            if self not in kept:
                while len(kept) >= _MOST_OPEN:
                    kept.pop(next(iter(kept)), None)
                kept[self] = self._read_directory()
            return kept[self]

    def _read_directory(self) -> _Directory:
        file = self._file()
        stamp = self._stamp(file)
        size = stamp[1]
        try:
            with zipfile.ZipFile(file.opened(_MOST_DIRECTORY, size)) as opened:
                infos = opened.infolist()
        except zipfile.BadZipFile as error:
            raise StoreError(f"{self.url} is no zip, or a damaged one: {error}") from error
        named = {_plain(info.filename): info for info in infos if not info.is_dir()}
        files = {name: info for name, info in named.items() if not name.startswith(_OF_MACS)}
        top = os.path.commonpath(files) if files else ""
        if top in files:  # there is but one
            top = top.rpartition("/")[0]
        start = len(top) + 1 if top else 0
        members = {
            name[start:]: _Member(
                info.header_offset,
                info.compress_size,
                info.file_size,
                -1 if info.flag_bits & 1 else info.compress_type,
                info.CRC,
                _LOCAL_HEADER + len(info.orig_filename.encode()) + len(info.extra) + _SLACK,
            )
            for name, info in files.items()
        }
        return _Directory(stamp, size, members)

    def _content(self, directory: _Directory, key: str, member: _Member, most: int | None) -> bytes:
        if member.method not in (_STORED, _DEFLATED):
            raise _DamagedError("it is encrypted, or packed in another way than zip -0 and zip do")
        wanted = member.size if most is None else min(member.size, most)
        # What is packed is hardly larger than what is not; more is of no use.
        packed = min(member.packed, wanted + wanted // 64 + 1024)
        file, end = self._file(), directory.size
        first = member.start
        [data] = file.read([(first, min(first + member.header + packed, end))])
        if data[:4] != b"PK\x03\x04" or len(data) < _LOCAL_HEADER:
            raise _DamagedError("it is not where the zip's list says")
        lengths = int.from_bytes(data[26:28], "little"), int.from_bytes(data[28:30], "little")
        skip = _LOCAL_HEADER + sum(lengths)
        if len(data) < skip + packed:
            [data] = file.read([(first, min(first + skip + packed, end))])
        data = data[skip : skip + packed]
        if len(data) < packed:
            raise _DamagedError("the zip ends before it does")
        content = data[:wanted] if member.method == _STORED else _unpack(data, wanted)
        if len(content) < wanted:
            raise _DamagedError(f"it has {len(content):,} bytes of {wanted:,}")
        if wanted == member.size and zlib.crc32(content) != member.crc:
            raise _DamagedError("its checksum is another")
        return content

    def _file(self) -> RangedFile:
        return RangedFile(self.url, "", self.shared, "zip")

    def _stamp(self, file: RangedFile) -> tuple[float, int]:
        """Return what a file that has been replaced has another of, with its size."""
        return os.stat(self.url).st_mtime if is_path(self.url) else 0.0, file.size()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with store_errors(f"the zip {self.url} cannot be read", self.shared):
            yield


class _DamagedError(StoreError):
    """A file in a zip is not what its list says."""


def _plain(name: str) -> str:
    """Return a name as unpacking it would have it: "/a/b" and "./a//b" are "a/b"."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _unpack(data: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj(-15).decompress(data, most) if most else b""
    except zlib.error as error:
        raise _DamagedError(f"it cannot be unpacked: {error}") from None
