"""AllenStore against what an export of the same options writes, and what it does under threads."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

import atldld_xr
from atldld_xr.errors import InvalidArgumentError, SectionImageError, StoreError
from atldld_xr.serve import AllenStore, DatasetStore, VolumeStore
from atldld_xr.serve.plan_store import CHUNKS
from atldld_xr.store.chunk_encoding import ArraySpec
from gated import Gated, first_key
from noise import DATASET_ID, NoiseSource

NOISE = {"source": NoiseSource(), "resolution": 50, "chunks": 70}

OPTIONS = {
    "phantom": ("phantom", {"resolution": 200}, {"levels": 2, "step": 250}),
    "mask": (
        DATASET_ID,
        NOISE | {"expression": "intensity"},
        {"variable": "expression", "compressor": None, "levels": 2},
    ),
    "coverage": (DATASET_ID, NOISE, {"variable": "coverage", "levels": 1}),
    "odd blocks, sagittal": (DATASET_ID, NOISE | {"source": NoiseSource(plane=2)}, {"levels": 3}),
    "oblique, nearest": (
        DATASET_ID,
        NOISE | {"resolution": 70, "plane": "oblique", "interpolation": "nearest"},
        {"levels": 2},
    ),
}


@pytest.fixture(scope="module", params=OPTIONS.values(), ids=OPTIONS)
def both(request, tmp_path_factory):
    """Give a store, the path of an export with the same options, and these."""
    dataset, opening, writing = request.param
    path = tmp_path_factory.mktemp("both") / "a.zarr"
    with atldld_xr.config.set({"cache.enabled": False}):
        atldld_xr.open_dataset(dataset, **opening).atldld.to_ome_zarr(path, **writing)
        return AllenStore(dataset, **opening, **writing), path, request.param


def test_the_finest_level_is_the_export_to_the_byte(both):
    store, path, _ = both
    chunks = {str(p.relative_to(path)) for p in (path / "0" / "c").rglob("*") if p.is_file()}
    assert len(chunks) > 3
    for key in chunks:
        assert store.read(key) == (path / key).read_bytes()
    possible = {f"0/c/{c}/{z}/{y}/{x}" for c, z, y, x in store.pyramid.blocks(0)}
    assert chunks <= possible
    assert all(store.read(key) is None for key in possible - chunks)
    np.testing.assert_array_equal(zarr.open(store)["0"][:], zarr.open_group(path, mode="r")["0"][:])


def test_coarser_levels_are_read_at_their_own_resolution(both):
    store, path, (dataset, opening, writing) = both
    exported = zarr.open_group(path, mode="r")
    for level in range(1, store.pyramid.levels):
        resolution = opening.get("resolution", 25) * 2**level
        ds = atldld_xr.open_dataset(
            dataset, **{"chunks": None} | opening | {"resolution": resolution, "chunks": None}
        )
        image = ds[writing.get("variable", "image")]
        got = zarr.open(store)[str(level)]
        assert got.shape == exported[str(level)].shape
        for at, plane in list(enumerate(store.pyramid.planes.places))[::4]:
            want = image[at].values
            pixels = np.moveaxis(got[:, plane], 0, -1).reshape(*got.shape[2:], *want.shape[2:])
            # The Dataset has whole pixels alone; a pyramid also has the part of one at the end.
            np.testing.assert_array_equal(pixels[: want.shape[0], : want.shape[1]], want)


def test_metadata_are_those_of_the_export(both):
    store, path, _ = both
    served, exported = (dict(zarr.open_group(s, mode="r").attrs) for s in (store, path))
    assert exported.pop("atldld_xr_export") == "complete"
    assert "image" in exported.pop("neuroglancer")  # the link to what is served is the server's
    for level in range(store.pyramid.levels):
        key = f"{level}/zarr.json"
        assert store.read(key) == (path / key).read_bytes()
    if store.pyramid.levels > 1:  # what is said of coarser levels, and nothing else
        for attributes in (served, exported):
            (multiscale,) = attributes["ome"]["multiscales"]
            assert ("tier" in multiscale["type"]) == (attributes is served)
            del multiscale["type"], multiscale["metadata"], attributes["atldld_xr"]["levels"]
    assert served == exported


def test_xarray_and_a_validator_read_it():
    models = pytest.importorskip("ome_zarr_models")
    store = AllenStore(DATASET_ID, **NOISE | {"levels": 1})
    assert xr.open_zarr(store)["0"].dims == ("c", "z", "y", "x")
    assert type(models.open_ome_zarr(zarr.open(store))).__name__ == "Image"


def test_of_identical_chunks_one_is_made(monkeypatch):
    made = []
    encode = ArraySpec.encode
    monkeypatch.setattr(ArraySpec, "encode", lambda *a: made.append(a) or encode(*a))
    source = Gated()
    store = AllenStore(DATASET_ID, **NOISE | {"source": source})
    with ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(store.read, first_key(store)) for _ in range(6)]
        source.may_go_on.set()
        contents = {future.result() for future in asked}
    assert len(contents) == len(made) == 1
    assert store.read(first_key(store)) in contents
    assert len(made) == 1


def test_what_fails_raises_and_is_not_kept():
    source = Gated(failing=["the service is down"])
    source.may_go_on.set()
    store = AllenStore(DATASET_ID, **NOISE | {"source": source})
    with pytest.raises(SectionImageError, match="the service is down"):
        zarr.open(store)["0"][:, store.pyramid.planes.places[0], 80:90, 80:90]
    assert store.read(first_key(store)) == AllenStore(DATASET_ID, **NOISE).read(first_key(store))


NOTHING = ["", "zarr", "c/0/0/0/0", "labels/zarr.json", "0/c/0/1/1", "0/c/1/{}/0/0", "5/c/0/{}/0/0"]
NOTHING += ["0/c/0/{}/0/0/", "0/c/0/{}/00/0", "0/c/0/{}/0/99", "0/c/0/{}/-1/0", "0/c/0/{}/0/\u0661"]
NOTHING += ["0/c/0/{}/0/" + "9" * 5000, "../0/zarr.json", "0//c/0/{}/0/0", "0/c/0/999999/0/0"]


def test_keys_that_cannot_be_ask_for_nothing():
    source = Gated()
    store = AllenStore(DATASET_ID, **NOISE | {"source": source})
    plane = store.pyramid.planes.places[0]
    for key in NOTHING:
        assert store.read(key.format(plane)) is None
        assert not store.has(key.format(plane))
    empty = min({*range(plane, plane + 99)} - {*store.pyramid.planes.places})
    assert store.read(f"0/c/0/{empty}/0/0") is None
    assert source.reads == []


def test_threads_get_the_same_and_memory_is_bounded():
    store = AllenStore(DATASET_ID, **NOISE | {"levels": 2, "compressor": None})
    keys = [
        f"{level}/c/{c}/{z}/{y}/{x}"
        for level in range(store.pyramid.levels)
        for c, z, y, x in list(store.pyramid.blocks(level))[::2]
    ]
    want = {key: store.read(key) for key in keys}
    CHUNKS().reset()
    limit = 50_000
    assert sum(len(content or b"") for content in want.values()) > 3 * limit
    with atldld_xr.config.set({"memory.limit": limit}), ThreadPoolExecutor(8) as threads:
        for key, content in zip(keys * 3, threads.map(store.read, keys * 3), strict=True):
            assert content == want[key]
            assert CHUNKS()._bytes <= limit + 8 * max(len(c or b"") for c in want.values())


@pytest.mark.parametrize(
    ("byte_range", "part"),
    [
        (None, slice(None)),
        (RangeByteRequest(3, 9), slice(3, 9)),
        (OffsetByteRequest(5), slice(5, None)),
        (SuffixByteRequest(7), slice(-7, None)),
    ],
)
def test_parts_of_chunks_are_parts(byte_range, part):
    store = AllenStore(DATASET_ID, **NOISE)
    key = first_key(store)
    got = sync(store.get(key, default_buffer_prototype(), byte_range))
    assert got.to_bytes() == store.read(key)[part]


def test_stores_are_told_apart_and_pickled():
    store = AllenStore(DATASET_ID, **NOISE)
    again = pickle.loads(pickle.dumps(store))
    assert (again, hash(again)) == (store, hash(store))
    assert again.read(first_key(store)) == store.read(first_key(store))
    others = [
        {"resolution": 60},
        {"interpolation": "nearest"},
        {"fill_value": 7},
        {"levels": 2},
        {"compressor": None},
        {"source": NoiseSource(width=900)},
    ]
    digests = {AllenStore(DATASET_ID, **NOISE | other).digest for other in others}
    assert len(digests | {store.digest}) == len(others) + 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"anchor": "edge"}, "anchor"),
        ({"on_error": "fill"}, "on_error"),
        ({"variable": "displacement"}, "component"),
        ({"variable": "nothing"}, "no variable"),
        ({"levels": 0}, "levels"),
    ],
)
def test_what_cannot_be_served_is_refused(options, says):
    with pytest.raises(InvalidArgumentError, match=says):
        AllenStore("phantom", **options)
    with pytest.raises(TypeError, match="tile_size"):
        AllenStore("phantom", tile_size=3)


def test_it_is_read_only():
    store = AllenStore("phantom", resolution=400)
    with pytest.raises(ValueError, match="read-only"):
        zarr.open_group(store, mode="a")
    with pytest.raises(ValueError, match="read-only"):
        sync(store.delete("0/zarr.json"))


def test_it_says_why_it_lists_nothing():
    store = AllenStore("phantom", resolution=400)
    assert [*zarr.open(store).members()]  # by its metadata
    with pytest.raises(StoreError, match=r"AllenStore\(.*no list of its chunks.*zarr.open"):
        store.list_dir("0/c")


def test_an_opened_dataset_is_served_in_its_levels_too():
    whole = AllenStore(DATASET_ID, **NOISE | {"levels": 2})
    for chunks in (70, None):
        ds = atldld_xr.open_dataset(DATASET_ID, **NOISE | {"chunks": chunks, "on_error": "fill"})
        part = ds.isel(coronal=[2, 0], y=slice(6, None), x=slice(4, -8))
        served, all_of_it = (zarr.open(s) for s in (DatasetStore(part, levels=2), whole))
        for level in range(2):
            for at, plane in zip((2, 0), served.attrs["atldld_xr"]["sections"], strict=True):
                of = whole.pyramid.planes.places[at]
                first = (6, 4) if level == 0 else (3, 2)
                got = served[str(level)][:, plane["plane"]]
                want = all_of_it[str(level)][:, of, first[0] :, first[1] :][..., : got.shape[2]]
                if level == 0 and chunks is None:
                    np.testing.assert_array_equal(got, want)
                # Positions that lie between two steps of 1/32 px, as of this noise some do, go to
                # either where they are computed from another corner.
                assert np.mean(got != want) < 1e-3


def test_what_something_was_done_to_has_one_level():
    ds = atldld_xr.open_dataset(DATASET_ID, **NOISE)
    for changed in (ds.assign(image=255 - ds.image.assign_attrs(fill_value=0)), ds.load()):
        changed.image.attrs["fill_value"] = 0
        store = DatasetStore(changed)
        assert store.pyramid.levels == 1
        at = store.pyramid.planes.places[1]
        want = changed.image[1].values
        np.testing.assert_array_equal(np.moveaxis(zarr.open(store)["0"][:, at], 0, -1), want)
        with pytest.raises(InvalidArgumentError, match="levels=1"):
            DatasetStore(changed, levels=2)


@pytest.mark.parametrize("chunks", [None, 70])
@pytest.mark.parametrize(
    "done",
    [
        lambda ds: ds.assign_coords(y=ds.y + 1000),
        lambda ds: ds.assign_coords(y=ds.y * 1.5, x=ds.x * 1.5),
        lambda ds: ds.assign_coords(affine=ds.affine * 1.1),
        lambda ds: ds.isel(y=slice(1, None, 2), x=slice(None, None, 2)),
        lambda ds: ds.isel(channel=[1]),
        lambda ds: ds.isel(channel=[2, 1, 0]),
        lambda ds: ds.isel(coronal=[0, 1], channel=[2, 1, 0]),
        lambda ds: ds.isel(channel=slice(None, None, -1)),
    ],
    ids=[
        "moved",
        "stretched",
        "registered",
        "thinned",
        "green",
        "blue first",
        "some, blue first",
        "backwards",
    ],
)
def test_pixels_are_those_of_the_dataset_wherever_it_says_they_are(done, chunks):
    opened = atldld_xr.open_dataset(DATASET_ID, **NOISE | {"chunks": chunks, "resolution": 40})
    assert DatasetStore(opened).pyramid.levels == 2
    ds = done(opened)
    store = DatasetStore(ds)
    assert store.pyramid.levels == 1  # others would be read by the plan
    served = zarr.open(store, mode="r")["0"]
    at = 1
    plane = store.pyramid.planes.places[at]
    np.testing.assert_array_equal(served[:, plane], ds.image[at].transpose("channel", ...).values)


def test_the_annotation_is_its_labels(tmp_path):
    models = pytest.importorskip("ome_zarr_models")
    store = AllenStore("phantom", resolution=200, levels=2, annotation=True)
    group = zarr.open(store)
    assert group["labels"].attrs["ome"]["labels"] == ["annotation"]
    assert type(models.open_ome_zarr(group["labels/annotation"])).__name__ == "ImageLabel"
    image_label = group["labels/annotation"].attrs["ome"]["image-label"]
    names = {entry["label-value"]: entry["acronym"] for entry in image_label["properties"]}
    found = set()
    for level in range(2):
        ds = atldld_xr.open_dataset("phantom", resolution=200 * 2**level, chunks=None)
        want = ds.atldld.annotation()[5].values
        got = group[f"labels/annotation/{level}"][0, store.pyramid.planes.places[5]]
        np.testing.assert_array_equal(got[: want.shape[0], : want.shape[1]], want)
        found |= {*got.ravel().tolist()}
    assert len(found) > 5
    assert found - {0} <= names.keys()
    assert AllenStore("phantom", resolution=200, levels=2).digest != store.digest


def test_volumes_are_those_that_are_opened():
    dataset = "phantom"
    options = {"method": "linear", "expression": "intensity"}
    store = VolumeStore(dataset, resolution=200, levels=2, variable="expression", **options)
    group = zarr.open(store)
    for level, resolution in enumerate((200, 400)):
        volume = atldld_xr.open_volume(dataset, resolution=resolution, chunks=None, **options)
        told = group.attrs["ome"]["multiscales"][0]["datasets"][level]
        scale, translation = told["coordinateTransformations"]
        assert scale["scale"][1:] == [resolution] * 3
        first = [float(volume[dim][0]) for dim in ("coronal", "y", "x")]
        assert translation["translation"][1:] == first
        assert group[str(level)].shape == (1, *(volume.sizes[d] for d in ("coronal", "y", "x")))
        planes = slice(10, 13)
        want = volume.expression[planes].values
        assert want.any()
        np.testing.assert_array_equal(group[str(level)][0, planes], want)
