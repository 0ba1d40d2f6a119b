"""Many data sets as one tree: each node is what open_dataset opens, by few requests."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.errors import DatasetNotFoundError, InvalidArgumentError, ServiceError
from atldld_xr.sources.record_pages import PAGE
from atldld_xr.testing import AllenServer, Faults, Quirks, gene_phantoms

PHANTOMS = gene_phantoms(PAGE + 10, count=3)
IDS = [phantom.id for phantom in PHANTOMS]
COARSE = {"resolution": 200}


@pytest.fixture(scope="module")
def shared():
    with AllenServer(PHANTOMS) as server:
        yield server


@pytest.fixture
def server(as_source):
    return as_source


def test_each_node_is_what_opening_it_alone_gives(server):
    tree = atldld_xr.open_datasets(reversed(IDS), **COARSE)
    assert list(tree.children) == [str(number) for number in reversed(IDS)]
    assert server.metadata_requests == 2
    for number in IDS[:3]:
        alone = atldld_xr.open_dataset(number, **COARSE)
        xr.testing.assert_identical(tree[str(number)].to_dataset(), alone)
        for name, array in alone.data_vars.items():
            assert tree[str(number)][name].data.name == array.data.name
    assert (server.metadata_requests, server.image_requests) == (2, 0)  # they were kept


def test_what_was_kept_is_not_asked_for(server):
    atldld_xr.open_dataset(IDS[1])
    assert server.metadata_requests == 1
    tree = atldld_xr.open_datasets(IDS[:3])
    last = server.log[-1].query["criteria"]
    assert str(IDS[0]) in last
    assert str(IDS[1]) not in last
    atldld_xr.open_datasets(IDS[:3])
    assert server.metadata_requests == 2
    refreshed = atldld_xr.open_datasets(IDS[:3], refresh=True)
    assert server.metadata_requests == 3
    assert refreshed.identical(tree)
    atldld_xr.open_datasets(IDS[:3], offline=True)
    assert server.metadata_requests == 3


def test_without_a_cache(server):
    with atldld_xr.config.set({"cache.enabled": False}):
        tree = atldld_xr.open_datasets(IDS)
    assert (len(tree.children), server.metadata_requests) == (len(IDS), 2)
    assert max(len(request.query["criteria"]) for request in server.log) < 1500


@pytest.mark.parametrize("chunks", ["auto", None])
def test_a_tree_computes_slices_maps_and_travels(server, chunks):
    tree = atldld_xr.open_datasets(IDS[:3], chunks=chunks, **COARSE)  # two planes
    part = tree.isel(y=slice(10, 20), x=slice(20, 30))
    alone = atldld_xr.open_dataset(IDS[2], **COARSE).isel(y=slice(10, 20), x=slice(20, 30))
    assert server.image_requests == 0
    travelled = pickle.loads(pickle.dumps(part))
    assert server.image_requests == 0
    expected = alone.compute()
    for one in (part, travelled):
        xr.testing.assert_equal(one[str(IDS[2])].to_dataset().compute(), expected)
    means = tree.map_over_datasets(lambda ds: ds[["coverage"]].mean(("y", "x")) if ds else ds)
    assert set(means[str(IDS[2])].dims) == {"sagittal"}
    loaded = means.load()
    for number in IDS[:3]:
        assert 0 < loaded[str(number)].coverage.mean() < 1


def test_a_search_result_is_a_tree(server):
    found = atldld_xr.search(gene=["Gene2", "Gene40"])
    tree = atldld_xr.open_datasets(found, **COARSE)
    assert [node.attrs["genes"] for node in tree.children.values()] == [["Gene2"], ["Gene40"]]
    images = atldld_xr.search_images(gene=["Gene2", "Gene40"])
    assert atldld_xr.open_datasets(images, **COARSE).identical(tree)


def test_what_cannot_be_opened_is_told(server):
    names = [IDS[0], 77, IDS[1], 78]
    with pytest.raises(DatasetNotFoundError, match="there is no section data set 77"):
        atldld_xr.open_datasets(names)
    tree = atldld_xr.open_datasets(names, on_missing="skip")
    assert list(tree.children) == [str(IDS[0]), str(IDS[1])]
    first, second = tree.attrs["missing"]
    assert first.startswith("77: there is no section data set 77 at http")
    assert second.startswith("78: there is no")
    with pytest.raises(DatasetNotFoundError, match="77"):
        atldld_xr.open_datasets([77, 78], on_missing="skip")
    assert "missing" not in atldld_xr.open_datasets(IDS[:2]).attrs


@pytest.mark.parametrize(
    "arguments",
    [
        {"resolution": -1},
        {"interpolation": "best"},
        {"plane": "coronal"},
        {"refresh": "yes"},
        {"offline": "no"},
        {"source": "nowhere"},
        {"on_missing": "fill"},
        {"registration": 7},
    ],
    ids=str,
)
def test_arguments_that_cannot_work_ask_for_nothing(server, arguments):
    with pytest.raises(InvalidArgumentError):
        atldld_xr.open_datasets(IDS, **{"on_missing": "skip"} | arguments)
    assert not server.log


def test_an_argument_that_there_is_none_of():
    with pytest.raises(TypeError, match=r"open_datasets\(\) .*'resolutoin'"):
        atldld_xr.open_datasets(["phantom"], resolutoin=25)


def test_the_phantoms_beside_a_service(server):
    tree = atldld_xr.open_datasets(["phantom-sagittal", IDS[0], "phantom"], **COARSE)
    assert list(tree.children) == ["900000002", str(IDS[0]), "900000001"]
    assert [node.attrs["source"] for node in tree.children.values()] == [
        "phantom",
        server.url,
        "phantom",
    ]
    assert server.metadata_requests == 1


def test_from_a_mirror(server, tmp_path):
    atldld_xr.mirror(IDS[:3], path=tmp_path / "mirror", **COARSE)
    served = atldld_xr.open_datasets(IDS[:3], **COARSE)
    server.clear_log()
    tree = atldld_xr.open_datasets(IDS[:3], source=tmp_path / "mirror", **COARSE)
    for number in map(str, IDS[:3]):
        np.testing.assert_array_equal(tree[number].image[0], served[number].image[0])
    assert server.metadata_requests == 0


def test_pages_that_are_cut_lose_nothing():
    for joined in (False, True):
        served = AllenServer(PHANTOMS[:9], max_rows=7, quirks=Quirks(joined_rows=joined))
        with served as server, atldld_xr.config.set({"cache.enabled": False}):
            tree = atldld_xr.open_datasets(IDS[:9], source=server.url)
            assert [node.sizes for node in tree.children.values()] == [
                atldld_xr.open_dataset(number, source=server.url).sizes for number in IDS[:9]
            ]


def test_faults_are_waited_out_and_a_service_that_is_down_is_told(server):
    server.faults = Faults(rate=0.5, kinds=("503", "truncated", "html"), metadata=True)
    with atldld_xr.config.set({"http.retries": 20}):
        assert len(atldld_xr.open_datasets(IDS).children) == len(IDS)
    server.faults = Faults(rate=1, metadata=True)
    server.clear_log()
    with atldld_xr.config.set({"http.retries": 1}), pytest.raises(ServiceError):
        atldld_xr.open_datasets(range(5000, 5500), on_missing="skip")
    assert len(server.log) < 10  # not each of five hundred
