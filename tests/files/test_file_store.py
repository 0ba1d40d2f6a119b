"""Whole files: asked for no more often than it takes, and written whole or not at all."""

from __future__ import annotations

from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from atldld_xr.files.file_store import FileStore


class Asked(MemoryFileSystem):  # type: ignore[misc]
    """A file system without ranges past a file's end, which notes what it is asked."""

    protocol = "asked"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    asked: ClassVar[list[str]] = []

    def size(self, path: str) -> int:
        self.asked.append("size")
        return int(super().size(path))

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        self.asked.append("whole" if end is None else "range")
        content = bytes(super().cat_file(path))
        if end is not None and not content:
            raise OSError("416: Requested Range Not Satisfiable")
        return content[start:end]


@pytest.mark.parametrize(
    ("content", "most", "asked"),
    [
        (b"abc", None, ["whole"]),
        (b"abc", 3, ["range"]),
        (b"abc", 100, ["range"]),
        (b"abcd", 3, ["range"]),
        (b"", 3, ["range", "size", "whole"]),
    ],
)
def test_a_file_is_asked_for_once(content: bytes, most: int | None, asked: list[str]) -> None:
    fsspec.register_implementation("asked", Asked, clobber=True)
    store = FileStore("asked://a.zarr")
    store.put("key", content)
    Asked.asked.clear()
    assert store.get("key", most) == content[:most]
    assert Asked.asked == asked
    assert store.get("other", most) is None
