"""Exports of what was sliced and changed, beside what Dask computes of it."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import atldld_xr
from atldld_xr.export.run.trace_graph import SectionTasks
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource


def open_noise(**options):
    options = {
        "source": NoiseSource(),
        "resolution": 50,
        "on_error": "fill",
        "chunks": 70,
    } | options
    return atldld_xr.open_dataset(DATASET_ID, **options)


def parts_of(ds):
    arrays = {str(n): v.data for n, v in ds.variables.items() if v.chunks is not None}
    return SectionTasks(
        arrays, {name: tuple(map(max, array.chunks)) for name, array in arrays.items()}
    )


def there_and_back(ds, tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "a.zarr"
    ds.atldld.to_zarr(path)
    xr.testing.assert_equal(xr.open_zarr(path).compute(), ds.compute())


slices = st.builds(slice, *[st.one_of(st.none(), st.integers(-40, 160))] * 2)


@settings(max_examples=25, deadline=None)
@given(
    sections=st.one_of(
        st.lists(st.integers(0, 2), min_size=1, max_size=3),
        st.sampled_from([slice(None, None, 2), slice(1, None, 2), slice(None, None, -1)]),
    ),
    y=slices,
    x=slices,
    again=slices,
    channel=st.sampled_from([slice(None), slice(1, 3), slice(None, None, -1), slice(0, 3, 2)]),
)
def test_a_slice_is_written_as_dask_computes_it(tmp_path_factory, sections, y, x, again, channel):
    ds = open_noise()[["image", "coverage", "displacement", "status"]]
    part = ds.isel(coronal=sections).isel(y=y, x=x).isel(x=again, channel=channel)
    if part.image.size:
        assert parts_of(part).names == set(part.data_vars), "the case is to be one without Dask"
        there_and_back(part, tmp_path_factory)


@pytest.mark.parametrize(
    ("name", "change"),
    {
        "strides": lambda ds: ds.isel(y=slice(None, None, 2)),
        "a section": lambda ds: ds.isel(coronal=1),
        "a row": lambda ds: ds.isel(y=30),
        "a channel": lambda ds: ds.isel(channel=1),
        "other chunks": lambda ds: ds.chunk(y=50, x=-1),
        "several sections a chunk": lambda ds: ds.chunk(coronal=2),
        "computed": lambda ds: ds.assign(image=ds.image // 2, mean=ds.image.mean("coronal")),
        "some of each": lambda ds: xr.concat([ds, ds.assign(image=ds.image // 2)], "coronal"),
        "transposed": lambda ds: ds.transpose("coronal", "x", "y", ...),
        "loaded": lambda ds: ds.load(),
    }.items(),
)  # fmt: skip
def test_what_is_no_slice_is_left_to_dask(tmp_path_factory, name, change):
    ds = open_noise()[["image", "coverage", "status"]]
    there_and_back(change(ds), tmp_path_factory)


class Counting(NoiseSource):
    """Noise that counts what is read of it."""

    asked: ClassVar[Counter] = Counter()

    def read(self, image, tile, view):
        self.asked[image.id, tile, view] += 1
        return super().read(image, tile, view)


def test_a_slice_fetches_what_it_needs_once():
    ds = open_noise(source=Counting(), tier=0, resolution=10, expression=True)
    part = ds.isel(coronal=[1], y=slice(400, 500), x=slice(600, 700))
    Counting.asked.clear()
    part.atldld.to_zarr("memory://slices/a.zarr")
    # Of the whole section, as its status is asked for.
    assert set(Counting.asked.values()) == {1}
    whole = set(Counting.asked)
    assert {image for image, _, _ in whole} == {FIRST_IMAGE_ID + 1}
    Counting.asked.clear()
    part[["image", "expression", "coverage"]].atldld.to_zarr("memory://slices/b.zarr")
    assert set(Counting.asked.values()) == {1}
    assert set(Counting.asked) < whole
    assert len(Counting.asked) <= 4


def test_failures_are_told_whatever_is_written(tmp_path):
    ds = open_noise(source=NoiseSource(bad=((FIRST_IMAGE_ID + 1, 0, 0),)))
    report = ds[["image"]].atldld.to_zarr(tmp_path / "a.zarr")
    (failure,) = report.failures
    assert failure["section_image_id"] == FIRST_IMAGE_ID + 1
    assert failure["reason"].startswith("it is made to fail")
    report = ds[["status"]].atldld.to_zarr(tmp_path / "b.zarr")
    assert [f["section_image_id"] for f in report.failures] == [FIRST_IMAGE_ID + 1]
    assert xr.open_zarr(tmp_path / "b.zarr").status.values.tolist() == [0, 1, 0]


@pytest.mark.parametrize("inner", [{"y": 35, "x": 35}, {"y": 10, "x": 7, "channel": 1}])
def test_inner_chunks_make_shards(tmp_path, inner):
    import zarr

    ds = open_noise()[["image", "coverage"]]
    ds.atldld.to_zarr(tmp_path / "a.zarr", inner_chunks=inner)
    xr.testing.assert_equal(xr.open_zarr(tmp_path / "a.zarr").compute(), ds.compute())
    array = zarr.open_array(tmp_path / "a.zarr" / "image", mode="r")
    assert array.shards == (1, 70, 70, 3)
    assert array.chunks == (1, inner["y"], inner["x"], inner.get("channel", 3))
    files = [p for p in (tmp_path / "a.zarr" / "image" / "c").rglob("*") if p.is_file()]
    assert len(files) <= np.prod(ds.image.data.numblocks)


def test_inner_chunks_that_do_not_fit(tmp_path):
    from atldld_xr.errors import InvalidArgumentError

    with pytest.raises(InvalidArgumentError, match="whole number of inner chunks"):
        open_noise()[["image"]].atldld.to_zarr(tmp_path / "a.zarr", inner_chunks={"y": 32})
    assert not (tmp_path / "a.zarr").exists()
