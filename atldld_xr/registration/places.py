"""Where registrations are: a file, a folder or a zip, here or anywhere. All I/O is here."""

from __future__ import annotations

import hashlib
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from io import BytesIO
from typing import Any, NamedTuple

from atldld_xr.errors import RegistrationError
from atldld_xr.files.address import checked
from atldld_xr.files.file_store import FileStore
from atldld_xr.files.paths import is_path
from atldld_xr.foreign_json import MOST_BYTES
from atldld_xr.messages.repeating import short
from atldld_xr.messages.words import one_line
from atldld_xr.registration.matching import ids_in

_SUFFIXES = (".json", ".xml")
_MOST_ZIP = 1 << 28  # bytes of a zip that is not on a disk: it is read whole
_MOST_TOTAL = 1 << 26  # bytes of the files of a data set: a large one has some hundred kB
_MOST_LOOKED_AT = 5000  # files of a collection whose names do not tell what they are of
_MOST_LOOKED_AT_FAR = 200  # each of which is a request

_MOST_LISTED = 1 << 25  # bytes of a zip's list of files, of each of which Python makes an object

_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,  # of passwords
    UnicodeDecodeError,
)

Files = list[tuple[str, bytes]]
Get = Callable[[str], bytes | None]


def absolute_place(place: str | os.PathLike[str]) -> str:
    """Return where something is, absolute; raises an InvalidArgumentError for what is no place."""
    return checked(place)


def read_files(
    place: str, dataset_id: int, ids: Collection[int], storage_options: Mapping[str, Any] | None
) -> Files:
    """Return the names and contents of the files that may be of a data set.

    Of a collection these are the files that have an id of it in their names, or their folders'; if
    none has, those that have one in what they say.

    Parameters
    ----------
    place : str
        As `absolute_place` returns it.
    dataset_id : int
        The data set's id.
    ids : collection of int
        Those of its section images.
    storage_options : mapping, optional
        For the file system.

    Raises
    ------
    RegistrationError
        If there is none, or more than can be looked at.
    StoreError
        If it cannot be read.
    """
    wanted = {dataset_id, *ids}

    def take(files: _Collection) -> Files:
        return _read_some(files, wanted)

    return _look_into(place, [dataset_id], take, storage_options)


def content_digest(
    place: str, dataset_ids: Iterable[int], storage_options: Mapping[str, Any] | None = None
) -> str:
    """Return what tells the files at a place from others, by all that they say.

    Parameters
    ----------
    place : str
        As `absolute_place` returns it: of a collection all files count.
    dataset_ids : iterable of int
        Whose files are asked for, where nobody lists what there is.
    storage_options : mapping, optional
        For the file system.

    Raises
    ------
    RegistrationError
        If there is none.
    StoreError
        If they cannot be read.
    """

    def take(files: _Collection) -> Files:
        found = ((key, files.get(key)) for key in files.keys)  # one in memory at a time
        return [(key, hashlib.sha256(got).digest()) for key, got in found if got is not None]

    found = _look_into(place, dataset_ids, take, storage_options)
    if not found:
        raise RegistrationError(f"{place} has no file of a registration")
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]


class _Collection(NamedTuple):
    """Files of a folder or zip: those that may be registrations, and what reads one."""

    place: str
    keys: Sequence[str]
    get: Get
    most: int
    """Whose content is looked at to tell what they are of."""


def _look_into(
    place: str,
    dataset_ids: Iterable[int],
    take: Callable[[_Collection], Files],
    storage_options: Mapping[str, Any] | None,
) -> Files:
    """Return the file at a place, or what is taken of a collection."""
    here, name = _parent(place, storage_options)
    suffix = os.path.splitext(name)[1].lower()
    if here.is_local and os.path.isdir(place):
        return _look_into_folder(FileStore(place), take, _MOST_LOOKED_AT)
    if suffix == ".zip":
        return _look_into_zip(place, here, name, take)
    if suffix in _SUFFIXES or here.is_local:
        content = here.get(name, MOST_BYTES + 1)
        if content is None:
            raise RegistrationError(f"there is no file or folder {place}")
        return [(name, content)]
    folder = FileStore(place, here.shared)
    if folder.is_web:  # where nobody lists what there is
        return _read_by_name(folder, dataset_ids)
    return _look_into_folder(folder, take, _MOST_LOOKED_AT_FAR)


