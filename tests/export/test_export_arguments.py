"""Stores: what cannot be written is refused, and what is there is told apart from what is asked."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import xarray as xr
from zarr.codecs import ZstdCodec
from zarr.codecs.numcodecs import BZ2

import atldld_xr
from atldld_xr.errors import InvalidArgumentError, StoreError
from atldld_xr.export import status, verify
from noise import DATASET_ID, NoiseSource


def open_noise(**options):
    options = {"source": NoiseSource(), "resolution": 50} | options
    return atldld_xr.open_dataset(DATASET_ID, **options)


def contents(path):
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "name", ["atldld_xr_export", "zarr.json", ".zattrs", 5, "a/b", "a\0b", "", ".", ".."]
)
def test_names_that_are_no_folders(tmp_path, name):
    ds = open_noise()[["image"]].rename(image=name)
    with pytest.raises(InvalidArgumentError, match="name"):
        ds.atldld.to_zarr(tmp_path / "a.zarr")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("inner", "why"),
    [
        ({"y": 0}, "y must be a whole number"),
        ({"y": -3}, "y must be a whole number"),
        ({"y": 2.5}, "y must be a whole number"),
        ({"y": True}, "y must be a whole number"),
        ({"row": 5}, "no dimension 'row'"),
        (5, "sizes by dimension"),
        ([("y", 5)], "sizes by dimension"),
    ],
)
def test_inner_chunks_that_cannot_be(tmp_path, inner, why):
    with pytest.raises(InvalidArgumentError, match=why):
        open_noise().atldld.to_zarr(tmp_path / "a.zarr", inner_chunks=inner)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["to_zarr", "to_ome_zarr"])
@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")  # of such codecs' standing
def test_codecs_that_cannot_do_it(tmp_path, kind):
    codec = BZ2(level=99)
    with pytest.raises(InvalidArgumentError, match="cannot be compressed as asked for"):
        getattr(open_noise().atldld, kind)(tmp_path / "a.zarr", compressor=codec)
    assert not any(tmp_path.iterdir())


def test_codecs_are_tried_at_no_great_cost(tmp_path):
    ds = open_noise(resolution=10, chunks=-1)[["image"]].isel(coronal=[0])
    nbytes = ds.image.nbytes
    tracemalloc.start()
    try:
        ds.atldld.to_zarr(tmp_path / "a.zarr", compressor=ZstdCodec(level=2))
        assert tracemalloc.get_traced_memory()[1] < 8 * nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (5, "no path or URL"),
        (None, "no path or URL"),
        (b"a.zarr", "no path or URL"),
        ("s3://", "names no place"),
        ("memory://", "names no place"),
        ("memory:///", "names no place"),
        ("simplecache::memory://a.zarr", "chain"),
        ("zip://a.zip::https://user:hidden@host/x", "chain"),
        ("s3://bucket/x::hidden", "chain"),
        ("memory://a.zarr?sig=hidden", "query"),
        ("https://localhost/a.zarr?sig=hidden", "query"),
    ],
)
def test_addresses_that_name_no_place(url, why):
    for call in (open_noise().atldld.to_zarr, open_noise().atldld.to_ome_zarr, status, verify):
        with pytest.raises(InvalidArgumentError, match=why) as caught:
            call(url)
        assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("protocol", ["file", "local"])
def test_addresses_of_this_machine(tmp_path, protocol):
    ds = open_noise()[["image"]]
    ds.atldld.to_zarr(f"{protocol}://{tmp_path}/a.zarr")
    xr.testing.assert_equal(xr.open_zarr(tmp_path / "a.zarr").compute(), ds.compute())


def test_an_attribute_that_is_no_number(tmp_path):
    ds = open_noise()[["image"]].assign_attrs(measured=float("nan"))
    ds["image"].attrs["scale"] = float("nan")
    ds.atldld.to_zarr(tmp_path / "a.zarr")
    assert ds.atldld.to_zarr(tmp_path / "a.zarr").blocks == 0
    assert verify(tmp_path / "a.zarr").problems == ()
    with pytest.raises(StoreError, match=r"dataset\.measured: NaN there, 5 asked"):
        ds.assign_attrs(measured=5).atldld.to_zarr(tmp_path / "a.zarr")


def test_one_plan_however_it_was_sliced(tmp_path):
    ds = open_noise(chunks=60)[["image", "displacement"]]
    ds.isel(y=slice(60, 150), coronal=[0, 1]).atldld.to_zarr(tmp_path / "a.zarr")
    again = ds.isel(y=slice(160)).isel(coronal=slice(2), y=slice(60, 150))
    assert again.atldld.to_zarr(tmp_path / "a.zarr").blocks == 0


OTHERS = {
    "tier": (open_noise(tier=1), "tier: of the same shape, but from other"),
    "image": (
        open_noise().assign(image=lambda ds: (ds.image // 2).assign_attrs(ds.image.attrs)),
        "image: of the same shape, but from other",
    ),
    "resolution": (open_noise(resolution=25), r"\(resolution: 50 there"),
    "fill": (
        open_noise(fill_value=7),
        r"arrays\.image\.attributes\.fill_value: 255 there, 7 asked",
    ),
    "chunks": (open_noise(chunks=70), r"arrays\.image\.chunk_grid"),
    "failures": (open_noise(on_error="fill").isel(y=slice(9)), r"arrays\.image\.shape"),
    "sections": (open_noise().isel(coronal=[0, 2]), r"arrays\.image\.shape"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_differs_is_said(tmp_path, other):
    open_noise().atldld.to_zarr(tmp_path / "a.zarr")
    before = contents(tmp_path)
    ds, why = OTHERS[other]
    with pytest.raises(StoreError, match=why) as caught:
        ds.atldld.to_zarr(tmp_path / "a.zarr")
    assert "atldld-" not in str(caught.value).replace(str(tmp_path), "")  # Dask's names say nothing
    assert contents(tmp_path) == before


@pytest.mark.parametrize("content", [b'{"name": "my project"}', b"[]", b"no JSON", b""])
@pytest.mark.parametrize("name", ["zarr.json", ".zgroup"])
def test_a_folder_of_somebody_is_no_store(tmp_path, name, content):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / name).write_bytes(content)
    (folder / "thesis.txt").write_text("years")
    with pytest.raises(StoreError, match="no Zarr store"):
        open_noise().atldld.to_zarr(folder, mode="w")
    assert (folder / "thesis.txt").read_text() == "years"


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_any_zarr_is_replaced(tmp_path, zarr_format):
    old = xr.Dataset({"a": ("t", np.arange(3))})
    old.to_zarr(tmp_path / "a.zarr", zarr_format=zarr_format, consolidated=False)
    ds = open_noise()[["image"]]
    ds.atldld.to_zarr(tmp_path / "a.zarr", mode="w")
    xr.testing.assert_equal(xr.open_zarr(tmp_path / "a.zarr").compute(), ds.compute())
