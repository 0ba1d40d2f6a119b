"""Exports that are interrupted by what happens to machines, and taken up again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import dask
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.errors import SectionImageError
from atldld_xr.export import status, verify
from atldld_xr.testing import Faults
from kills import SLOW, SMALL, Child, entered, export, forget_requests, marks, requests, steps, tree

IMAGES = [image.id for image in parse_dataset(SMALL.record).images]
FEW = {"resolution": 100}


pytestmark = pytest.mark.usefixtures("no_cache")


@pytest.fixture
def small_disk(tmp_path):
    """Give a folder on a disk of 1 MB, and what makes it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, text=True)

    if shutil.which("mount") is None or (made := mount("size=300k")).returncode:
        pytest.skip(f"no file system can be mounted: {made.stderr.strip()}")
    try:
        yield folder, lambda: mount("remount,size=64m")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk(server, small_disk, whole):
    expected = whole()
    folder, grow = small_disk
    for _ in range(2):  # it says the same again
        said = export(server.url, folder / "a.zarr")
        assert said == f"StoreError: {folder / 'a.zarr'} cannot be written: No space left on device"
        names = [path for path in tree(folder) if path.endswith(".atldld-part")]
        assert names == []
    assert status(folder / "a.zarr").state == "interrupted"
    done = entered(folder / "a.zarr")
    before = marks(folder / "a.zarr", done)
    assert grow().returncode == 0
    assert export(server.url, folder / "a.zarr") > 0
    assert tree(folder) == expected
    assert marks(folder / "a.zarr", done) == before


