"""The annotation: what it says, where from, by whatever chunks, and what is refused."""

from __future__ import annotations

import json
import pickle
import threading
from collections import Counter
from functools import lru_cache

import nrrd
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import atldld_xr
from atldld_xr.errors import InvalidArgumentError, MetadataError, ServiceError
from atldld_xr.phantom.atlas import IDS, ontology
from atldld_xr.phantom.brain import LANDMARK
from atldld_xr.sources.annotations import forget_labels
from atldld_xr.testing import AllenServer, Faults
from atldld_xr.testing.atlas import nrrd_file
from kills import SMALL

SHAPE = (132, 80, 114)  # of 100 um


@pytest.fixture(autouse=True)
def _nothing_held():
    forget_labels()
    yield
    forget_labels()


def noise(spacing=100, seed=1):
    """Return labels in lumps, which differ at every voxel of some."""
    random = np.random.default_rng(seed)
    shape = tuple(side // spacing for side in (13200, 8000, 11400))
    out = np.zeros(shape, np.uint32)
    out[40:60, 30:50, 20:50] = random.choice([0, 5, 997, 614454277], (20, 20, 30))
    out[70:, 60:, 80:] = 313
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("atlas")
    (folder / "annotation_100.nrrd").write_bytes(nrrd_file(noise(), 100))
    (folder / "structure_graph_1.json").write_text(json.dumps(ontology()))
    return folder


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    """Return a folder that a service has data sets, an annotation and the ontology from."""
    folder = tmp_path_factory.mktemp("served")
    record = {"success": True, "msg": [SMALL.record], "num_rows": 1, "total_rows": 1}
    (folder / f"section_data_set_{SMALL.id}.json").write_text(json.dumps(record, default=str))
    few = noise().repeat(4, 0).repeat(4, 1).repeat(4, 2)
    (folder / "ccf_2017").mkdir()
    (folder / "ccf_2017" / "annotation_25.nrrd").write_bytes(nrrd_file(few, 25))
    (folder / "structure_graph_1.json").write_text(json.dumps(ontology()))
    return folder


@pytest.fixture
def service(mirror):
    with AllenServer(mirror=mirror) as server:
        address = {"api_url": server.url, "annotation_url": server.annotation_url}
        with atldld_xr.config.set(address):
            yield server


def test_it_lies_on_the_grid_of_volumes():
    volume = atldld_xr.open_volume("phantom", resolution=100)
    annotation = atldld_xr.open_annotation(resolution=100, source="phantom")
    assert annotation.dims == volume.image.dims[:3]
    for name in annotation.dims:
        xr.testing.assert_identical(annotation[name], volume[name])
    assert annotation.name == "annotation"
    assert annotation.dtype == np.uint32
    assert annotation.chunks == volume.image.chunks[:3]
    xr.testing.assert_equal(xr.merge([volume, annotation]).annotation, annotation)
    assert atldld_xr.open_annotation(source="phantom").shape == (528, 320, 456)


def test_left_is_at_low_r():
    annotation = atldld_xr.open_annotation(resolution=100, source="phantom").load()
    at = annotation.where(annotation == IDS["LM"], drop=True)
    np.testing.assert_allclose([at.coronal.mean(), at.y.mean(), at.x.mean()], LANDMARK[:3], atol=60)
    assert "left is at low r" in annotation.attrs["sides"]


def test_a_file_is_read_as_another_reader_does(folder):
    file = folder / "annotation_100.nrrd"
    expected, _ = nrrd.read(str(file))
    for source in (file, str(file), folder, f"file://{file}"):
        for chunks in ("auto", None, 17, {"x": 5}):
            read = atldld_xr.open_annotation(resolution=100, source=source, chunks=chunks)
            np.testing.assert_array_equal(read, expected)
            assert read.attrs["resampling"] == "none"


def test_a_file_in_a_bucket(folder):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe(
        "/atlas/ccf_2017/annotation_100.nrrd", (folder / "annotation_100.nrrd").read_bytes()
    )
    memory.pipe("/atlas/structure_graph_1.json", json.dumps(ontology()).encode())
    try:
        for source in ("memory://atlas", "memory://atlas/ccf_2017/annotation_100.nrrd"):
            read = atldld_xr.open_annotation(resolution=100, source=source)
            np.testing.assert_array_equal(read[45], noise()[45])
        found = atldld_xr.structures(source="memory://atlas")
        assert found == atldld_xr.structures(source="phantom")
    finally:
        memory.rm("/atlas", recursive=True)


def test_coarser_is_by_majority_and_finer_by_the_nearest(folder):
    labels = noise()
    coarse = atldld_xr.open_annotation(resolution=300, source=folder)
    for place in [(14, 11, 8), (15, 13, 12), (13, 10, 7), (43, 25, 37)]:
        box = labels[tuple(slice(3 * k, 3 * k + 3) for k in place)]
        counted = Counter(box.ravel().tolist())
        most = max(counted.values())
        assert int(coarse[place]) == min(one for one, n in counted.items() if n == most)
    assert "100 um whose centres lie in one" in coarse.attrs["resampling"]
    fine = atldld_xr.open_annotation(resolution=50, source=folder)
    np.testing.assert_array_equal(
        fine[91, 60:80, 50:80], labels[45, 30:40, 25:40].repeat(2, 0).repeat(2, 1)
    )
    assert "nearest voxel of 100 um" in fine.attrs["resampling"]


@lru_cache(maxsize=8)
def whole(folder, resolution):
    return atldld_xr.open_annotation(resolution=resolution, source=folder, chunks=-1).values


RANGES = st.tuples(st.integers(0, 50), st.integers(-40, 132), st.sampled_from([1, 3, -2]))


@given(
    resolution=st.sampled_from([100, 200, 250, 130, 80]),
    chunks=st.one_of(st.none(), st.integers(9, 200), st.tuples(*[st.integers(9, 60)] * 3)),
    ranges=st.tuples(RANGES, RANGES, RANGES),
)
@settings(max_examples=25, deadline=None)
def test_any_chunks_and_any_part_are_the_same_to_the_bit(folder, resolution, chunks, ranges):
    expected = whole(folder, resolution)
    if isinstance(chunks, tuple):
        chunks = dict(zip(("coronal", "y", "x"), chunks, strict=True))
    read = atldld_xr.open_annotation(resolution=resolution, source=folder, chunks=chunks)
    # xarray fails on slices backwards of nothing, whatever is behind them.
    key = tuple(
        slice(first, stop, step) if step > 0 else slice(first % 20 + 9, first % 20, step)
        for first, stop, step in ranges
    )
    np.testing.assert_array_equal(read[key], expected[key])
    np.testing.assert_array_equal(read[{"coronal": 5, "x": [3, 1]}], expected[5][:, [3, 1]])


def test_attributes_say_which_and_whose(folder):
    for version, told in (("ccf_2017", "CCFv3"), ("mouse_2011", "2011")):
        attrs = atldld_xr.open_annotation(resolution=100, source=folder, version=version).attrs
        assert attrs["annotation_version"] == version
        assert told in attrs["annotation"]
        assert "affines to the P56 volume" in attrs["registration"]
        assert "Allen Institute" in attrs["references"]
        assert attrs["license"]
    attrs = atldld_xr.open_annotation(resolution=100, source="phantom").attrs
    assert "no data of the Allen Institute" in attrs["comment"]
    assert "references" not in attrs


def test_of_the_service_one_request_and_then_none(service):
    opened = atldld_xr.open_annotation(resolution=100)
    assert service.log == []
    np.testing.assert_array_equal(opened, noise())
    assert [request.path.rpartition("/")[2] for request in service.log] == ["annotation_25.nrrd"]
    atldld_xr.open_annotation(resolution=25)[200, ::50].load()
    forget_labels()
    opened[50].load()
    with atldld_xr.config.set({"offline": True}):
        atldld_xr.open_annotation(resolution=50)[1].load()
    assert len(service.log) == 1
    atldld_xr.open_annotation(resolution=50, refresh=True)
    assert len(service.log) == 2


def test_without_a_cache_it_is_held_by_the_process(service, no_cache):
    opened = atldld_xr.open_annotation(resolution=100)
    np.testing.assert_array_equal(opened[::7], noise()[::7])
    np.testing.assert_array_equal(opened[:, 33], noise()[:, 33])
    assert len(service.log) == 1


def test_many_threads_and_a_pickle_fetch_it_once(service):
    opened = atldld_xr.open_annotation(resolution=100, chunks=None)
    copies = [pickle.loads(pickle.dumps(opened.copy())) for _ in range(1)]
    threads = [threading.Thread(target=lambda k=k: opened[k].values.sum()) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(copies[0], noise())
    assert len(service.log) == 1


def test_workers_read_it_by_what_they_are_sent(folder, cluster):
    opened = atldld_xr.open_annotation(resolution=200, source=folder)
    computed = opened.compute()
    with atldld_xr.config.set({"cache.enabled": False}):
        np.testing.assert_array_equal(computed, opened.compute(scheduler="threads"))


@pytest.mark.parametrize("kind", ["truncated", "reset", "html", "503", "short", "429"])
def test_a_bad_answer_is_asked_for_again(service, kind):
    service.faults = Faults(first=1, kinds=(kind,), metadata=True, retry_after=0.01)
    np.testing.assert_array_equal(atldld_xr.open_annotation(resolution=100), noise())
    assert 2 <= len(service.log) <= 3


def test_what_cannot_be_had_is_told(service):
    with pytest.raises(ServiceError, match="no annotation at"):
        atldld_xr.open_annotation(version="mouse_2011")[1].load()
    with pytest.raises(ServiceError, match="offline"):
        atldld_xr.open_annotation(offline=True)
    with pytest.raises(ServiceError, match="offline"):
        atldld_xr.structures(offline=True)
    with pytest.raises(InvalidArgumentError, match="offline is on"):
        atldld_xr.structures(offline=True, refresh=True)


def test_a_damaged_cache_is_filled_again(service, tmp_path):
    atldld_xr.open_annotation(resolution=100)[45].load()
    (kept,) = (tmp_path / "cache").rglob("*.labels")
    content = kept.read_bytes()
    kept.write_bytes(content[:999] + b"?" + content[1000:])
    forget_labels()
    read = atldld_xr.open_annotation(resolution=100)
    np.testing.assert_array_equal(read, noise())
    assert len(service.log) == 2
    assert kept.read_bytes() == content


def test_a_file_that_has_changed_is_read_anew(tmp_path):
    file = tmp_path / "annotation_100.nrrd"
    for seed in (1, 2):
        file.write_bytes(nrrd_file(noise(seed=seed), 100))
        read = atldld_xr.open_annotation(resolution=100, source=file)
        np.testing.assert_array_equal(read, noise(seed=seed))


@pytest.mark.parametrize("cut", [0, 50, 5_000, -1])
def test_a_file_that_is_no_annotation_is_told(tmp_path, cut):
    file = tmp_path / "annotation_100.nrrd"
    file.write_bytes(nrrd_file(noise(), 100)[:cut])
    with pytest.raises(MetadataError, match=r"annotation_100.nrrd is no annotation like Allen's"):
        atldld_xr.open_annotation(resolution=100, source=file)[1].load()
    assert not list((tmp_path / "cache").rglob("*.labels"))


@pytest.mark.parametrize(
    "arguments",
    [
        {"version": "ccf_2016"},
        {"version": None},
        {"resolution": 0},
        {"resolution": "25"},
        {"resolution": 1001},
        {"chunks": 0},
        {"chunks": "small"},
        {"source": "nowhere"},
        {"source": "nowhere.nrrd"},
        {"source": "."},
        {"source": 5},
        {"source": "https://example.org/atlas.nrrd"},
        {"source": "https://u:p@example.org/annotation_25.nrrd"},
        {"offline": "no"},
        {"refresh": None},
    ],
)
def test_what_cannot_work_is_refused(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgumentError) as caught:
        atldld_xr.open_annotation(**arguments)
    assert len(str(caught.value)) < 400


def test_an_address_that_is_none_is_told_with_its_setting():
    with (
        atldld_xr.config.set({"annotation_url": "ftp://nowhere"}),
        pytest.raises(InvalidArgumentError, match="setting annotation_url"),
    ):
        atldld_xr.open_annotation()


def test_the_ontology_of_the_service_is_kept(service):
    found = atldld_xr.structures()
    assert found == atldld_xr.structures(source="phantom")
    assert atldld_xr.structures() == found
    assert len(service.log) == 1
    atldld_xr.structures(refresh=True)
    assert len(service.log) == 2


def test_the_ontology_of_files(folder, tmp_path):
    expected = atldld_xr.structures(source="phantom")
    for source in (folder, folder / "structure_graph_1.json", folder / "annotation_100.nrrd"):
        assert atldld_xr.structures(source=source) == expected
    with pytest.raises(InvalidArgumentError, match="no ontology at"):
        atldld_xr.structures(source=tmp_path)
    (tmp_path / "structure_graph_1.json").write_text("{}")
    with pytest.raises(MetadataError, match="no ontology like Allen's"):
        atldld_xr.structures(source=tmp_path)


def test_every_label_of_the_phantom_is_in_its_ontology_and_every_leaf_has_voxels():
    labels = atldld_xr.open_annotation(resolution=100, source="phantom").values
    found = atldld_xr.structures(source="phantom")
    assert set(np.unique(labels).tolist()) - {0} == set(found.leaves)
    assert found.is_in(labels, "root").sum() == (labels > 0).sum()


def test_the_service_of_the_phantom_has_its_annotation():
    from atldld_xr.testing.atlas import PhantomAtlas

    content = PhantomAtlas().annotation("ccf_2017", 100)
    with AllenServer() as server, atldld_xr.config.set({"api_url": server.url}):
        assert atldld_xr.structures().acronym(IDS["DG"]) == "DG"
        import requests

        got = requests.get(f"{server.annotation_url}/ccf_2017/annotation_100.nrrd", timeout=60)
        assert got.content == content
        assert (
            requests.get(
                f"{server.annotation_url}/ccf_2017/annotation_7.nrrd", timeout=9
            ).status_code
            == 404
        )
