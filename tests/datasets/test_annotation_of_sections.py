"""ds.atldld.annotation: each pixel has the label of where what it shows truly lies."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.errors import InvalidArgumentError
from tilted import AXES, TILTS, open_tilted, tilted_source, true_places

STEP = 100.0
SHAPE = (132, 80, 114)
PARTS = {"coronal": 11, "y": 80, "x": 30}


def codes():
    """Return a volume in which each voxel says by its label which it is: (p, i, r) from 1."""
    numbers = np.arange(1, np.prod(SHAPE) + 1, dtype=np.uint32).reshape(SHAPE)
    centres = {
        dim: (np.arange(n) + 0.5) * STEP
        for dim, n in zip(("coronal", "y", "x"), SHAPE, strict=True)
    }
    return xr.DataArray(
        numbers, centres, ["coronal", "y", "x"], attrs={"comment": "codes", "resolution": STEP}
    )


def expected_of(ds, data, index, rows, columns):
    """Return the labels of some pixels, by the matrices from images to the brain."""
    dim = data.plane.dim
    section = ds.isel({dim: index})
    y, x = (a.ravel() for a in np.meshgrid(ds.y[rows], ds.x[columns], indexing="ij"))
    there = true_places(ds, data, section, y, x)  # in the data set's own space: left is left
    at = np.floor(there / STEP).astype(int)
    inside = (at >= 0).all(1) & (at < SHAPE).all(1)
    labels = np.ravel_multi_index(np.clip(at, 0, np.array(SHAPE) - 1).T, SHAPE) + 1
    near = (np.abs(there / STEP - np.rint(there / STEP)) < 0.01).any(1)  # of a voxel's side
    return np.where(inside, labels, 0), ~near


@pytest.mark.parametrize("viewed", ["oblique", "projected"])
@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize("plane", list(TILTS))
def test_labels_are_those_of_where_it_was_cut(plane, space, viewed):
    source, number = tilted_source(plane)
    data = parse_dataset(source.dataset_record(number))
    ds = open_tilted(plane, plane=viewed, reference_space=space, resolution=50)
    found = ds.atldld.annotation(codes())
    assert found.dims == (plane, "y", "x")
    assert found.dtype == np.uint32
    assert found.attrs["comment"] == "codes"
    assert "resolution" not in found.attrs
    rows, columns = [0, 31, 80, 159], [0, 44, 100, 200]
    compared = 0
    for index in range(0, ds.sizes[plane], 3):
        expected, sure = expected_of(ds, data, index, rows, columns)
        got = found[index].values[np.ix_(rows, columns)].ravel()
        np.testing.assert_array_equal(got[sure], expected[sure])
        compared += np.count_nonzero(expected[sure])
    assert compared > 30


@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize("name", ["phantom", "phantom-sagittal"])
def test_left_lies_left(name, space):
    """Of a brain whose left half is 1 and whose right is 2, in either space of either plane."""
    volume = codes()
    volume[:] = np.where(volume.x < 5700, 1, 2)
    ds = atldld_xr.open_dataset(name, resolution=200, reference_space=space, chunks=None)
    found = ds.atldld.annotation(volume)
    if name == "phantom-sagittal":  # of the left half
        centre = found.isel(y=slice(15, 25), x=slice(28, 38), sagittal=slice(1, -1))
        assert (centre == 1).mean() > 0.99
    else:
        left, right = (found.sel(x=s, coronal=slice(3000, 9000)) for s in (
            slice(600, 5000), slice(6400, 10800)
        ))  # fmt: skip
        low, high = (1, 2) if space == 9 else (2, 1)
        assert (left == low).all()
        assert (right == high).all()
    assert ("mirrored" in found.attrs["sides"]) == ("mirrored" in ds.attrs["sides"])


def kinds():
    volume = codes()
    return {
        "memory": volume,
        "Dask": volume.chunk(PARTS),
        "lazy": lazily(volume),
        "turned": volume.transpose("x", "coronal", "y"),
        "in a Dataset": volume.to_dataset(name="annotation"),
    }


def lazily(volume):
    from xarray.core import indexing

    array = indexing.LazilyIndexedArray(indexing.NumpyIndexingAdapter(volume.values))
    return xr.DataArray(xr.Variable(volume.dims, array, fastpath=True), volume.coords)


@pytest.mark.parametrize("kind", list(kinds()))
@pytest.mark.parametrize("plane", list(TILTS))
def test_chunks_and_kinds_change_nothing(plane, kind):
    options = {"plane": "oblique", "resolution": 100}
    expected = open_tilted(plane, **options).atldld.annotation(codes()).values
    assert len(np.unique(expected)) > 1000
    for chunks in (None, "auto", {"y": 33, "x": 50}):
        ds = open_tilted(plane, chunks=chunks, **options)
        found = ds.atldld.annotation(kinds()[kind])
        assert (found.chunks is None) == (chunks is None)
        assert not isinstance(found.variable._data, np.ndarray)
        if chunks is not None:
            assert found.chunks[1:] == ds.coverage.chunks[1:]
            assert found.data.name == ds.atldld.annotation(kinds()[kind]).data.name
        with dask.config.set(scheduler="synchronous"):
            np.testing.assert_array_equal(found, expected)
        part = {plane: slice(1, 4), "y": slice(60, 20, -3), "x": slice(7, 90, 2)}
        np.testing.assert_array_equal(
            ds.isel(part).atldld.annotation(kinds()[kind]), expected[1:4, 60:20:-3, 7:90:2]
        )
        one = ds.isel({plane: 2}).atldld.annotation(kinds()[kind])
        assert one.dims == ("y", "x")
        np.testing.assert_array_equal(one, expected[2])


def test_a_block_reads_what_it_cuts():
    read = []

    def part(block_info=None):
        (at,) = (block_info[None]["chunk-location"],)
        read.append(at)
        return codes().values[at[0] * 12 : at[0] * 12 + 12]

    volume = codes().copy(data=da.map_blocks(
        part, chunks=((12,) * 11, 80, 114), dtype=np.uint32, meta=np.empty((0, 0, 0), np.uint32)
    ))  # fmt: skip
    ds = open_tilted("coronal", plane="oblique", resolution=100, chunks={"y": 40, "x": 57})
    labels = ds.atldld.annotation(volume)
    assert read == []
    block = labels.isel(coronal=5, y=slice(40), x=slice(57))
    with dask.config.set(scheduler="synchronous"):
        values = block.values
    place = ds.isel(coronal=5).atldld.true_coordinate()[:40, :57]
    low, high = int(place.min() // 1200), int(place.max() // 1200)
    assert {*read} <= {(k, 0, 0) for k in range(low - 1, high + 2)}
    assert len(read) <= high - low + 3
    np.testing.assert_array_equal(values, ds.isel(coronal=5).atldld.annotation(codes())[:40, :57])


def test_of_a_store(tmp_path):
    ds = open_tilted("sagittal", plane="oblique", resolution=400)
    labels = ds.assign(annotation=ds.atldld.annotation(codes()))
    labels.atldld.to_zarr(tmp_path / "a.zarr")
    back = xr.open_zarr(tmp_path / "a.zarr")
    np.testing.assert_array_equal(back.annotation, back.atldld.annotation(codes()))
    assert labels.atldld.to_zarr(tmp_path / "a.zarr").blocks == 0


WRONG = {
    "no array": lambda v: v.values,
    "grey": lambda v: v.astype(np.float32),
    "a plane": lambda v: v[0],
    "no coordinate": lambda v: v.drop_vars("y"),
    "falling": lambda v: v[::-1],
    "uneven": lambda v: v.isel(x=[0, 1, 3]),
    "one plane": lambda v: v[:1],
    "another Dataset": lambda v: v.to_dataset(name="labels"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_annotation_is_refused(case):
    with pytest.raises(InvalidArgumentError, match="annotation"):
        open_tilted("coronal", resolution=400).atldld.annotation(WRONG[case](codes()))


def test_two_that_are_lazy_are_two():
    """Without attributes, and of the same shape, they had one name: both had the labels of one."""
    ds = open_tilted("coronal", resolution=400, chunks={})
    pair = [ds.atldld.annotation(lazily(codes() + more)) for more in (0, 1000)]
    assert len({array.data.name for array in pair}) == 2
    first, second = dask.compute(*pair, scheduler="synchronous")
    np.testing.assert_array_equal(np.where(first, first + 1000, 0), second)
    parts = [lazily(codes()).isel(coronal=slice(n, n + 60)) for n in (0, 70)]
    moved = parts[1].assign_coords(coronal=parts[0].coronal)
    pair = [ds.atldld.annotation(part) for part in (parts[0], moved)]
    assert len({array.data.name for array in pair}) == 2


def test_without_its_sides_it_is_refused():
    ds = open_tilted("coronal", resolution=400)
    ds.attrs = {}
    assert ds.atldld.annotation(codes()).any()  # the coordinates tell
    ds.x.attrs = {}
    with pytest.raises(InvalidArgumentError, match="shows left"):
        ds.atldld.annotation(codes())


def test_it_is_the_volume_itself_where_nothing_is_tilted():
    ds = open_tilted("coronal", 0.0, resolution=100)
    volume = codes()
    found = ds.atldld.annotation(volume)
    nearest = volume.sel(coronal=ds.coronal.values, method="nearest")
    assert (found.values == nearest.values).mean() > 0.98
    assert AXES["coronal"] == [0, 1, 2]


@pytest.mark.parametrize("viewed", ["oblique", "projected"])
@pytest.mark.parametrize(("plane", "most"), [("coronal", 0.985), ("sagittal", 0.92)])
def test_outlines_fit_oblique_sections(plane, most, viewed):
    """The phantom's brain as it is drawn, and as it is labelled; a plane at its label fits less."""
    ds = open_tilted(plane, plane=viewed, resolution=25)
    at = {plane: ds.sizes[plane] // 2}
    section = ds.isel(at)
    volume = atldld_xr.open_annotation(source="phantom")
    cut = ds.atldld.annotation().isel(at).values > 0
    dim = "coronal" if plane == "coronal" else "x"
    straight = volume.sel({dim: float(section[plane])}, method="nearest").values > 0
    straight = straight if plane == "coronal" else straight.T
    grey = section.image.values.astype(float).mean(-1)
    tissue = ndimage.binary_opening((grey < 235) & section.coverage.values, iterations=2)
    dice = [2 * (tissue & b).sum() / (tissue.sum() + b.sum()) for b in (cut, straight)]
    assert dice[0] > 0.99
    assert dice[1] < most
