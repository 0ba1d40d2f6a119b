"""Volumes that cannot be: what is said, what it costs, and that nothing is left or harmed."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import atldld_xr
from atldld_xr.errors import (
    InvalidArgumentError,
    SectionImageError,
    StoreError,
)
from atldld_xr.volumes import save_volume
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource

BAD = ((FIRST_IMAGE_ID + 1, 0, 0),)
SUFFIXES = [".nrrd", ".nii", ".nii.gz", ".tif"]


def open_noise(**options):
    options = {"source": NoiseSource(), "resolution": 100} | options
    return atldld_xr.open_dataset(DATASET_ID, **options)


def needs(suffix):
    if suffix != ".nrrd":
        pytest.importorskip("tifffile" if suffix == ".tif" else "nibabel")


def contents(folder):
    return {
        p.relative_to(folder): p.read_bytes() if p.is_file() else None
        for p in folder.rglob("*")
        if "cache" not in p.parts
    }


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("a.nrrd", {"format": "mhd"}, "format must be one of nrrd, nifti, tiff"),
        ("a.nrrd", {"format": ["nrrd"]}, "format"),
        ("a.nrrd", {"format": "tiff"}, r"ends with none of \.tif, \.tiff"),
        ("a.zarr", {}, "ends with none of"),
        ("thesis.tex", {"format": "nrrd", "mode": "w"}, r"ends with none of \.nrrd"),
        ("a.nrrd", {"mode": "a"}, "mode"),
        ("a.nrrd", {"mode": ["w"]}, "mode"),
        ("a.nrrd", {"variable": "pixels"}, "no variable 'pixels'; it has image"),
        ("a.nrrd", {"variable": ["image"]}, "no variable"),
        ("a.nrrd", {"variable": "displacement"}, "dimension component"),
        ("a.nrrd", {"variable": "coverage", "channel": "grey"}, "no channels"),
        ("a.nrrd", {"channel": "alpha"}, "channel must be one of grey, red"),
        ("a.nrrd", {"channel": 0}, "channel must be"),
        ("a.nrrd", {"step": 0}, "step must be a number of micrometres from 0.1 to 13200, not 0"),
        ("a.nrrd", {"step": "25"}, "step must be a number"),
        (
            "a.nrrd",
            {"step": 5000},
            "a plane holds one section, and of planes 5000 um apart some have two: section image 1",
        ),
        ("a.nrrd", {"header": "diagonal"}, 'header must be "allen" or "anatomical"'),
        ("a.nii", {"header": "anatomical"}, "a choice of NRRD"),
        ("a.nii", {"compress": True}, r"\.nii\.gz"),
        ("a.nii.gz", {"compress": False}, r"\.nii\.gz"),
        ("a.nrrd", {"compress": "gzip"}, "compress must be"),
        ("", {}, "no path"),
        ("s3://bucket/a.nrrd", {}, "files of this machine, not to s3://"),
        ("a\0.nrrd", {}, "no path"),
    ],
)
def test_bad_arguments(tmp_path, monkeypatch, name, options, match):
    monkeypatch.chdir(tmp_path)
    needs(name[name.find(".") :] if name.startswith("a.n") else ".nrrd")
    with pytest.raises(InvalidArgumentError, match=match):
        save_volume(open_noise(source=NoiseSource(bad=BAD)), name, **options)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda ds: ds.image, "expected an xarray.Dataset"),
        (lambda ds: ds.isel(coronal=0), r"isel\(coronal=\[0\]\)"),
        (lambda ds: ds.isel(coronal=slice(0)), "empty"),
        (lambda ds: ds.isel(y=slice(None, None, 2)), "not on the grid"),
        (lambda ds: ds.isel(y=slice(None, None, -1)), "not on the grid"),
        (lambda ds: ds.assign_coords(y=ds.y + 13.0), "not on the grid"),
        (lambda ds: ds.assign_coords(y=ds.y + 100_000.0), "not on the grid"),
        (lambda ds: ds.assign_coords(x=ds.x * np.nan), r"resolution|not on the grid"),
        (lambda ds: ds.isel(y=[0], x=[0]).assign_attrs(resolution="fine"), "resolution"),
        (lambda ds: ds.drop_vars("coronal"), "no coordinate coronal in micrometres"),
        (lambda ds: ds.assign_coords(coronal=["a", "b", "c"]), "no coordinate coronal"),
        (lambda ds: ds.assign_coords(coronal=[1.0, np.nan, 2.0]), "finite"),
        (lambda ds: ds.isel(channel=[0, 1]), "2 channels of uint8"),
        (lambda ds: ds.assign(image=ds.image.astype(float)), "3 channels of float64"),
        (lambda ds: ds.assign(image=ds.image.sum("channel")), r"uint64.*astype"),
        (lambda ds: ds.assign(image=ds.image.assign_attrs(fill_value=300)), "fill_value is 300"),
        (lambda ds: ds.assign(image=ds.image.assign_attrs(fill_value="x")), "fill_value is 'x'"),
        (lambda ds: ds.assign(image=ds.image.assign_attrs(fill_value=np.nan)), "fill_value"),
        (lambda ds: ds.assign_attrs(reference_space_id=3), "reference space 3"),
    ],
)
def test_bad_datasets(tmp_path, change, match):
    with pytest.raises(InvalidArgumentError, match=match):
        save_volume(change(open_noise()), tmp_path / "a.nrrd")
    assert contents(tmp_path) == {}


def test_other_grids_are_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match='anchor="center"'):
        save_volume(open_noise(anchor="edge"), tmp_path / "a.nrrd")


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    """Run where the packages are not: the import system is told so, in a process of its own."""
    code = (
        "import sys, importlib.abc\n"
        "class Without(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] in ('nibabel', 'tifffile'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Without())\n"
        "import atldld_xr\n"
        "from atldld_xr.errors import MissingExtraError\n"
        "from atldld_xr.volumes import save_volume\n"
        "ds = atldld_xr.open_dataset('phantom', resolution=2000)\n"
        "save_volume(ds.isel(coronal=[0]), 'a.nrrd')\n"
        "for name, extra in (('a.nii', 'nifti'), ('a.tif', 'tiff')):\n"
        "    try:\n"
        "        save_volume(ds, name)\n"
        "    except MissingExtraError as error:\n"
        "        assert f'atldld-xr[{extra}]' in str(error), error\n"
        "    else:\n"
        "        raise AssertionError(name)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "cache") == [
        "a.nrrd",
        "a.nrrd.json",
    ]


def test_nothing_is_overwritten_unasked(tmp_path):
    path = tmp_path / "a.nrrd"
    save_volume(open_noise(), path)
    before = contents(tmp_path)
    with pytest.raises(StoreError, match='exists; mode="w"'):
        save_volume(open_noise(resolution=200), path)
    assert contents(tmp_path) == before
    save_volume(open_noise(resolution=200), path, mode="w")
    after = contents(tmp_path)
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in after)
    path.unlink()
    with pytest.raises(StoreError, match=r"a\.nrrd\.json exists"):
        save_volume(open_noise(), path)


def test_what_is_no_file_is_never_replaced(tmp_path):
    (tmp_path / "a.nrrd").mkdir()
    (tmp_path / "b.nrrd.json").mkdir()
    (tmp_path / "file").write_text("precious")
    before = contents(tmp_path)
    for name in ("a.nrrd", "b.nrrd", "file/c.nrrd", "file/new/c.nrrd"):
        for mode in ("w-", "w"):
            with pytest.raises(StoreError, match="nothing was written"):
                save_volume(open_noise(), tmp_path / name, mode=mode)
    assert contents(tmp_path) == before


def test_paths_as_people_write_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.nrrd").symlink_to("real.nrrd")
    ds = open_noise()
    names = ("~/new/a.nrrd", "./c/../d.NRRD", f"file://{tmp_path}/e/f.nrrd")
    for name in names:
        save_volume(ds, name)
    save_volume(ds, tmp_path / "link.nrrd", mode="w")
    assert (tmp_path / "link.nrrd").is_symlink()
    found = [name for name in contents(tmp_path) if name.suffix.lower() == ".nrrd"]
    assert sorted(map(str, found)) == [
        "d.NRRD",
        "e/f.nrrd",
        "home/new/a.nrrd",
        "link.nrrd",
        "real.nrrd",
    ]
    # As others' files: what the user's own settings allow.
    assert (tmp_path / "real.nrrd").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_section_that_cannot_be_read_leaves_all_as_it_was(tmp_path, suffix):
    needs(suffix)
    broken = open_noise(source=NoiseSource(bad=BAD))
    with pytest.raises(SectionImageError, match="made to fail"):
        save_volume(broken, tmp_path / f"new/folder/a{suffix}")
    assert contents(tmp_path) == {}
    save_volume(open_noise(), tmp_path / f"a{suffix}")
    before = contents(tmp_path)
    with pytest.raises(SectionImageError, match="made to fail"):
        save_volume(broken, tmp_path / f"a{suffix}", mode="w")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("room", [5_000, -50_000, -200_000])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_all_as_it_was(tmp_path, suffix, room):
    """The limit on a file's size stands for the disk's: writing fails midway, as there."""
    needs(suffix)
    save_volume(open_noise(resolution=500), tmp_path / f"a{suffix}")
    before = contents(tmp_path)
    ds = open_noise().compute()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Room for the sections in their temporary file, and not for the volume; or for a part of them.
    resource.setrlimit(resource.RLIMIT_FSIZE, (ds.image.nbytes + room, limits[1]))
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            save_volume(ds, tmp_path / f"a{suffix}", mode="w", step=25)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("suffix", "options"), [(".nii", {}), (".nrrd", {"compress": False}), (".nrrd", {})]
)
def test_too_little_room_is_known_before_anything_is_read(tmp_path, suffix, options):
    needs(suffix)
    # 17 TB and more as voxels; as sections and compressed still hundreds of gigabytes.
    resolution = 1 if suffix == ".nii" or options else 0.1
    asked = []

    class Watched(NoiseSource):
        def read(self, image, tile, view):
            asked.append(image.id)
            return super().read(image, tile, view)

    ds = open_noise(source=Watched(), resolution=resolution, chunks={"y": -1, "x": -1})
    with pytest.raises(StoreError, match="GB free; nothing was written"):
        save_volume(ds, tmp_path / f"a{suffix}", step=0.2, **options)
    assert (asked, contents(tmp_path)) == ([], {})


def test_interrupted_while_it_reads(tmp_path):
    save_volume(open_noise(), tmp_path / "a.nrrd")
    before = contents(tmp_path)

    once = threading.Lock()

    class Interrupting(NoiseSource):
        def read(self, image, tile, view):
            if once.acquire(blocking=False):
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)  # so that there is something to interrupt
            return super().read(image, tile, view)

    with pytest.raises(KeyboardInterrupt):
        save_volume(open_noise(source=Interrupting()), tmp_path / "a.nrrd", mode="w")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".tif"])
def test_interrupted_while_it_writes(tmp_path, suffix):
    """A process that takes minutes gets a real signal once its file has begun to grow."""
    needs(suffix)
    (tmp_path / f"a{suffix}").write_text("precious")
    before = contents(tmp_path)
    code = (
        "import atldld_xr\n"
        "from atldld_xr.volumes import save_volume\n"
        "ds = atldld_xr.open_dataset('phantom', resolution=100).isel(coronal=[3])\n"
        f"save_volume(ds, 'a{suffix}', step=0.1, mode='w')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    try:
        while not (grown := list(tmp_path.glob(".a*.new"))) or not grown[0].stat().st_size:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert "KeyboardInterrupt" in said
    assert contents(tmp_path) == before


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["phantom", "phantom-sagittal"])
def test_memory_is_that_of_planes_not_of_the_volume(tmp_path, name, suffix):
    """A volume of 578 MB or more, in a process whose memory may grow by a small part of it."""
    needs(suffix)
    code = (
        "import os, resource, atldld_xr\n"
        "from atldld_xr.volumes import save_volume\n"
        "def peak():\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        f"ds = atldld_xr.open_dataset({name!r})\n"
        "ds = ds.isel(coronal=slice(2), sagittal=slice(2), missing_dims='ignore')\n"
        f"save_volume(ds, 'small{suffix}', step=400)\n"
        "before = peak()\n"
        f"report = save_volume(ds, 'a{suffix}', step=10)\n"
        "os.remove(report.path)\n"
        "print(report.nbytes, peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    nbytes, grown = map(int, done.stdout.split())
    assert nbytes > 570e6
    # What runs through a file across the sections is 1320 planes long, and there twice.
    assert grown < 40e6, (nbytes, grown)


def test_progress_goes_to_standard_error(tmp_path, capsys):
    save_volume(open_noise(), tmp_path / "a.nrrd", progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "writing a.nrrd" in err
