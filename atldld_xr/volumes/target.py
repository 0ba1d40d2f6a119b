"""The files of a volume: checked first, written beside their place, and moved there when whole."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Literal

from atldld_xr.errors import InvalidArgumentError, StoreError
from atldld_xr.files.atomic import move
from atldld_xr.files.ending import given_back
from atldld_xr.files.folders import leads_to, make_folders
from atldld_xr.files.paths import absolute, is_path, name_beside, without_scheme
from atldld_xr.files.storage_options import StorageOptionsRef, store_errors
from atldld_xr.messages.repeating import short
from atldld_xr.messages.text import format_bytes


def resolve_path(path: str | os.PathLike[str]) -> Path:
    """Return a local path, made absolute.

    Raises
    ------
    InvalidArgumentError
        If it is no path on this machine.
    StoreError
        If it leads to a folder that is not there, over a link.
    """
    given = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(given, str) or not given.strip() or "\0" in given:
        raise InvalidArgumentError(f"{short(path)} is no path to write a volume to")
    given = without_scheme(given)
    if not is_path(given):
        raise InvalidArgumentError(
            f"volumes are written to files of this machine, not to {given.partition('://')[0]}://"
        )
    target = Path(leads_to(absolute(given)))  # a link's own target is what is replaced
    absolute(str(sidecar(target)))  # whose name is longer
    return target


def sidecar(path: Path) -> Path:
    """Return where the list of planes is: beside the volume."""
    return path.with_name(f"{path.name}.json")


Mode = Literal["w-", "w"]


def storing(path: str) -> AbstractContextManager[None]:
    """Turn what a disk raises into a StoreError."""
    return store_errors(f"{path} cannot be written", StorageOptionsRef(), of=OSError)


def check_free(paths: Sequence[Path], mode: Mode) -> None:
    """Check that nothing is where files are to be, or that it may be replaced.

    Raises
    ------
    InvalidArgumentError
        For an unknown mode.
    StoreError
        If something is there that `mode` may not replace: "w-" replaces nothing, "w" files.
    """
    if not isinstance(mode, str) or mode not in ("w-", "w"):
        raise InvalidArgumentError(f'mode must be "w-" (new) or "w" (replace), not {short(mode)}')
    for path in paths:
        above = next(folder for folder in path.parents if os.path.lexists(folder))
        if not above.is_dir():
            raise StoreError(f"{above} is no folder; nothing was written")
        if os.path.lexists(path) and not path.is_file():
            raise StoreError(f"{path} is no file; nothing was written")
        if mode == "w-" and path.exists():
            raise StoreError(f'{path} exists; mode="w" (--mode w) replaces it. Nothing was written')


def check_space(path: Path, needed: int) -> None:
    """Check that the disk that a file is to be on has room.

    Raises
    ------
    StoreError
        If it has less than is needed.
    """
    folder = next(folder for folder in path.parents if folder.exists())
    with suppress(OSError):  # not every file system tells
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise StoreError(
                f"the volume needs {format_bytes(needed)} in {folder}, which has "
                f"{format_bytes(free)} free; nothing was written. A larger step or resolution "
                "takes less"
            )


@contextmanager
def beside(paths: Sequence[Path], mode: Mode) -> Iterator[list[Path]]:
    """Give paths to write to beside some others, and move what is there to them at the end.

    After an error or an interrupt what was written is removed, folders and all, and what was there
    is untouched.
    """
    missing = [folder for folder in paths[0].parents if not folder.exists()]
    mark = uuid.uuid4().hex[:8]
    written = [path.with_name(name_beside(path.name, ".", f"-{mark}.new")) for path in paths]

    def remove() -> None:
        for new in written:
            new.unlink(missing_ok=True)
        for folder in missing:
            with suppress(OSError):  # it is there no more, or not empty
                folder.rmdir()

    try:
        with storing(str(paths[0])):
            make_folders(str(paths[0].parent))
        with given_back(remove):
            yield written
        check_free(paths, mode)  # it may have come meanwhile
        moved: list[Path] = []
        try:
            for new, path in zip(written, paths, strict=True):
                with storing(str(path)):
                    _move(new, path, mode)
                moved.append(path)
        except StoreError:
            for path in moved if mode == "w-" else ():  # where nothing was
                path.unlink(missing_ok=True)
            raise
    finally:
        remove()


def _move(new: Path, path: Path, mode: Mode) -> None:
    try:
        move(new, path, new=mode == "w-")
    except FileExistsError:
        check_free([path], mode)
        raise
