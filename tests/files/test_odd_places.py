"""Paths, names and attributes that no file can have, or that are written in another way."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st

import atldld_xr
from atldld_xr.errors import AtldldError, InvalidArgumentError, StoreError
from atldld_xr.export import status, verify
from atldld_xr.files.paths import name_beside, without_scheme
from atldld_xr.messages.words import one_line, printable
from atldld_xr.phantom.phantom import Phantom
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.save_mirror import save_mirror
from atldld_xr.volumes.target import check_space

SMALL = Phantom(id=900_000_001, resolution=40.0, count=2)
VOLUMES = (".nrrd", ".nii.gz", ".ome.tif")
SCHEMES = ("file:", "file://", "file://localhost", "FILE:", "local://")


@pytest.fixture(scope="module")
def ds():
    found = atldld_xr.open_dataset("phantom", resolution=400, expression=False)
    return found[["image"]].isel(coronal=slice(0, 2)).load()


def write(ds, path):
    """Write a Dataset to what its name says."""
    name = str(path).lower()
    if name.endswith(VOLUMES):
        return ds.atldld.to_volume(path)
    return ds.atldld.to_ome_zarr(path) if name.endswith(".ome.zarr") else ds.atldld.to_zarr(path)


class Unread:
    """Pixels that nobody may ask for yet."""

    def __array__(self, *_, **__):
        raise AssertionError("computed")


@pytest.mark.parametrize("suffix", [".zarr", ".ome.zarr", *VOLUMES])
def test_names_of_every_length_are_written_or_refused_at_once(ds, tmp_path, suffix):
    for length in (200, 236, 245, 249, 250, 255, 256, 300):
        count, odd = divmod(length - len(suffix), 2)
        path = tmp_path / ("é" * count + "a" * odd + suffix)
        size = len(os.fsencode(path.name))
        if size + (5 if suffix in VOLUMES else 0) <= 255:
            write(ds, path)
            assert path.exists()
        else:
            unread = ds.copy()
            unread["image"] = ds.image.chunk().copy(
                data=ds.image.chunk().data.map_blocks(lambda _: Unread().__array__(), dtype="u1")
            )
            with pytest.raises(InvalidArgumentError, match=r"bytes, and a file's can have 255"):
                write(unread, path)
    assert not [p for p in os.listdir(tmp_path) if p.startswith(".")]


@pytest.mark.parametrize("mode", ["w-", "w"])
def test_a_store_of_a_long_name_is_replaced_and_looked_at(ds, tmp_path, mode):
    path = tmp_path / ("a" * 245 + ".zarr")
    write(ds, path)
    if mode == "w":
        ds.atldld.to_zarr(path, mode="w")
    assert status(path).state == "complete"
    assert verify(path).problems == ()
    assert os.listdir(tmp_path) in (["cache", path.name], [path.name], [path.name, "cache"])


@pytest.mark.parametrize("name", ["a\0.nrrd", "\ud800.nrrd", "\ud800.zarr", "a\0.zarr", " "])
def test_what_no_file_is_called(ds, name):
    with pytest.raises(InvalidArgumentError):
        write(ds, name)
    with pytest.raises(AtldldError):
        atldld_xr.open_dataset(1, source=name)


@pytest.mark.parametrize("name", ["file:a", "s3:/a/b", "S3:a", "memory:a", "https:/a/b", "gs:a"])
@pytest.mark.parametrize("suffix", [".zarr", ".ome.zarr", ".nrrd"])
def test_half_an_address_makes_no_folder(ds, tmp_path, monkeypatch, name, suffix):
    monkeypatch.chdir(tmp_path)
    scheme = name.partition(":")[0].lower()
    with pytest.raises(InvalidArgumentError, match=f"would begin with {scheme}://"):
        write(ds, name + suffix)
    with pytest.raises(InvalidArgumentError, match="is no source"):
        atldld_xr.open_dataset(1, source=name)
    assert set(os.listdir(tmp_path)) <= {"cache"}
    write(ds, f"./{name}{suffix}")
    assert (tmp_path / f"{name}{suffix}").exists()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_addresses_of_files_are_paths(ds, tmp_path, scheme, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for suffix in (".zarr", ".ome.zarr", ".nrrd"):
        write(ds, f"{scheme}{tmp_path}/a{suffix}")
        assert (tmp_path / f"a{suffix}").exists()
    assert status(f"{scheme}{tmp_path}/a.zarr").state == "complete"
    assert verify(f"{scheme}{tmp_path}/a.zarr").problems == ()
    source = f"{scheme}{tmp_path}/m"
    save_mirror([SMALL.id], source, source=PhantomSource((SMALL,)), tiers=[1])
    mirrored = atldld_xr.open_dataset(SMALL.id, source=source)
    assert mirrored.attrs["source"] == str(tmp_path / "m")
    assert not [name for name in os.listdir(tmp_path) if ":" in name]


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("file:/a b", "/a b"),
        ("file:///a%20b", "/a%20b"),
        ("file://a", "a"),
        ("file:a", "file:a"),
        ("file://localhost", ""),
        ("files:/a", "files:/a"),
        ("s3://file:/a", "s3://file:/a"),
        ("/file:/a", "/file:/a"),
    ],
)
def test_what_is_an_address_of_a_file(address, path):
    assert without_scheme(address) == (path if address != "file://localhost" else "localhost")


@given(
    name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), max_size=255)
)
def test_names_beside_fit_and_differ(name):
    beside = name_beside(name, ".", ".atldld-lease")
    assert len(os.fsencode(beside)) <= 200
    assert beside.startswith(".")
    assert beside != name_beside(name + "x", ".", ".atldld-lease")


# Attributes


class Odd:
    pass


LOOP: list[object] = []
LOOP.append(LOOP)
DEEP: list[object] = []
for _ in range(5000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "value", [Odd(), {1, 2}, LOOP, DEEP, 10**5000, b"x", 1j], ids=lambda v: type(v).__name__
)
@pytest.mark.parametrize("whose", ["", " of image", " of y"])
def test_an_attribute_that_cannot_be_kept_is_named(ds, tmp_path, value, whose):
    bad = ds.copy(deep=True)
    attrs = bad[whose[4:]].attrs if whose else bad.attrs
    attrs["weight"] = value
    with pytest.raises(InvalidArgumentError, match=f"the attribute weight{whose} cannot be kept"):
        bad.atldld.to_zarr(tmp_path / "a.zarr")
    if not whose:
        with pytest.raises(InvalidArgumentError, match="the attribute weight cannot be kept"):
            bad.atldld.to_ome_zarr(tmp_path / "a.ome.zarr")
    del attrs["weight"]
    attrs[7] = "seven"
    with pytest.raises(InvalidArgumentError, match=f"the attribute 7{whose} has a name"):
        bad.atldld.to_zarr(tmp_path / "a.zarr")
    assert set(os.listdir(tmp_path)) <= {"cache"}


@pytest.mark.parametrize("name", ["\ud800", "é" * 128, "x" * 256])
def test_a_variable_of_a_name_that_no_folder_has(ds, tmp_path, name):
    with pytest.raises(InvalidArgumentError, match="cannot be a variable's name"):
        ds.rename(image=name).atldld.to_zarr(tmp_path / "a.zarr")


TITLE = "a\x00b\x1b[2J\ud800\ufffe\r\n<&>\u202e\x9b\"'" + "é" * 5000


@pytest.mark.parametrize("suffix", [".zarr", ".ome.zarr", *VOLUMES])
def test_whatever_is_in_a_title(ds, tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write(ds.assign_attrs(title=TITLE, genes=[TITLE], comment=TITLE), path)
    if suffix == ".ome.tif":
        tifffile = pytest.importorskip("tifffile")
        with tifffile.TiffFile(path) as file:
            told = file.ome_metadata
        assert ElementTree.fromstring(told).tag.endswith("OME")
        assert r"a\x00b\x1b[2J\ud800" in told
    elif suffix == ".nrrd":
        nrrd = pytest.importorskip("nrrd")
        assert nrrd.read_header(str(path))["content"].isprintable()
    elif suffix == ".nii.gz":
        nibabel = pytest.importorskip("nibabel")
        assert bytes(nibabel.load(path).header["descrip"].tobytes()).rstrip(b"\0").isascii()
    elif suffix == ".zarr":
        assert xr.open_zarr(path).attrs["title"] == TITLE
    for sidecar in tmp_path.glob("*.json"):
        assert json.loads(sidecar.read_text())["origin"]["genes"] == [TITLE]


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">u1"])
def test_pixels_of_either_byte_order(ds, tmp_path, dtype):
    grey = ds.image.isel(channel=0, drop=True).astype(dtype[1:]) * np.array(3, dtype[1:])
    for order in ("=", dtype[0]):
        other = grey.astype(grey.dtype.newbyteorder(order)).assign_attrs(fill_value=7)
        name = "native" if order == "=" else "other"
        other.to_dataset(name="image").assign_attrs(ds.attrs).atldld.to_ome_zarr(tmp_path / name)
    one, two = (zarr.open_group(tmp_path / name)["0"] for name in ("native", "other"))
    assert one.dtype == two.dtype
    assert np.array_equal(one[...], two[...])


def test_sizes_are_told_in_units_that_fit(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 4096}))
    with pytest.raises(StoreError, match=r"needs 12\.3 MB in .*, which has 4\.1 kB free"):
        check_space(Path(tmp_path, "a.nrrd"), 12_345_678)


# Words


@given(text=st.text(max_size=200), most=st.integers(10, 60))
def test_a_line_of_anything(text, most):
    line = one_line(text, most)
    assert len(line) <= most
    assert line.isprintable()
    line.encode()
    plain = " ".join(text.split())
    if plain.isprintable() and len(plain) <= most:
        assert line == plain


@given(text=st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Lu"]), max_size=20))
def test_what_cannot_be_printed_is_told_as_python_writes_it(text):
    assert printable(text).encode("ascii", "backslashreplace").decode("unicode_escape") == text
