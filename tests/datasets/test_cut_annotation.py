"""ds.atldld.annotation: the label of what each pixel shows, whichever way it is read."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.errors import InvalidArgumentError
from tilted import tilted_source

STEP = 100.0
SHAPE = (132, 80, 114)
SOME = {"resolution": 100}


def volume(chunks=None):
    """Return labels that are all different, so that any mistake of place shows."""
    labels = np.arange(np.prod(SHAPE), dtype=np.uint32).reshape(SHAPE) + 1
    at = {d: (np.arange(n) + 0.5) * STEP for d, n in zip("pir", SHAPE, strict=True)}
    coords = {"coronal": at["p"], "y": at["i"], "x": at["r"]}
    out = xr.DataArray(labels, coords, ("coronal", "y", "x"), name="annotation")
    return out if chunks is None else out.chunk(chunks)


def expected(ds, plane, data, index, mirrored):
    """Return the labels of a section by its matrices, point by point."""
    image_id = int(ds.section_image_id[index])
    (image,) = (image for image in data.images if image.id == image_id)
    y, x = np.meshgrid(ds.y, ds.x, indexing="ij")
    px = ds.affine.values[index] @ np.stack([y.ravel(), x.ravel(), np.ones(y.size)])
    # Pixels are read by tvs and trv: their place is what these lead to, on the section.
    trv, tvs = np.asarray(data.trv), np.asarray(image.tvs)
    v = np.linalg.solve(tvs[:, :2], px - tvs[:, 2:])
    z = np.full((1, v.shape[1]), image.section_number * data.section_thickness)
    p, i, r = np.linalg.solve(trv[:, :3], np.vstack([v, z]) - trv[:, 3:])
    voxel = np.floor(np.stack([p, i, r]) / STEP).astype(int)
    inside = ((voxel >= 0) & (voxel < np.array(SHAPE)[:, None])).all(axis=0)
    out = np.zeros(y.size, dtype=np.uint32)
    out[inside] = volume().values[tuple(voxel[:, inside])]
    return out.reshape(y.shape), np.stack([p, i, r]).reshape(3, *y.shape)


@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize("read", ["projected", "oblique"])
@pytest.mark.parametrize("plane", ["coronal", "sagittal"])
def test_labels_are_those_of_each_pixels_own_place(plane, read, space):
    source, number = tilted_source(plane)
    data = parse_dataset(source.dataset_record(number))
    ds = atldld_xr.open_dataset(
        number, source=source, plane=read, reference_space=space, chunks=None, **SOME
    )
    labels = ds.atldld.annotation(volume())
    assert labels.dims == (plane, "y", "x")
    assert labels.dtype == np.uint32
    own = data.reference_space_id
    for index in (2, ds.sizes[plane] - 2):
        found = labels.isel({plane: index}).values
        if space == own:
            wanted, _ = expected(ds, plane, data, index, False)
            assert (found == wanted).mean() > 0.9999  # a place on a border may be rounded
            assert (wanted > 0).mean() > 0.5
    if space != own:  # the same tissue has the same label, wherever it is shown
        other = atldld_xr.open_dataset(
            number, source=source, plane=read, reference_space=own, chunks=None, **SOME
        )
        points = other.atldld.to_reference([[300.0, 400.0], [900.0, 700.0]])
        mirrored = ds.atldld.to_reference([[300.0, 400.0], [900.0, 700.0]])
        ids = other.section_image_id.values.tolist()
        order = [ids.index(i) for i in ds.section_image_id.values]
        r, flipped = points.values[order][..., 2], mirrored.values[..., 2]
        np.testing.assert_allclose(flipped, 11350 - r, atol=1e-6)
        assert set(np.unique(labels)) - {0}
        theirs = other.atldld.annotation(volume())
        if plane == "sagittal":  # y and x are p and i: the mirror changes nothing on a section
            np.testing.assert_array_equal(labels.values, theirs.values[order])


def test_any_chunks_and_any_annotation_give_the_same(tmp_path):
    whole = atldld_xr.open_dataset("phantom", chunks=None, **SOME).atldld.annotation(volume())
    assert whole.variable._data is not None
    for chunks in ("auto", 37, {"y": 11, "x": -1}):
        ds = atldld_xr.open_dataset("phantom", chunks=chunks, **SOME)
        for labels in (volume(), volume(50), volume().transpose("x", "coronal", "y")):
            lazy = ds.atldld.annotation(labels)
            assert lazy.chunks[1:] == ds.image.chunks[1:3]
            xr.testing.assert_equal(lazy.compute(), whole)
    part = ds.isel(coronal=3, y=slice(10, 40), x=slice(70, 20, -7))
    np.testing.assert_array_equal(
        part.atldld.annotation(volume()).values,
        whole.isel(coronal=3, y=slice(10, 40), x=slice(70, 20, -7)).values,
    )


def test_a_block_reads_what_it_cuts_of_the_annotation():
    read = []

    def note(block, block_info):
        read.append(block_info[0]["chunk-location"])
        return block

    import dask.array as da

    labels = volume(20)
    noted = da.map_blocks(note, labels.data, dtype=np.uint32)
    labels = labels.copy(data=noted)
    ds = atldld_xr.open_dataset("phantom", **SOME)
    read.clear()
    ds.isel(coronal=4).atldld.annotation(labels).compute(scheduler="sync")
    assert {at[0] for at in read} < set(range(7))
    assert len({at[0] for at in read}) <= 2


@pytest.mark.parametrize("wrong", ["labels", 3, xr.DataArray(np.zeros(3)), volume() * 1.0])
def test_what_is_no_annotation_is_refused(wrong):
    ds = atldld_xr.open_dataset("phantom", **SOME)
    with pytest.raises(InvalidArgumentError, match="annotation"):
        ds.atldld.annotation(wrong)


def test_names_are_the_same_in_every_process():
    from dask.base import tokenize

    ds = atldld_xr.open_dataset("phantom", **SOME)
    one, other = (ds.atldld.annotation(volume()) for _ in range(2))
    assert one.data.name == other.data.name
    moved = volume()
    moved = moved.assign_coords(x=moved.x + 25)
    assert ds.atldld.annotation(moved).data.name != one.data.name
    assert tokenize(one.data) == tokenize(other.data)
