"""Staging: files of a store on a local disk are written in a folder of the run, and then moved.

Whoever takes over from a run takes its folder away first, and so does the run itself before it
finishes. What a process has under way there that was killed, or is frozen and wakes up later, or
that nobody waits for, is then gone, or cannot leave: it changes the store no more. A look at the
lease before each write cannot do that, as a process may be stopped between the look and the write.
"""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from atldld_xr.errors import StoreError
from atldld_xr.files.atomic import PARTIAL
from atldld_xr.files.folders import make_folders


class Staging:
    """The folder of a run, in which files are written before they are moved to their places.

    Parameters
    ----------
    records : str
        The folder that it is in.
    check : callable, optional
        Raises an error if the run has lost its lease. Without one, the folder is another's, who
        makes it and takes it away.
    name : str, optional
        Of the folder.
    """

    def __init__(
        self, records: str, check: Callable[[], None] | None, name: str | None = None
    ) -> None:
        self._records, self._check = records, check
        self._name = name or _new_name()
        self._is_made = self._is_over = False
        self._changing = threading.Lock()

    def __reduce__(self) -> Any:
        return Staging, (self._records, None, self._name)

    def begin(self) -> None:
        """Take away the folders of other runs, with all that they have under way."""
        try:
            names = os.listdir(self._records)
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in names:
            if name.endswith(PARTIAL) and os.path.isdir(os.path.join(self._records, name)):
                self._take_away(name)

    def make(self) -> None:
        """Make the folder, if it is not there yet: before others are to write in it.

        Raises
        ------
        StoreError
            If the run is over, or has lost its lease.
        """
        if self._check is None:
            return
        with self._changing:
            if self._is_over:
                raise StoreError("this run is over: it writes no more")
            if self._is_made:
                return
            make_folders(self._path)
            try:
                self._check()  # whoever takes over after this look finds the folder
            except StoreError:
                with suppress(OSError):
                    os.rmdir(self._path)
                raise
            self._is_made = True

    def end(self) -> None:
        """Take the folder away; what is written after this is in another one."""
        with self._changing:
            name, self._name = self._name, _new_name()
            self._is_made = False
        self._take_away(name)

    def close(self) -> None:
        """Take the folder away for good: threads that nobody waits for make no other one."""
        with self._changing:
            self._is_over = True
        self.end()

    def forget(self) -> None:
        """Take the folder no more for there."""
        self._is_made = False

    def remove(self, path: str) -> None:
        """Remove a file, if it is there, by the way that all others take."""
        if os.path.lexists(path):
            partial = self.partial()
            with suppress(FileNotFoundError):
                os.rename(path, partial)
                os.unlink(partial)

    @property
    def _path(self) -> str:
        return os.path.join(self._records, self._name)

    def partial(self) -> str:
        """Return where a file is to be written first; the folder is there."""
        self.make()
        return os.path.join(self._path, _new_name())

    def _take_away(self, name: str) -> None:
        # Renamed first: that is done at once, whatever others write there meanwhile.
        away = os.path.join(self._records, _new_name())
        with suppress(FileNotFoundError):
            os.rename(os.path.join(self._records, name), away)
            shutil.rmtree(away)


def _new_name() -> str:
    return f"{uuid.uuid4().hex}{PARTIAL}"
