"""What stands in the way of a store: files, links to nothing, locks, and what cannot be removed."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

import atldld_xr
from atldld_xr.errors import CacheError, StoreError
from atldld_xr.export import status, verify
from atldld_xr.files import folders
from atldld_xr.files.atomic import write_whole
from atldld_xr.files.file_store import FileStore
from atldld_xr.phantom.phantom import CORONAL_ID, SAGITTAL_ID
from atldld_xr.sources.cache import Cache
from atldld_xr.store import lease as module
from atldld_xr.store.lease import Lease, lease
from noise import DATASET_ID, NoiseSource

IDS = [CORONAL_ID, SAGITTAL_ID]


@pytest.fixture
def ds():
    """Open noise."""
    return opened()


def opened(resolution=100):
    options = {"source": NoiseSource(), "resolution": resolution}
    return atldld_xr.open_dataset(DATASET_ID, **options)[["image"]]


@pytest.fixture
def in_the_way(tmp_path):
    """Give a file, and a link to a disk that is not mounted; and what is said of what is below."""
    (tmp_path / "file").write_text("data")
    (tmp_path / "scratch").symlink_to("/nowhere/disk")
    unmounted = f"{tmp_path}/scratch is a link to /nowhere/disk, which is not there; is a disk not"
    return {"file": f"{tmp_path}/file is no folder", "scratch": unmounted}


@pytest.mark.parametrize("below", ["a.zarr", "b/a.zarr"])
@pytest.mark.parametrize("what", ["file", "scratch"])
def test_a_store_below_what_is_no_folder(ds, tmp_path, in_the_way, what, below):
    path = tmp_path / what / below
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            ds.atldld.to_zarr(path)
        assert str(caught.value).startswith(f"{path} cannot be written: {in_the_way[what]}")


@pytest.mark.parametrize("what", ["file", "scratch"])
def test_a_mirror_below_what_is_no_folder(tmp_path, in_the_way, what):
    with pytest.raises(StoreError) as caught:
        atldld_xr.mirror(IDS[0], path=tmp_path / what / "b", source="phantom", tiers=[5])
    assert in_the_way[what] in str(caught.value)


@pytest.fixture
def unmounted(tmp_path):
    """Give a folder with a link to a disk that is not mounted, by which nothing may be made."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "scratch").symlink_to("../disks/of-me")
    yield home
    assert not (tmp_path / "disks").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"home", "cache"}


def writers(ds):
    return {
        ".nrrd": ds.atldld.to_volume,
        ".zarr": ds.atldld.to_zarr,
        ".ome": ds.atldld.to_ome_zarr,
    }


def not_there(link, path=None):
    target = os.path.realpath(link)
    told = f"{link} is a link to {target}, which is not there; is a disk not mounted"
    return re.escape(f"{path or link} cannot be reached: {told}")


@pytest.mark.parametrize("name", ["a.nrrd", "b/a.nii.gz"])
def test_a_volume_on_a_disk_that_is_not_mounted(ds, unmounted, name):
    path = unmounted / "scratch" / name
    with pytest.raises(StoreError, match=not_there(unmounted / "scratch", path)):
        ds.atldld.to_volume(path)


@pytest.mark.parametrize("target", ["scratch/a", "../disks/of-me/a", "../disks/a"])
@pytest.mark.parametrize("suffix", [".nrrd", ".zarr", ".ome.zarr"])
def test_a_link_to_a_disk_that_is_not_mounted(ds, unmounted, suffix, target):
    link = unmounted / f"a{suffix}"
    link.symlink_to(target + suffix)
    write = writers(ds)[link.suffixes[0]]
    with pytest.raises(StoreError, match="which is not there; is a disk not mounted") as caught:
        write(link)
    assert str(caught.value).startswith(f"{link} cannot be reached: {unmounted}/")
    with pytest.raises(StoreError):
        status(link)


@pytest.mark.parametrize("name", ["a.nrrd", "a.zarr", "a.ome.zarr"])
def test_a_link_to_what_is_to_be_made_in_a_folder_that_is_there(ds, tmp_path, name):
    (tmp_path / "disk").mkdir()
    link = tmp_path / name
    link.symlink_to(f"disk/{name}")
    writers(ds)[link.suffixes[0]](link)
    assert link.is_symlink()
    assert (tmp_path / "disk" / name).exists()


@pytest.mark.parametrize("below", ["", "/b/cache"])
def test_a_cache_on_a_disk_that_is_not_mounted(unmounted, below):
    directory = f"{unmounted}/scratch{below}"
    with pytest.raises(CacheError) as caught:
        Cache(directory, 1000).put("a/b.jpg", b"")
    assert f"{unmounted}/scratch is a link to " in str(caught.value)
    assert "which is not there; is a disk not mounted?" in str(caught.value)


def test_a_file_on_a_disk_that_is_not_mounted(unmounted):
    with pytest.raises(OSError, match=r"is a link to .*, which is not there; is a disk not"):
        write_whole(unmounted / "scratch" / "b" / "a.png", b"")


def test_a_folder_that_another_program_has_locked(ds, tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "PATIENCE", 0.05, raising=False)
    file = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        with pytest.raises(StoreError, match=rf"locked .*{tmp_path}|{tmp_path} locked") as caught:
            ds.atldld.to_zarr(tmp_path / "a.zarr")
    finally:
        os.close(file)
    assert f'"fuser -v {tmp_path}" tells who it is' in str(caught.value)
    assert not list(tmp_path.glob("*a.zarr*"))
    assert ds.atldld.to_zarr(tmp_path / "a.zarr").blocks > 0


