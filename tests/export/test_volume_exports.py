"""Volumes written: every format has the pixels that are computed, and what is killed goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import dask
import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
import xarray as xr
import zarr

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.errors import AtldldError
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.testing import Faults
from commandline import run
from kills import SLOW, SMALL, Child, entered, export, marks, opened, requests, tree
from turned import turned

pytestmark = pytest.mark.usefixtures("no_cache")

VOLUME = {"volume": True, "method": "linear", "chunks": {"coronal": 16}}
STORM = Faults(rate=0.33, kinds=("503", "truncated", "reset"), seed=5)


def test_zarr_has_what_is_computed(server, tmp_path):
    ds = opened(server.url, **VOLUME, expression="intensity")
    report = ds.atldld.to_zarr(tmp_path / "a.zarr")
    assert report.blocks > 0
    back = xr.open_zarr(tmp_path / "a.zarr", consolidated=False)
    assert back.attrs.pop("atldld_xr_export") == "complete"
    xr.testing.assert_identical(back.load(), ds.compute())
    assert ds.atldld.to_zarr(tmp_path / "a.zarr").blocks == 0
    assert atldld_xr.verify(tmp_path / "a.zarr").problems == ()
    other = opened(server.url, **(VOLUME | {"max_gap": 300}))
    with pytest.raises(AtldldError, match="made otherwise"):
        other.atldld.to_zarr(tmp_path / "a.zarr")


@pytest.mark.parametrize("ending", ["nrrd", "nii.gz", "tif", "ome.zarr"])
@pytest.mark.parametrize("plane", ["coronal", "sagittal"])
def test_every_format_has_what_is_computed(tmp_path, plane, ending):
    phantom = turned(plane, resolution=64.0, count=6, spacing=16, first=80, turn=(3, 5, 1))
    source = PhantomSource((phantom,))
    ds = atldld_xr.open_volume(phantom.id, resolution=200, method="linear", source=source)
    expected = ds.image.values
    path = tmp_path / f"a.{ending}"
    if ending == "ome.zarr":
        ds.atldld.to_ome_zarr(path)
        found = zarr.open_array(path / "0")[:]
        meta = zarr.open_group(path).attrs["ome"]["multiscales"][0]
        scale = meta["datasets"][0]["coordinateTransformations"][0]["scale"]
        assert [a["name"] for a in meta["axes"]] == ["c", "z", "y", "x"]
        assert scale == [1, 200, 200, 200]
        np.testing.assert_array_equal(np.moveaxis(found, 0, -1), expected)
        return
    ds.atldld.to_volume(path, channel="red")
    if ending == "nrrd":
        found, header = nrrd.read(str(path))
        assert np.allclose(np.linalg.norm(header["space directions"], axis=1), 200)
    elif ending == "tif":
        found = tifffile.imread(path)
    else:
        image = nibabel.load(path)
        found = np.asarray(image.dataobj)
        assert np.allclose(nibabel.affines.voxel_sizes(image.affine), 0.2)
    np.testing.assert_array_equal(found, expected[..., 0])


def test_a_cluster_writes_the_same_bytes(server, cluster, tmp_path):
    ds = opened(server.url, **VOLUME)
    ds.atldld.to_zarr(tmp_path / "a" / "a.zarr")
    asked = requests(server)
    with dask.config.set(scheduler="threads"):
        ds.atldld.to_zarr(tmp_path / "b" / "a.zarr")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    images = parse_dataset(SMALL.record).images
    assert set(asked) == {image.id for image in images}


def test_killed_in_a_storm_and_gone_on_with(server, tmp_path, whole):
    expected = whole(**VOLUME)
    store = tmp_path / "b" / "a.zarr"
    server.faults = SLOW
    child = Child(server.url, store, opening=VOLUME).begun()
    deadline = time.monotonic() + 60
    while not entered(store) if (store / "atldld_xr_export").exists() else True:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.kill()
    done = entered(store)
    before = marks(store, done)
    server.faults = STORM
    assert export(server.url, store, opening=VOLUME) > 0
    assert tree(store.parent) == expected
    assert marks(store, done) == before


def test_sections_that_cannot_be_read_are_told_of(server, tmp_path):
    lost = parse_dataset(SMALL.record).images[3].id
    server.faults = Faults(missing={lost})
    ds = opened(server.url, **VOLUME, on_error="fill")
    report = ds.atldld.to_zarr(tmp_path / "a.zarr")
    assert [failure["section_image_id"] for failure in report.failures] == [lost]
    back = xr.open_zarr(tmp_path / "a.zarr", consolidated=False)
    assert back.section_image_id.values[back.status.values == 1].tolist() == [lost]
    assert not (back.section == lost).any()
    server.faults = Faults()
    again = ds.atldld.to_zarr(tmp_path / "a.zarr", retry_failed=True)
    assert not again.failures
    opened(server.url, **VOLUME, on_error="fill").atldld.to_zarr(tmp_path / "b.zarr")
    for name in ("image", "coverage", "distance", "section", "status"):
        mine, other = (
            xr.open_zarr(tmp_path / s, consolidated=False)[name] for s in ("a.zarr", "b.zarr")
        )
        np.testing.assert_array_equal(mine.values, other.values)


def test_the_command(tmp_path):
    path = tmp_path / "a.zarr"
    line = ["volume", "phantom-sagittal", str(path), "--resolution", "200", "--method", "linear"]
    told = json.loads(run(*line, "--max-distance", "150", "--json").stdout)
    assert told["blocks"] > 0
    ds = atldld_xr.open_volume(
        "phantom-sagittal", resolution=200, method="linear", max_distance=150
    )
    back = xr.open_zarr(path, consolidated=False)
    assert back.attrs.pop("atldld_xr_export") == "complete"
    xr.testing.assert_identical(back.load(), ds.compute())


def test_the_command_goes_on_after_a_signal(server, tmp_path):
    store = tmp_path / "b" / "a.zarr"
    options = ["--source", server.url, "--resolution", "50", "--chunks", "coronal=8"]
    command = [sys.executable, "-m", "atldld_xr", "volume", str(SMALL.id), str(store), *options]
    environment = os.environ | {"ATLDLD_XR_CACHE__ENABLED": "False"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not list(store.glob("image/c/*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.terminate()
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert said == "atldld-xr: error: ended by SIGTERM; the same command goes on where it ended\n"
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    other = tmp_path / "c" / "a.zarr"
    command[4] = command[4].replace(str(store), str(other))
    again = [str(other) if word == str(store) else word for word in command]
    subprocess.run(again, env=environment, check=True, capture_output=True, timeout=120)
    assert tree(store.parent) == tree(other.parent)


def test_ome_zarr_tells_of_sections_and_not_of_planes(server, tmp_path):
    lost = parse_dataset(SMALL.record).images[4].id
    server.faults = Faults(missing={lost})
    ds = opened(server.url, **VOLUME, on_error="fill")
    report = ds.atldld.to_ome_zarr(tmp_path / "a.ome.zarr", levels=1)
    assert [failure["section_image_id"] for failure in report.failures] == [lost]
    attrs = zarr.open_group(tmp_path / "a.ome.zarr").attrs["atldld_xr"]
    assert [failure["section_image_id"] for failure in attrs["failures"]] == [lost]
    assert not any("failure" in section for section in attrs["sections"])
    asked = len(server.log)
    assert ds.atldld.to_ome_zarr(tmp_path / "a.ome.zarr", levels=1).blocks == 0
    assert len(server.log) == asked  # what is done is not looked at again
    server.faults = Faults()
    again = ds.atldld.to_ome_zarr(tmp_path / "a.ome.zarr", levels=1, retry_failed=True)
    assert not again.failures
    fresh = ds.atldld.to_ome_zarr(tmp_path / "b.ome.zarr", levels=1)
    assert not fresh.failures
    found, expected = (zarr.open_array(tmp_path / f"{n}.ome.zarr" / "0")[:] for n in "ab")
    np.testing.assert_array_equal(found, expected)


def test_a_slice_of_few_planes_has_many_sections(server, tmp_path):
    ds = opened(server.url, **VOLUME, on_error="fill")
    few = ds.isel(coronal=slice(60, 62), y=slice(10, 60))
    report = few.atldld.to_ome_zarr(tmp_path / "a.ome.zarr", levels=1)
    assert report.failures == ()
    found = zarr.open_array(tmp_path / "a.ome.zarr" / "0")[:]
    np.testing.assert_array_equal(np.moveaxis(found, 0, -1), few.image.values)


@pytest.mark.parametrize("ending", ["nrrd", "tif"])
def test_single_files_tell_of_sections_too(server, tmp_path, ending):
    lost = parse_dataset(SMALL.record).images[4].id
    server.faults = Faults(missing={lost})
    ds = opened(server.url, **VOLUME, on_error="fill")
    report = ds.atldld.to_volume(tmp_path / f"a.{ending}", channel="red")
    assert [failure["section_image_id"] for failure in report.failures] == [lost]
