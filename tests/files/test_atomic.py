"""Files that are there whole or not at all, wherever they are written first."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest

from atldld_xr.errors import StoreError
from atldld_xr.files import ending
from atldld_xr.files.atomic import write_whole
from atldld_xr.files.file_store import FileStore
from atldld_xr.files.staging import Staging


@pytest.fixture(params=[True, False], ids=["links", "no links"])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a file that is not there, on a disk with links or without."""

    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not request.param:
        monkeypatch.setattr(os, "link", link)
    return tmp_path / "a" / "b" / "file"


def test_a_new_file_replaces_nothing(target: Path) -> None:
    write_whole(target, b"first", new=True)
    with pytest.raises(FileExistsError):
        write_whole(target, b"second", new=True)
    assert target.read_bytes() == b"first"
    assert FileStore(target.parent).create("file", b"third") is False
    assert FileStore(target.parent).create("other", b"third") is True
    write_whole(target, b"fourth")
    assert {p.name: p.read_bytes() for p in target.parent.iterdir()} == {
        "file": b"fourth",
        "other": b"third",
    }


def test_a_folder_of_a_run_that_was_taken_away_is_not_made_again(tmp_path: Path) -> None:
    staging = Staging(str(tmp_path / "records"), lambda: None)
    store = FileStore(tmp_path / "a.zarr", staging=staging)
    store.put("image/c/0", b"chunk")
    assert (tmp_path / "a.zarr" / "image" / "c" / "0").read_bytes() == b"chunk"
    (folder,) = (tmp_path / "records").iterdir()
    assert not list(folder.iterdir())
    first = staging.partial()
    shutil.rmtree(tmp_path / "records")
    shutil.rmtree(tmp_path / "a.zarr")
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "a.zarr" / "key", b"late", partial=lambda: first)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("begin", ["put", "remove"])
def test_no_folder_of_a_run_is_made_when_the_process_is_about_to_end(
    tmp_path: Path, begin: str
) -> None:
    staging = Staging(str(tmp_path / "a.zarr" / "records"), lambda: None)
    store = FileStore(tmp_path / "a.zarr", staging=staging)
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "key").write_bytes(b"early")
    write = {"put": lambda: store.put("key", b"late"), "remove": lambda: store.remove(["key"])}
    ending.finish()
    try:
        thread = threading.Thread(target=write[begin], daemon=True)  # it waits for ever
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        assert [path.name for path in (tmp_path / "a.zarr").rglob("*")] == ["key"]
    finally:
        ending._start_anew()


@pytest.mark.parametrize("begin", ["put", "remove"])
def test_what_a_run_left_behind_writes_no_more_when_it_is_over(tmp_path: Path, begin: str) -> None:
    place = FileStore(tmp_path / "a.zarr")
    place.put("key", b"early")
    with place.staged("records", lambda: None) as store:
        store.put("key", b"in time")
    write = {"put": lambda: store.put("key", b"late"), "remove": lambda: store.remove(["key"])}
    with pytest.raises(StoreError, match="over"):
        write[begin]()
    assert place.get("key") == b"in time"
    assert place.sizes("records") == {}
    assert not list((tmp_path / "a.zarr").glob("records/*"))
