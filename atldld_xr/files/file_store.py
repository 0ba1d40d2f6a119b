"""FileStore: where a store or a mirror is, and putting whole files there: their only I/O."""

from __future__ import annotations

import glob
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any, Literal

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.files import web
from atldld_xr.files.address import checked
from atldld_xr.files.atomic import PARTIAL, partial_name, sync_disk_of, write_whole
from atldld_xr.files.checksum import checksum
from atldld_xr.files.ending import given_back, whole_write
from atldld_xr.files.filesystem import open_file_system
from atldld_xr.files.folders import leads_to, make_folders
from atldld_xr.files.paths import is_path
from atldld_xr.files.staging import Staging
from atldld_xr.files.storage_options import StorageOptionsRef, register, store_errors

_PIECE = 1 << 24
_MOST = 1 << 28  # bytes of a file of which nobody knows the size, on a web server


class FileStore:
    """An address, made absolute, and the file system it is in.

    Files are named by keys, as Zarr does: paths below the address, with "/".

    Parameters
    ----------
    url : str or path
        A path or any fsspec URL.
    storage_options : mapping, optional
        For the file system.
    staging : Staging, optional
        Where files of a local disk are written first. Default: beside their places.
    kind : str
        What is there, in messages. Of all but a store, whoever asks has checked the address.

    Raises
    ------
    InvalidArgumentError
        If the address is malformed, names no place within a file system, holds a password or a
        query, or its protocol is unknown.
    MissingExtraError
        If the protocol needs a package that is not installed.
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        storage_options: Mapping[str, Any] | StorageOptionsRef | None = None,
        staging: Staging | None = None,
        kind: str = "store",
    ) -> None:
        self.url = checked(url) if kind == "store" else os.fspath(url)
        self.is_local = is_path(self.url)
        self.is_web = self.url.startswith(("http://", "https://"))
        self.shared, self._kind = register(storage_options), kind
        if self.is_local and self.shared and kind == "store":
            raise InvalidArgumentError(f"{self.url} is a local path: it takes no storage_options")
        self._fs, self._path = open_file_system(self.url, self.shared, kind)
        self._staging = staging

    def __reduce__(self) -> Any:
        return FileStore, (self.url, self.shared, self._staging, self._kind)

    def __repr__(self) -> str:
        return f"FileStore({self.url!r})"

    def storing(self, verb: str = "written") -> AbstractContextManager[None]:
        """Turn what a file system raises into a StoreError that tells no secret."""
        name = self.url if self._kind == "store" else f"the {self._kind} {self.url}"
        return store_errors(f"{name} cannot be {verb}", self.shared)

    def zarr_store(self) -> Any:
        """Return the store as Zarr reads it, through the same connections."""
        from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
        from zarr.storage import FsspecStore, LocalStore

        if self.is_local:
            return LocalStore(self.url, read_only=True)
        # Wrapped, as it has an event loop of its own, in which its sessions are closed at the end.
        fs = AsyncFileSystemWrapper(self._fs, asynchronous=True)
        return FsspecStore(fs=fs, path=self._path, read_only=True)

    def check_writable(self) -> None:
        """Raise an InvalidArgumentError for what can only be read; nothing is asked of anybody."""
        if self.is_web:
            raise InvalidArgumentError(
                f"{self.url} is on a web server: stores there can be read, and not written"
            )

    @property
    def is_movable(self) -> bool:
        """Whether there is room beside it, and another can be put in its place by renaming."""
        if not self.is_local or os.path.ismount(self.url):
            return False
        folder = os.path.dirname(self.url)
        return not os.path.exists(folder) or os.access(folder, os.W_OK)

    def real(self) -> FileStore:
        """Return where it is in truth: a local disk may have only a link here.

        Raises
        ------
        StoreError
            If that leads to a folder that is not there.
        """
        is_link = self.is_local and os.path.islink(self.url)
        return FileStore(leads_to(self.url)) if is_link else self

    def beside(self, name: str) -> FileStore:
        """Return a place of another name in the same folder."""
        return FileStore(f"{self.url.rpartition('/')[0]}/{name}", self.shared)

    def put(self, key: str, content: bytes, *, durable: bool = False) -> None:
        """Write a file whole: it is there as it should be, or as it was.

        With `durable` a local disk is waited for until it has it.
        """
        with self.storing():
            if self.is_local:
                self._write(key, content, durable=durable)
                return
            with whole_write():
                self._fs.pipe_file(f"{self._path}/{key}", content)

    def _write(self, key: str, content: bytes, *, durable: bool = False, new: bool = False) -> None:
        path = os.path.join(self.url, key)
        first = self._staging.partial if self._staging else partial(partial_name, path)
        try:
            write_whole(path, content, partial=first, durable=durable, new=new)
        except NotADirectoryError:
            make_folders(os.path.dirname(path))  # which says what is in the way
            raise

    def update(self, key: str, content: bytes | None) -> None:
        """Put a file durably, or for None remove it, where it is not so already."""
        if content is None:
            self.remove([key])
            self.remove_folder(key.rpartition("/")[0])
        elif self.get(key, len(content) + 1) != content:
            self.put(key, content, durable=True)

    def create(self, key: str, content: bytes) -> bool:
        """Write a file that is not there; return False if it is. Of two that try, one succeeds."""
        with self.storing():
            try:
                if self.is_local:
                    self._write(key, content, new=True)
                elif self.get(key, 1) is not None:
                    return False
                else:
                    self._fs.pipe_file(f"{self._path}/{key}", content, mode="create")
            except FileExistsError:
                return False
        return True

    def get(self, key: str, most: int | None = None) -> bytes | None:
        """Return a file's content, None if there is none; what is no plain file has none to read.

        Parameters
        ----------
        key : str
            Which.
        most : int, optional
            The most bytes that it can sensibly have: of a larger one no more is read.

        Raises
        ------
        StoreError
            If it cannot be read; also if it cannot be told whether it is there.
        """
        path = f"{self._path}/{key}"
        with self.storing("read"):
            try:
                if self.is_web:
                    return b"".join(web.pieces(self._fs, web.address(self._path, key), most))
                if self.is_local:
                    status = os.stat(path)
                    if not stat.S_ISREG(status.st_mode):
                        return b""
                    most = most and min(most, status.st_size + 1)
                return self._read(path, most)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def _read(self, path: str, most: int | None) -> bytes:
        """Return a file's bytes up to a number of them, in one request where that can be."""
        try:
            return bytes(self._fs.cat_file(path, None if most is None else 0, most))
        except Exception as error:  # each of fsspec's file systems has its own kinds
            # A file of nothing has no range, and there are servers with none past a file's end.
            if most is None or "range" not in str(error).lower() or self._fs.size(path) > most:
                raise
            return bytes(self._fs.cat_file(path))

    def checksum(self, key: str, size: int | None = None) -> int | None:
        """Return the CRC-32C of a file, None if there is none; little of it is in memory at a time.

        Its size is asked for where it is not given.
        """
        crc32c = 0
        with self.storing("read"):
            try:
                for piece in self._pieces(key, size):
                    crc32c = checksum(piece, crc32c)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return crc32c

    def _pieces(self, key: str, size: int | None) -> Iterator[bytes]:
        path = f"{self._path}/{key}"
        if self.is_web:
            most = (_MOST if size is None else size) + 1  # which shows that there is more
            yield from web.pieces(self._fs, web.address(self._path, key), most)
        elif not self.is_local or stat.S_ISREG(os.stat(path).st_mode):
            size = int(self._fs.size(path) or 0) if size is None else size
            if size <= _PIECE:
                yield bytes(self._fs.cat_file(path))
                return
            for start in range(0, size, _PIECE):
                yield bytes(self._fs.cat_file(path, start, min(start + _PIECE, size)))

    def listing(self, below: str = "") -> dict[str, int] | None:
        """Return the size of every file, by key; None where nobody lists them: on web servers."""
        return None if self.is_web else self.sizes(below)

    def sizes(self, below: str = "") -> dict[str, int]:
        """Return the size of every file, by key."""
        with self.storing("read"):
            top = f"{self._path}/{below}".rstrip("/")
            self._fs.invalidate_cache()
            found = self._fs.find(top, detail=True)
            if isinstance(found, list):  # Azure's, of none or one
                found = {path: self._fs.info(path) for path in found}
            start = len(self._path) + 1
            return {str(path)[start:]: int(info["size"]) for path, info in found.items()}

    def top(self) -> Literal["nothing", "file", "folder"]:
        """Return what is at the address itself."""
        with self.storing("read"):
            self._fs.invalidate_cache()
            if not self._fs.exists(self._path):
                return "nothing"
            return "folder" if self._fs.isdir(self._path) else "file"

    def names(self) -> list[str]:
        """Return the names of what is directly in it; none if there is nothing."""
        with self.storing("listed"):
            self._fs.invalidate_cache()
            try:
                paths = self._fs.ls(self._path, detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
            return [str(path).rstrip("/").rpartition("/")[2] for path in paths]

    def remove(self, keys: Iterable[str]) -> None:
        """Remove files; those that are not there are no matter."""
        with self.storing():
            for key in keys:
                with suppress(FileNotFoundError):
                    if self._staging:
                        with whole_write():
                            self._staging.remove(os.path.join(self.url, key))
                    elif self.is_local:
                        os.unlink(os.path.join(self.url, key))
                    else:
                        self._fs.rm_file(f"{self._path}/{key}")

    def remove_folder(self, key: str) -> None:
        """Remove a folder of a local disk, if it is there and has nothing in it."""
        if self.is_local and key:
            with suppress(OSError):
                os.rmdir(os.path.join(self.url, key))

    def tidy(self, key: str) -> None:
        """Remove what is left of one file by those that were killed as they wrote it."""
        if self.is_local:
            path = os.path.join(self.url, key)
            with self.storing():
                for left in glob.glob(f"{glob.escape(path)}.*{PARTIAL}"):
                    with suppress(FileNotFoundError):
                        os.unlink(left)

    def clear(self, keep: str = "", order: Callable[[str], Any] | None = None) -> None:
        """Remove everything but one file; in what order of keys, where they go one by one."""
        with self.storing():
            if self._staging:
                self._staging.forget()
            if self.is_local and not (keep and os.path.exists(os.path.join(self.url, keep))):
                with suppress(FileNotFoundError):
                    shutil.rmtree(self.url)
                return
            self.remove(sorted((key for key in self.sizes() if key != keep), key=order))
            self._fs.invalidate_cache()

    @contextmanager
    def staged(self, folder: str, check: Callable[[], None]) -> Iterator[FileStore]:
        """Give this place for a run to write to, by itself and by workers that it is sent to.

        On a local disk what other runs have under way there is taken away first, and at the end
        what this one has.

        Parameters
        ----------
        folder : str
            Where on a local disk files are written first.
        check : callable
            Raises an error if the run has lost its lease.
        """
        if not self.is_local:
            yield self
            return
        staging = Staging(os.path.join(self.url, folder), check)
        with self.storing():
            staging.begin()
        try:
            with given_back(staging.close):
                yield FileStore(self.url, staging=staging)
        finally:
            with suppress(OSError):
                staging.close()

    def stage(self) -> None:
        """Have workers write here from now on."""
        if self._staging:
            with self.storing():
                self._staging.make()

    def end_stage(self) -> None:
        """Have nobody else write here any more: what others have under way is taken away."""
        if self._staging:
            with self.storing():
                self._staging.end()

    def settle(self) -> None:
        """Wait until a local disk has all that was put."""
        if self.is_local:
            with self.storing():
                sync_disk_of(self.url)