def _parent(place: str, storage_options: Mapping[str, Any] | None) -> tuple[FileStore, str]:
    """Return the folder that something is in, and its name there."""
    folder, _, name = place.rpartition("/")
    if is_path(place):
        return FileStore(folder or "/", storage_options), name
    if folder.endswith("/"):  # all there is after the scheme: a bucket
        return FileStore(place, storage_options), ""
    return FileStore(folder, storage_options), name


def _read_by_name(folder: FileStore, dataset_ids: Iterable[int]) -> Files:
    found = []
    for dataset_id in dataset_ids:
        for suffix in _SUFFIXES:
            name = f"{dataset_id}{suffix}"
            content = folder.get(name, MOST_BYTES + 1)
            if content is not None:
                found.append((name, content))
                break
    if found:
        return found
    raise RegistrationError(
        f"{folder.url} has no file {dataset_id}.json or .xml; web servers are asked for no other "
        "names, as they list none: give the file's own address"
    )


def _look_into_folder(folder: FileStore, take: Callable[[_Collection], Files], most: int) -> Files:
    def get(key: str) -> bytes | None:
        return folder.get(key, MOST_BYTES + 1)

    return take(_Collection(folder.url, _keys(folder.sizes()), get, most))


def _look_into_zip(
    place: str, here: FileStore, name: str, take: Callable[[_Collection], Files]
) -> Files:
    source: Any = place
    if not here.is_local:
        content = here.get(name, _MOST_ZIP + 1)
        if content is not None and len(content) > _MOST_ZIP:
            raise RegistrationError(
                f"{place} has more than {_MOST_ZIP >> 20} MB: copy it to a disk"
            )
        source = None if content is None else BytesIO(content)
    elif not os.path.exists(place):
        source = None
    if source is None:
        raise RegistrationError(f"there is no file {place}")
    try:
        with (
            open(place, "rb") if here.is_local else nullcontext(source) as file,
            zipfile.ZipFile(_Bounded(file, place)) as archive,
        ):
            kinds = {info.filename: info.compress_type for info in archive.infolist()}

            def get(key: str) -> bytes:
                # Python bounds what it unpacks at a time of no other ways.
                if kinds[key] not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise RegistrationError(
                        f"{place}: {short(key)} is packed in a way that is not taken: deflate it"
                    )
                with archive.open(key) as packed:
                    return packed.read(MOST_BYTES + 1)

            return take(_Collection(place, _keys(kinds), get, _MOST_LOOKED_AT))
    # What a damaged one, or one with a password, is told by.
    except _ZIP_ERRORS as error:
        reason = one_line(str(error), 200)
        raise RegistrationError(f"{place} cannot be read as a zip: {reason}") from None


class _Bounded:
    """A file of which no more is read at once than the list of files of a zip can have."""

    def __init__(self, file: Any, place: str) -> None:
        self._file = file
        self._place = place

    def read(self, size: int = -1) -> bytes:
        if size > _MOST_LISTED:
            raise RegistrationError(f"{self._place} is a zip of more files than can be listed")
        content: bytes = self._file.read(size)
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _keys(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.lower().endswith(_SUFFIXES))


def _read_some(files: _Collection, wanted: Collection[int]) -> Files:
    place, keys, get, most = files
    named = [key for key in keys if ids_in(key, wanted)]
    if named:
        return _bounded(place, ((key, get(key)) for key in named))
    if len(keys) > most:
        raise RegistrationError(
            f"{place} has {len(keys):,} files and none has an id of the data set, or of its "
            "section images, in its name: give the file that it is in"
        )
    says = re.compile(rb"(?<!\d)(?:%s)(?!\d)" % b"|".join(b"%d" % i for i in sorted(wanted)))
    read = ((key, get(key)) for key in keys)
    return _bounded(place, ((key, got) for key, got in read if got and says.search(got)))


def _bounded(place: str, read: Iterable[tuple[str, bytes | None]]) -> Files:
    """Return files that are there, if they are no more than those of one data set can be."""
    found, total = [], 0
    for key, content in read:
        if content is None:
            continue
        total += len(content)
        if total > _MOST_TOTAL:
            raise RegistrationError(
                f"{place} has more than {_MOST_TOTAL >> 20} MB of files of one data set"
            )
        found.append((key, content))
    return found
