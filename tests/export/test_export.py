"""Stores: what goes in comes back, and nothing is overwritten unasked."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr
import zarr

import atldld_xr
from atldld_xr.errors import InvalidArgumentError, MissingExtraError, SectionImageError, StoreError
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource

BAD = ((FIRST_IMAGE_ID + 1, 0, 0),)


def open_noise(**options):
    options = {"source": NoiseSource(), "resolution": 50, "expression": True} | options
    return atldld_xr.open_dataset(DATASET_ID, **options)


def contents(path):
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.mark.parametrize("chunks", ["auto", {"y": 60, "x": 100}, None])
def test_there_and_back(tmp_path, chunks):
    ds = open_noise(chunks=chunks)
    report = ds.atldld.to_zarr(tmp_path / "a.zarr", variables=list(ds.data_vars))
    assert report.failures == ()
    back = xr.open_zarr(tmp_path / "a.zarr")
    xr.testing.assert_equal(back.compute(), ds.compute())
    for name in ds.variables:
        assert back[name].attrs == ds[name].attrs, name
    assert back.attrs == ds.attrs | {"atldld_xr_export": "complete"}
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert group.metadata.zarr_format == 3
    assert group["image"].chunks[0] == 1
    assert group["image"].metadata.dimension_names == ("coronal", "y", "x", "channel")


def test_failures_are_in_the_store_and_the_report(tmp_path):
    ds = open_noise(source=NoiseSource(bad=BAD), on_error="fill")
    report = ds.atldld.to_zarr(tmp_path / "a.zarr")
    (failure,) = report.failures
    assert failure["section_image_id"] == FIRST_IMAGE_ID + 1
    assert "made to fail" in failure["reason"]
    back = xr.open_zarr(tmp_path / "a.zarr").compute()
    assert back.status.values.tolist() == [0, 1, 0]
    told = back.atldld.failures()
    assert told.status.tolist() == ["unreadable", "absent"]
    assert told.reason.tolist() == [failure["reason"], report.absent[0]["reason"]]
    np.testing.assert_array_equal(back.image, ds.image)


def test_a_failing_export_says_so_and_is_marked(tmp_path):
    ds = open_noise(source=NoiseSource(bad=BAD))
    with pytest.raises(SectionImageError, match="made to fail"):
        ds.atldld.to_zarr(tmp_path / "a.zarr")
    assert zarr.open_group(tmp_path / "a.zarr").attrs["atldld_xr_export"] == "incomplete"


def test_nothing_is_overwritten_unasked(tmp_path):
    path = tmp_path / "a.zarr"
    open_noise(resolution=100).atldld.to_zarr(path)
    before = contents(path)
    with pytest.raises(StoreError, match="exists"):
        open_noise().atldld.to_zarr(path)
    assert contents(path) == before
    open_noise().atldld.to_zarr(path, mode="w")
    assert xr.open_zarr(path).sizes["y"] == 160


def test_what_is_no_store_is_never_replaced(tmp_path):
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("all of it")
    (tmp_path / "file").write_text("precious")
    before = contents(tmp_path)
    for name in ("papers", "file", "file/below"):
        for mode in ("w-", "w"):
            with pytest.raises(StoreError):
                open_noise().atldld.to_zarr(tmp_path / name, mode=mode)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("url", ["", "://x", "nosuch://bucket/x", "a\0b"])
def test_bad_addresses(url):
    with pytest.raises((InvalidArgumentError, MissingExtraError)):
        open_noise().atldld.to_zarr(url)


def test_bad_mode(tmp_path):
    with pytest.raises(InvalidArgumentError, match="mode"):
        open_noise().atldld.to_zarr(tmp_path / "a.zarr", mode="a")
    assert not (tmp_path / "a.zarr").exists()


def test_a_slice_is_written_as_it_is(tmp_path):
    ds = open_noise(chunks=70)
    part = ds[["image", "coverage"]].sel(coronal=slice(3000, None), y=slice(2000, 5000))
    part.atldld.to_zarr(tmp_path / "a.zarr")
    xr.testing.assert_equal(xr.open_zarr(tmp_path / "a.zarr").compute(), part.compute())
    one = open_noise(on_error="fill").isel(coronal=1)
    one.atldld.to_zarr(tmp_path / "b.zarr")
    back = xr.open_zarr(tmp_path / "b.zarr").compute()
    np.testing.assert_array_equal(back.image, one.image)
    assert back.status.item() == 0


def test_computed_variables_are_written_too(tmp_path):
    ds = open_noise()
    ds["mean"] = ds.image.mean("coronal")
    ds.atldld.to_zarr(tmp_path / "a.zarr")
    np.testing.assert_allclose(xr.open_zarr(tmp_path / "a.zarr")["mean"], ds["mean"])


def test_the_dataset_is_left_alone(tmp_path):
    ds = open_noise(chunks=None)
    encodings = {name: dict(v.encoding) for name, v in ds.variables.items()}
    ds.atldld.to_zarr(tmp_path / "a.zarr")
    assert {name: dict(v.encoding) for name, v in ds.variables.items()} == encodings
    assert "atldld_xr_export" not in ds.attrs


@pytest.mark.parametrize("compressor", [None, "auto", "zstd"])
def test_compressors(tmp_path, compressor):
    codec = zarr.codecs.ZstdCodec(level=3) if compressor == "zstd" else compressor
    ds = open_noise()[["image"]]
    ds.atldld.to_zarr(tmp_path / "a.zarr", compressor=codec)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert len(group["image"].compressors) == (0 if codec is None else 1)
    np.testing.assert_array_equal(group["image"][:], ds.image)


def test_in_memory():
    ds = open_noise()[["image"]]
    ds.atldld.to_zarr("memory://somewhere/a.zarr")
    xr.testing.assert_equal(xr.open_zarr("memory://somewhere/a.zarr").compute(), ds.compute())
    assert ds.atldld.to_zarr("memory://somewhere/a.zarr").blocks == 0
    with pytest.raises(StoreError, match="was made otherwise"):
        ds.isel(y=slice(9)).atldld.to_zarr("memory://somewhere/a.zarr")


def test_into_a_bucket(bucket):
    place, options = bucket
    ds = open_noise()[["image"]]
    ds.atldld.to_zarr(f"{place}/a.zarr", storage_options=options)
    back = xr.open_zarr(f"{place}/a.zarr", storage_options=options)
    xr.testing.assert_equal(back.compute(), ds.compute())
    assert "secret-of-mine" not in str(back.attrs)
    with pytest.raises(StoreError, match="exists"):
        ds.isel(y=slice(80)).atldld.to_zarr(f"{place}/a.zarr", storage_options=options)
    ds.isel(y=slice(80)).atldld.to_zarr(f"{place}/a.zarr", storage_options=options, mode="w")
    assert xr.open_zarr(f"{place}/a.zarr", storage_options=options).sizes["y"] == 80


@pytest.mark.usefixtures("cluster")
def test_on_a_cluster_of_processes(tmp_path):
    ds = open_noise(source=NoiseSource(bad=BAD), on_error="fill")
    report = ds.atldld.to_zarr(tmp_path / "a.zarr")
    assert len(report.failures) == 1
    with dask.config.set(scheduler="threads"):
        ds.atldld.to_zarr(tmp_path / "b.zarr")
    assert contents(tmp_path / "a.zarr") == contents(tmp_path / "b.zarr")


def test_a_store_can_be_replaced_by_what_is_read_from_it(tmp_path):
    path = tmp_path / "a.zarr"
    ds = open_noise().compute()
    ds.chunk().atldld.to_zarr(path)
    (xr.open_zarr(path)[["image", "coverage"]]).atldld.to_zarr(path, mode="w")
    xr.testing.assert_equal(xr.open_zarr(path).compute(), ds[["image", "coverage"]])
    assert [p.name for p in tmp_path.iterdir() if p.name != "cache"] == ["a.zarr"]


def test_a_failing_replacement_leaves_the_old_store(tmp_path):
    path = tmp_path / "a.zarr"
    open_noise(resolution=100).atldld.to_zarr(path)
    before = contents(path)
    with pytest.raises(SectionImageError):
        open_noise(source=NoiseSource(bad=BAD)).atldld.to_zarr(path, mode="w")
    assert contents(path) == before
    before = contents(tmp_path)  # with the beginning of the new store, to be gone on with
    with pytest.raises(InvalidArgumentError, match="compressor"):
        open_noise().atldld.to_zarr(path, mode="w", compressor="zstd")
    with pytest.raises(InvalidArgumentError, match="attribute bad"):
        open_noise().assign_attrs(bad=object()).atldld.to_zarr(path, mode="w")
    assert contents(tmp_path) == before


def test_paths_as_people_write_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    ds = open_noise()[["image"]]
    for url in ("~/new/a.zarr", "b.zarr/", "./c/../d.zarr", f"file://{tmp_path}/e/f.zarr"):
        ds.atldld.to_zarr(url)
    for path in ("home/new/a.zarr", "b.zarr", "d.zarr", "e/f.zarr"):
        xr.testing.assert_equal(xr.open_zarr(tmp_path / path).compute(), ds.compute())
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("url", ["s3://KEY:hidden@bucket/a.zarr"])
def test_no_secret_is_repeated(url):
    with pytest.raises(InvalidArgumentError, match="storage_options") as caught:
        open_noise().atldld.to_zarr(url)
    assert "hidden" not in str(caught.value)


def test_an_unreachable_bucket(bucket):
    _, options = bucket
    pytest.importorskip("s3fs")
    with pytest.raises(StoreError, match="s3://nowhere"):
        open_noise().atldld.to_zarr("s3://nowhere-at-all/a.zarr", storage_options=options)


def test_unusual_variables(tmp_path):
    import dask.array as da

    ds = open_noise(on_error="fill", chunks=60)
    odd = ds[["status"]].assign(
        small=ds.image.mean(("y", "x", "channel")),
        signed=(ds.image // 2).astype("int8"),
        when=("coronal", da.from_array(np.array(["2020-01-01"] * 3, "M8[ns]"), chunks=1)),
    )
    odd = odd.assign_coords(depth=(("y", "x"), da.ones((160, 228), chunks=((100, 60), (100, 128)))))
    odd.signed.attrs["fill_value"] = 255
    odd.atldld.to_zarr(tmp_path / "a.zarr")
    xr.testing.assert_equal(xr.open_zarr(tmp_path / "a.zarr").compute(), odd.compute())
    ds[["status"]].atldld.to_zarr(tmp_path / "b.zarr")
    assert xr.open_zarr(tmp_path / "b.zarr").status.values.tolist() == [0, 0, 0]


def test_xarrays_own_way_to_a_store(tmp_path):
    ds = open_noise(source=NoiseSource(bad=BAD), on_error="fill")
    ds.to_zarr(tmp_path / "a.zarr", zarr_format=3, consolidated=False)
    back = xr.open_zarr(tmp_path / "a.zarr", consolidated=False).compute()
    np.testing.assert_array_equal(back.image, ds.image)
    assert back.status.values.tolist() == [0, 1, 0]


def test_several_exports_at_once_beside_other_work(tmp_path):
    import threading

    import dask.array as da

    ds = open_noise()[["image"]]
    ds = ds.assign(half=ds.image // 2)  # by Dask
    told = []

    def export(n):
        told.append(ds.atldld.to_zarr(tmp_path / f"{n}.zarr").blocks)

    def other():
        told.append(float(da.ones((4000, 4000), chunks=200).sum().compute()))

    works = [threading.Thread(target=export, args=(n,)) for n in range(3)]
    works += [threading.Thread(target=other) for _ in range(3)]
    for work in works:
        work.start()
    for work in works:
        work.join()
    assert sorted(told)[3:] == [16e6] * 3
    assert len({str(contents(tmp_path / f"{n}.zarr")) for n in range(3)}) == 1


def test_many_exports_at_once_warn_of_nothing(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    ds = open_noise(resolution=200)[["image"]]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda n: ds.atldld.to_zarr(tmp_path / f"{n}.zarr"), range(48)))
    assert len({str(contents(tmp_path / f"{n}.zarr")) for n in range(48)}) == 1


def test_blocks_of_another_dtype_than_they_say(tmp_path):
    ds = open_noise()
    third = xr.apply_ufunc(
        lambda x: x.astype("f8") / 3, ds.image, dask="parallelized", output_dtypes=[np.float32]
    )
    third.to_dataset(name="third").atldld.to_zarr(tmp_path / "a.zarr")
    back = xr.open_zarr(tmp_path / "a.zarr").third
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, (ds.image.values / 3).astype(np.float32))


def test_blocks_of_another_shape_than_they_say(tmp_path):
    import dask.array as da

    wrong = da.map_blocks(lambda b: b[:, :-1], da.ones((2, 8, 8), chunks=(1, 4, 8)), dtype=float)
    wrong = da.Array(wrong.dask, wrong.name, ((1, 1), (4, 4), (8,)), dtype=float)
    with pytest.raises(ValueError, match="is to be"):
        xr.Dataset({"a": (("z", "y", "x"), wrong)}).atldld.to_zarr(tmp_path / "a.zarr")


@pytest.mark.parametrize("axis", ["coronal", "y"])
def test_nothing_to_write(tmp_path, axis):
    with pytest.raises(InvalidArgumentError, match="empty"):
        open_noise().isel({axis: slice(0)}).atldld.to_zarr(tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize("workers", [0, -1, "2"])
def test_threads_that_cannot_be(tmp_path, workers):
    with dask.config.set(num_workers=workers), pytest.raises(InvalidArgumentError, match="num_w"):
        open_noise()[["image"]].atldld.to_zarr(tmp_path / "a.zarr")


@pytest.mark.parametrize("change", ["as it is", "sliced", "computed"])
def test_what_is_read_from_a_store_without_renaming_does_not_replace_it(change):
    url = f"memory://of-itself/{change.replace(' ', '-')}.zarr"
    ds = open_noise()[["image", "coverage"]]
    ds.atldld.to_zarr(url)
    back = xr.open_zarr(url)
    back = {
        "as it is": back,
        "sliced": back.isel(y=slice(9, 60)),
        "computed": back.assign(image=back.image // 2),
    }[change]
    for _ in range(2):
        with pytest.raises(StoreError, match="may be read from it"):
            back.atldld.to_zarr(url, mode="w")
    with pytest.raises(StoreError, match="may be read from it"):
        back.assign(image=back.image.assign_attrs(fill_value=255)).atldld.to_ome_zarr(url, mode="w")
    xr.testing.assert_equal(xr.open_zarr(url).compute(), ds.compute())
    ds.isel(y=slice(80)).atldld.to_zarr(url, mode="w")  # a plan's own does
    assert xr.open_zarr(url).sizes["y"] == 80