def test_a_disk_that_is_full_from_the_start(server, small_disk, whole):
    expected = whole(**FEW)
    folder, _ = small_disk
    ballast = os.open(folder / "ballast", os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while os.write(ballast, bytes(4096)):
            continue
    os.close(ballast)
    said = export(server.url, folder / "a.zarr", opening=FEW)
    assert "No space left" in said
    (folder / "ballast").unlink()
    assert export(server.url, folder / "a.zarr", opening=FEW) > 0
    assert tree(folder) == expected


@pytest.mark.parametrize("lost", ["chunks", "page", "everything not waited for"])
def test_a_power_cut(server, tmp_path, whole, lost):
    expected = whole()
    store = tmp_path / "b" / "a.zarr"
    server.faults = SLOW
    child = Child(server.url, store).begun()
    deadline = time.monotonic() + 60
    while len(list((store / "atldld_xr_export" / "pages").glob("*.jsonl"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.kill()
    pages = sorted((store / "atldld_xr_export" / "pages").glob("*.jsonl"))
    chunks = [path for path in marks(store, entered(store))]
    assert chunks
    if lost == "page":
        pages[-1].unlink()
    else:
        for path in chunks[:: 2 if lost == "chunks" else 1]:
            os.truncate(path, 0)
    server.faults = Faults()
    assert export(server.url, store) > 0
    assert tree(store.parent) == expected
    assert verify(store).problems == ()


def test_a_power_cut_after_all_was_written(server, tmp_path, whole):
    expected = whole(**FEW)
    store = tmp_path / "b" / "a.zarr"
    assert export(server.url, store, opening=FEW) > 0
    for path in list(marks(store, entered(store)))[::5]:
        os.truncate(path, 0)
    assert len(verify(store).problems) > 1
    assert export(server.url, store, opening=FEW) > 0
    assert tree(store.parent) == expected
    before = {p: p.stat().st_mtime_ns for p in store.rglob("*") if p.is_file()}
    assert export(server.url, store, opening=FEW) == 0
    assert {p: p.stat().st_mtime_ns for p in store.rglob("*") if p.is_file()} == before


def test_ctrl_c_on_the_command_line(server, tmp_path):
    store = tmp_path / "b" / "a.zarr"
    options = ["--source", server.url, "--resolution", "50", "--chunks", "y=96,x=96"]
    command = [sys.executable, "-m", "atldld_xr", "export", str(SMALL.id), str(store), *options]
    environment = os.environ | {"ATLDLD_XR_CACHE__ENABLED": "False"}
    server.faults = SLOW
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while len(list(store.glob("image/c/*"))) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        told, said = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, "")
    assert said == "atldld-xr: error: interrupted; the same command goes on where it ended\n"
    assert not (tmp_path / "b" / ".a.zarr.atldld-lease").exists()
    done = entered(store)
    assert done
    before = marks(store, done)
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0
    assert f"({len(done)} more were there)" in ended.stdout
    assert marks(store, done) == before
    assert status(store).state == "complete"
    assert verify(store).problems == ()


def opened(url, **options):
    from kills import opened as open_small

    return open_small(url, **FEW, **options)


def test_a_section_that_fails_stops_an_export_that_goes_on_later(server, tmp_path, whole):
    expected = whole(**FEW, on_error="raise")
    store = tmp_path / "b" / "a.zarr"
    server.faults = Faults(never={IMAGES[4]})
    with pytest.raises(SectionImageError), atldld_xr.config.set({"http.retries": 0}):
        opened(server.url, on_error="raise").atldld.to_zarr(store)
    done = entered(store)
    assert done
    before = marks(store, done)
    server.faults = Faults()
    report = opened(server.url, on_error="raise").atldld.to_zarr(store)
    assert report.skipped == len(done)
    assert marks(store, done) == before
    assert tree(store.parent) == expected


@pytest.mark.parametrize("derived", [False, True])
def test_retrying_what_failed(server, tmp_path, whole, derived):
    expected = whole(**FEW, derived=derived)
    store = tmp_path / "b" / "a.zarr"
    server.faults = Faults(missing={IMAGES[1], IMAGES[3]})
    ds = opened(server.url, derived=derived)
    report = ds.atldld.to_zarr(store)
    ids = [failure["section_image_id"] for failure in report.failures]
    assert sorted(ids) == [IMAGES[1], IMAGES[3]]
    assert [f["section_image_id"] for f in status(store).failures] == ids
    assert verify(store).problems == ()
    server.faults = Faults()
    forget_requests(server)
    before = tree(store)
    assert ds.atldld.to_zarr(store).blocks == 0
    assert tree(store) == before
    assert not requests(server)
    server.faults = Faults(missing={IMAGES[1]})
    assert len(ds.atldld.to_zarr(store, retry_failed=True).failures) == 1
    if not derived:
        assert set(requests(server)) == {IMAGES[1], IMAGES[3]}
    server.faults = Faults()
    assert ds.atldld.to_zarr(store, retry_failed=True).failures == ()
    assert tree(store.parent) == expected
    assert ds.atldld.to_zarr(store, retry_failed=True).blocks == 0


def test_killed_in_the_middle_of_a_retry(server, tmp_path, whole):
    expected = whole(**FEW)
    failed = tmp_path / "failed" / "a.zarr"
    server.faults = Faults(missing=set(IMAGES[1:4]))
    assert len(opened(server.url).atldld.to_zarr(failed).failures) >= 2
    server.faults = Faults()
    for step in range(1, 60, 10):
        store = tmp_path / str(step) / "a.zarr"
        shutil.copytree(failed.parent, store.parent)
        Child(server.url, store, dies=step, opening=FEW, retry_failed=True).begun().killed()
        with dask.config.set(scheduler="sync"):
            report = opened(server.url).atldld.to_zarr(store)  # not asked to retry
        found = xr.open_zarr(store).compute()
        # What is told of a section is what is in it.
        is_read = found.image.min(("y", "x", "channel")).values < 255
        assert (is_read == (found.status.values == 0)).all()
        assert sum(found.status.values) == len(report.failures)
        assert verify(store).problems == ()
        opened(server.url).atldld.to_zarr(store, retry_failed=True)
        assert tree(store.parent) == expected


def test_arrays_that_dask_makes_go_on_too(server, tmp_path, whole):
    expected = whole(**FEW, derived=True)
    opening = FEW | {"derived": True}
    found = []
    count = steps(server.url, tmp_path / "count" / "a.zarr", opening=opening)
    for step in range(count - 80, count, 26):
        store = tmp_path / str(step) / "a.zarr"
        Child(server.url, store, dies=step, opening=opening).begun().killed()
        done = entered(store)
        before = marks(store, done)
        export(server.url, store, opening=opening)
        assert tree(store.parent) == expected
        assert marks(store, done) == before
        found.append(len([key for key in done if key[0] in ("mean", "half")]))
    assert len(set(found)) > 1
