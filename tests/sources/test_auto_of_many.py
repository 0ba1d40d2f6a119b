"""Many data sets of several sources: metadata in few requests, and a warning for each failure."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import xarray as xr

import atldld_xr
from atldld_xr.allen.bucket_layout import dataset_key
from atldld_xr.datasets.records_ahead import records_ahead
from atldld_xr.errors import DatasetNotFoundError, SourceFallbackWarning
from atldld_xr.settings import config
from atldld_xr.sources import auto, heard
from atldld_xr.sources.bucket import slides_of
from atldld_xr.testing import AllenServer, Faults, gene_phantoms
from slides import bucket_record, putting

TEN = gene_phantoms(10, count=2)
IDS = [phantom.id for phantom in TEN]
COARSE = {"resolution": 200}


@pytest.fixture(scope="module")
def running() -> Iterator[AllenServer]:
    with AllenServer(TEN) as server:
        yield server


@pytest.fixture
def server(running: AllenServer) -> Iterator[AllenServer]:
    for forget in (heard.forget, auto._chosen.cache_clear, slides_of.cache_clear):
        forget()
    running.faults = Faults()
    running.clear_log()
    with config.set({"api_url": running.url, "http.retries": 0}):
        yield running


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return where a bucket says that it has all data sets; of pixels it has none."""
    pytest.importorskip("imagecodecs")
    put = putting(folder := str(tmp_path_factory.mktemp("bucket")))
    for phantom in TEN:
        put(dataset_key(phantom.id), json.dumps(bucket_record(phantom)).encode())
    return f"{folder}/section_data_sets.json"


@pytest.fixture(params=["auto", "bucket"])
def source(request: pytest.FixtureRequest, bucket: str) -> Iterator[str]:
    with config.set({"auto.sources": ["service", bucket]}):
        yield "auto" if request.param == "auto" else bucket


def mirrored(path: Path, phantoms: int) -> str:
    """Copy the metadata of some data sets."""
    path.mkdir()
    for phantom in TEN[:phantoms]:
        answer = {"success": True, "id": 0, "start_row": 0, "num_rows": 1, "total_rows": 1}
        record = json.dumps(answer | {"msg": [phantom.record]})
        (path / f"section_data_set_{phantom.id}.json").write_text(record)
    return str(path)


def test_their_metadata_come_in_a_page(server: AllenServer, source: str) -> None:
    tree = atldld_xr.open_datasets([*IDS, 77], source=source, on_missing="skip", **COARSE)
    # Of several, the service is asked for one alone first, which shows that it is there.
    assert server.metadata_requests <= 3 + (source == "auto")  # two are for what is nowhere
    assert list(tree.children) == [str(number) for number in IDS]
    [missing] = tree.attrs["missing"]
    assert missing.startswith("77: ")
    server.clear_log()
    for number in IDS:
        alone = atldld_xr.open_dataset(number, source=source, **COARSE)
        xr.testing.assert_identical(tree[str(number)].to_dataset(), alone)
    assert server.metadata_requests == 0


def test_their_metadata_are_asked_for_ahead(server: AllenServer, source: str) -> None:
    assert list(records_ahead(IDS, source=source)) == IDS
    assert server.metadata_requests <= 2
    server.clear_log()
    for number in IDS:
        atldld_xr.open_dataset(number, source=source, **COARSE)
    assert server.metadata_requests == 0


def test_a_bucket_takes_kept_ones_where_the_service_is_gone(
    server: AllenServer, bucket: str
) -> None:
    atldld_xr.open_datasets(IDS[:3], source=bucket)
    server.faults = Faults(rate=1, kinds=("503",), metadata=True)
    with config.set({"cache.metadata_days": 0}):
        for _ in range(2):
            tree = atldld_xr.open_datasets(IDS[:5], source=bucket, on_missing="skip")
            assert list(tree.children) == [str(number) for number in IDS[:3]]
            assert all("answered 503" in told for told in tree.attrs["missing"])


def test_that_a_mirror_has_not_all_is_no_failure(server: AllenServer, tmp_path: Path) -> None:
    mirror = mirrored(tmp_path / "mirror", 4)
    with (
        config.set({"auto.sources": [mirror, "service"]}),
        warnings.catch_warnings(action="error"),
    ):
        tree = atldld_xr.open_datasets(IDS, source="auto")
        alone = atldld_xr.open_dataset(IDS[4], source="auto")
        with pytest.raises(DatasetNotFoundError, match="it holds"):
            atldld_xr.open_dataset(77, source="auto")
    sources = [tree[str(number)].attrs["source"] for number in IDS]
    assert sources == [mirror] * 4 + [server.url] * 6
    assert alone.attrs["source"] == server.url


@pytest.mark.parametrize("is_there", [False, True])
def test_a_mirror_of_nothing_is_told_once(
    server: AllenServer, tmp_path: Path, is_there: bool
) -> None:
    """Where a disk is not mounted there is no folder, or an empty one."""
    mirror = mirrored(tmp_path / "mirror", 0) if is_there else f"{tmp_path}/mirror"
    with config.set({"auto.sources": f"{mirror},service"}):
        with pytest.warns(SourceFallbackWarning) as caught:
            tree = atldld_xr.open_datasets(IDS, source="auto")
        [told] = caught
        said = f"another source is taken for 10 data sets, as {mirror} failed: there is no"
        assert str(told.message).startswith(said)
        assert {node.attrs["source"] for node in tree.children.values()} == {server.url}
        with pytest.warns(SourceFallbackWarning, match=f"no section data set {IDS[0]} in {mirror}"):
            atldld_xr.open_dataset(IDS[0], source="auto")


def test_a_service_that_is_down_is_told_once(server: AllenServer, bucket: str) -> None:
    with config.set({"auto.sources": ["service", bucket], "cache.metadata_days": 0}):
        atldld_xr.open_datasets(IDS, source="auto")
        heard.forget()
        server.faults = Faults(rate=1, kinds=("503",), metadata=True)
        server.clear_log()
        with pytest.warns(SourceFallbackWarning) as caught:
            tree = atldld_xr.open_datasets(IDS, source="auto")
    [told] = caught
    assert "for 10 data sets" in str(told.message)
    assert "answered 503" in str(told.message)
    assert {node.attrs["source"] for node in tree.children.values()} == {
        bucket.removesuffix("/section_data_sets.json")
    }
    assert server.metadata_requests == 1  # it is not waited for again