@contextmanager
def not_removable(folder):
    """Have a folder that its owner cannot remove: root can all but what is mounted there."""
    folder.mkdir()
    (folder / "x").touch()
    if os.getuid():
        folder.chmod(0o500)
        try:
            yield
        finally:
            for path in folder.parent.parent.parent.parent.rglob(folder.name):
                path.chmod(0o700)
        return
    command = ["mount", "-t", "tmpfs", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted")
    try:
        yield
    finally:
        with open("/proc/self/mounts") as mounts:
            found = [line.split()[1] for line in mounts]
        for path in (path for path in found if path.endswith(folder.name)):
            subprocess.run(["umount", "--lazy", path], check=True)


def test_a_store_that_cannot_be_removed_is_replaced_all_the_same(ds, tmp_path):
    path = tmp_path / "b" / "a.zarr"
    ds.atldld.to_zarr(path)
    with not_removable(path / "image" / "of-another"):
        with pytest.raises(StoreError) as caught:
            opened(50).atldld.to_zarr(path, mode="w")
        assert f"{path} is complete, but what it replaced cannot be removed" in str(caught.value)
        (left,) = path.parent.glob(".a.zarr.*.atldld-old")
        assert str(left) in str(caught.value)
        assert status(path).state == "complete"
        assert verify(path).problems == ()
        for resolution in (100, 50):  # it is in nobody's way, and not told of again
            opened(resolution).atldld.to_zarr(path, mode="w")
            assert verify(path).problems == ()
    opened(100).atldld.to_zarr(path, mode="w")
    assert [p.name for p in path.parent.iterdir()] == ["a.zarr"]


def test_what_works_for_a_lease_left_behind_is_to_stop(tmp_path):
    import pickle

    place = FileStore(str(tmp_path / "a.zarr"))
    with lease(place) as held:
        elsewhere = pickle.loads(pickle.dumps(held))
        elsewhere.check()
        held.leave_behind()
        held.check()
        with pytest.raises(StoreError, match="another export"):
            elsewhere.check()
        with pytest.raises(StoreError, match="another export"):
            Lease(place).take()  # it is still held, also for this process
    assert not list(tmp_path.iterdir())


def test_a_lease_that_cannot_be_left_behind_is_lost_and_free_for_the_next(tmp_path):
    place = FileStore(str(tmp_path / "a.zarr"))
    file, away = tmp_path / ".a.zarr.atldld-lease", tmp_path / "away"
    with lease(place) as held:
        file.rename(away)
        file.mkdir()
        with pytest.raises(StoreError, match="cannot be written"):
            held.leave_behind()
        file.rmdir()
        away.rename(file)
    assert file.exists()
    with lease(place) as held:
        held.check()
    assert not list(tmp_path.iterdir())


def test_no_sign_of_life_brings_back_what_was_left_behind(monkeypatch):
    place = FileStore("memory://left-behind/a.zarr")
    held = Lease(place)
    held.take()
    put, told, left = FileStore.put, threading.Event(), threading.Event()

    def put_late(self, *args, **options):
        if threading.current_thread() is not threading.main_thread():
            told.set()
            left.wait(0.5)  # which it does not do, if one waits for the other
        put(self, *args, **options)

    monkeypatch.setattr(FileStore, "put", put_late)
    monkeypatch.setattr(module, "RENEWED", 0.0)
    alive = threading.Thread(target=held.renew)
    alive.start()
    assert told.wait(60)
    held.leave_behind()
    left.set()
    held.stop()
    alive.join()
    held.check()
    held.end()


def test_stores_that_were_to_replace_one_are_gone_with_it(ds, tmp_path):
    path = tmp_path / "a.zarr"
    ds.atldld.to_zarr(path)
    for name in ("0" * 8, "1" * 8):
        begun = tmp_path / f".a.zarr.{name}.atldld-new"
        shutil.copytree(path, begun)
        (begun / "atldld_xr_export" / "replaces").touch()
    ds.atldld.to_zarr(path, mode="w")
    assert [file.name for file in tmp_path.iterdir()] == ["a.zarr"]
    assert verify(path).problems == ()


def test_a_lease_that_another_has_by_now_is_left_alone(tmp_path):
    place = FileStore(str(tmp_path / "a.zarr"))
    with lease(place) as held:
        (tmp_path / ".a.zarr.atldld-lease").write_text('{"id": "another"}')
        held.leave_behind()
        held._tell(held.id)
    assert (tmp_path / ".a.zarr.atldld-lease").read_text() == '{"id": "another"}'


STOPPING = """
import os, signal, sys
import atldld_xr

def stop(event, args):
    if event == "os.rename" and str(args[1]).endswith("mirror.json"):
        os.kill(os.getpid(), signal.SIGSTOP)

sys.addaudithook(stop)
atldld_xr.mirror(int(sys.argv[1]), path=sys.argv[2], source="phantom", tiers=[5])
"""


def test_a_mirror_stopped_as_it_writes_its_list(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "PATIENCE", 0.1, raising=False)
    path = tmp_path / "m"
    command = [sys.executable, "-c", STOPPING, str(IDS[0]), str(path)]
    with subprocess.Popen(command) as process:
        _, state = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(state)
        said = ""
        try:
            atldld_xr.mirror(IDS[1], path=path, source="phantom", tiers=[5])
        except StoreError as error:
            said = str(error)
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0
    if said:
        atldld_xr.mirror(IDS[1], path=path, source="phantom", tiers=[5])
    assert json.loads((path / "mirror.json").read_text())["section_data_sets"] == IDS
