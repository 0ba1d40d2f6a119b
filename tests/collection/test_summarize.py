"""One table of many data sets: each row as of one alone, whoever makes it and in what order."""

from __future__ import annotations

import random
import threading
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.collection import run
from atldld_xr.errors import (
    DatasetNotFoundError,
    InvalidArgumentError,
    MetadataError,
    ServiceError,
    StoreError,
)
from atldld_xr.testing import AllenServer, Faults
from atldld_xr.testing.genes import gene_phantoms
from collection import IDS, SIX, files, loop, same_rows

OPENING = {"resolution": 100}


@pytest.fixture
def summarize(server, atlas):
    """Return the function, of this service and atlas."""

    def of(path, ids=IDS, **asked):
        where = {"source": server.url, "annotation": atlas}
        return atldld_xr.summarize(ids, **{"url": path, **where, **OPENING, **asked})

    return of


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"hemisphere": "each", "structures": ["HPF", "DG"], "threshold": 60},
        {"hemisphere": "left"},
    ],
)
def test_a_table_says_what_a_loop_says(server, atlas, summarize, tmp_path, asked):
    report = summarize(tmp_path / "a.zarr", **asked)
    assert (report.datasets, report.counted, report.skipped, report.failures) == (6, 6, 0, ())
    table = xr.open_zarr(tmp_path / "a.zarr").load()
    same_rows(table, loop(IDS, atlas, opening={"source": server.url, **OPENING}, **asked))
    assert table.dataset.values.tolist() == IDS
    assert table.plane.values.tolist() == ["coronal", "coronal", "sagittal"] * 2
    assert table.reference_space_id.values.tolist() == [9, 9, 10] * 2
    assert table.sel(structure="DG")["expression_energy"].notnull().any()


def test_it_is_fetched_once_and_a_finished_one_asks_for_nothing(server, summarize, tmp_path):
    summarize(tmp_path / "a.zarr")
    sections = sum(len(p.record["section_images"]) - 1 for p in SIX)  # one of each has failed
    assert server.image_requests == 2 * sections
    assert len([r for r in server.log if r.image_id is None]) == 1  # records come in pages
    server.clear_log()
    with atldld_xr.config.set({"cache.enabled": False}):
        said = {"resolution": 100.0, "anchor": "center"}  # as the command line says all
        report = summarize(tmp_path / "a.zarr", **said)
    assert (report.counted, report.skipped) == (0, 6)
    assert server.image_requests == 0


def test_any_order_is_the_same_to_the_byte(summarize, tmp_path, monkeypatch):
    summarize(tmp_path / "a.zarr")
    true = run._on_threads

    def shuffled(rows, task):
        entries = list(true(reversed(list(rows)), task))
        random.Random(3).shuffle(entries)
        yield from entries

    monkeypatch.setattr(run, "_on_threads", shuffled)
    summarize(tmp_path / "b.zarr")
    assert files(tmp_path / "a.zarr") == files(tmp_path / "b.zarr")
    with atldld_xr.config.set({"http.connections": 1}):
        summarize(tmp_path / "c.zarr")
    assert files(tmp_path / "a.zarr") == files(tmp_path / "c.zarr")


def test_a_cluster_writes_the_same_bytes(summarize, tmp_path, request):
    summarize(tmp_path / "a.zarr")
    request.getfixturevalue("cluster")
    summarize(tmp_path / "b.zarr")
    assert files(tmp_path / "a.zarr") == files(tmp_path / "b.zarr")
    server = request.getfixturevalue("server")
    server.clear_log()
    summarize(tmp_path / "b.zarr")
    assert server.image_requests == 0


def test_an_object_store_has_the_same_bytes(summarize, tmp_path, bucket):
    url, options = bucket
    summarize(tmp_path / "a.zarr")
    summarize(f"{url}/a.zarr", storage_options=options)
    table = xr.open_zarr(f"{url}/a.zarr", storage_options=options).load()
    xr.testing.assert_identical(table, xr.open_zarr(tmp_path / "a.zarr").load())


def test_what_was_stopped_goes_on(server, summarize, tmp_path, monkeypatch):
    summarize(tmp_path / "whole.zarr")
    true, stop = run.make_row, threading.Event()

    def stopping(dataset_id, *rest):
        if dataset_id == IDS[3]:
            raise KeyboardInterrupt
        return true(dataset_id, *rest)

    monkeypatch.setattr(run, "make_row", stopping)
    with atldld_xr.config.set({"http.connections": 1}), pytest.raises(KeyboardInterrupt):
        summarize(tmp_path / "a.zarr")
    stop.set()
    monkeypatch.undo()
    half = xr.open_zarr(tmp_path / "a.zarr", consolidated=False)
    assert half["sum_pixels"].notnull().any("structure").values.tolist() == [True] * 3 + [False] * 3
    assert atldld_xr.status(tmp_path / "a.zarr").state == "interrupted"
    server.clear_log()
    with atldld_xr.config.set({"cache.enabled": False}):
        report = summarize(tmp_path / "a.zarr")
    assert (report.counted, report.skipped) == (3, 3)
    assert files(tmp_path / "a.zarr") == files(tmp_path / "whole.zarr")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"threshold": 30}, "threshold: 25 there, 30 asked"),
        ({"resolution": 200}, "resolution: 100 there, 200 asked"),
        ({"structures": ["DG"]}, "structure"),
        ({"ids": IDS[::-1]}, "dataset"),
        ({"ids": IDS[:5]}, "5 asked"),
        ({"interpolation": "nearest"}, "interpolation"),
        ({"method": "grid"}, "voxel_energy_mean is only asked"),
    ],
)
def test_another_table_is_refused(summarize, tmp_path, asked, told):
    summarize(tmp_path / "a.zarr")
    before = files(tmp_path / "a.zarr")
    with pytest.raises(StoreError, match=r"exists and was made otherwise") as caught:
        summarize(tmp_path / "a.zarr", **asked)
    assert told in str(caught.value)
    assert files(tmp_path / "a.zarr") == before
    summarize(tmp_path / "a.zarr", mode="w", **asked)


@pytest.mark.parametrize("number", [float, np.int64, np.float32])
def test_a_resolution_is_the_same_as_whatever_number_it_comes(summarize, tmp_path, number):
    summarize(tmp_path / "a.zarr", ids=IDS[:1])
    again = summarize(tmp_path / "a.zarr", ids=IDS[:1], resolution=number(OPENING["resolution"]))
    assert (again.counted, again.skipped) == (0, 1)


def test_one_of_another_version_is_refused(summarize, tmp_path, monkeypatch):
    from atldld_xr.collection import summarize as module

    summarize(tmp_path / "a.zarr")
    monkeypatch.setattr("atldld_xr.collection.plan_table.__version__", "9.9", raising=False)
    assert module is not None
    with pytest.raises(StoreError, match="history"):
        summarize(tmp_path / "a.zarr")


def test_one_that_fails_is_a_row_of_reasons(server, summarize, tmp_path):
    lost = SIX[1].record["section_images"][0]["id"]
    server.faults = Faults(missing={lost})
    ids = [*IDS[:3], 77]
    report = summarize(tmp_path / "a.zarr", ids)
    assert [failure["dataset"] for failure in report.failures] == [IDS[1], 77]
    assert str(lost) in report.failures[0]["reason"]
    table = xr.open_zarr(tmp_path / "a.zarr").load()
    assert [bool(text) for text in table.error.values] == [False, True, False, True]
    assert "77" in str(table.error.values[3])
    there = table["sum_pixels"].notnull().any("structure").values.tolist()
    assert there == [True, False, True, False]
    server.faults = Faults()
    server.clear_log()
    assert summarize(tmp_path / "a.zarr", ids).counted == 0
    report = summarize(tmp_path / "a.zarr", ids, retry_failed=True)
    assert (report.counted, [f["dataset"] for f in report.failures]) == (2, [77])
    summarize(tmp_path / "b.zarr", ids)
    assert files(tmp_path / "a.zarr") == files(tmp_path / "b.zarr")


@pytest.mark.parametrize("on_error", ["raise", "fill"])
def test_where_the_service_is_gone_it_stops_and_goes_on_there(atlas, tmp_path, on_error):
    genes = gene_phantoms(run._MOST_LOST + 12, count=2)
    path, ids = tmp_path / "a.zarr", [phantom.id for phantom in genes]
    asked = {"annotation": atlas, "on_error": on_error, **OPENING}
    with AllenServer(phantoms=genes) as server:
        port = urlsplit(server.url).port
        asked["source"] = server.url
        atldld_xr.summarize(ids, url=path, dry_run=True, **asked)  # the cache has all records
    with (
        atldld_xr.config.set({"http.backoff": 0.01}),
        pytest.raises(ServiceError, match="for 20 data sets in a row"),
    ):
        atldld_xr.summarize(ids, url=path, **asked)
    assert atldld_xr.status(path).failures == ()
    with AllenServer(phantoms=genes, port=port):
        report = atldld_xr.summarize(ids, url=path, **asked)
        assert (report.counted, report.skipped, report.failures) == (len(ids), 0, ())
        atldld_xr.summarize(ids, url=tmp_path / "b.zarr", **asked)
    assert files(path) == files(tmp_path / "b.zarr")


def test_under_fill_what_could_not_be_read_is_told_and_tried_again(server, summarize, tmp_path):
    lost = SIX[1].record["section_images"][0]["id"]
    server.faults = Faults(missing={lost})
    report = summarize(tmp_path / "a.zarr", on_error="fill")
    assert [failure["dataset"] for failure in report.failures] == [IDS[1]]
    table = xr.open_zarr(tmp_path / "a.zarr").load()
    assert table.sections_counted.values.tolist() == [2, 1, 2, 2, 2, 2]
    assert str(lost) in table.sections_not_counted.values[1]
    assert (table.error.values == "").all()
    server.faults = Faults()
    assert summarize(tmp_path / "a.zarr", on_error="fill", retry_failed=True).failures == ()
    table = xr.open_zarr(tmp_path / "a.zarr").load()
    assert table.sections_counted.values.tolist() == [2] * 6


def test_a_damaged_table_is_mended(summarize, tmp_path):
    summarize(tmp_path / "whole.zarr")
    summarize(tmp_path / "a.zarr")
    (tmp_path / "a.zarr" / "coverage" / "c" / "2" / "0").unlink()
    chunk = tmp_path / "a.zarr" / "sum_pixels" / "c" / "4" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    report = summarize(tmp_path / "a.zarr")
    assert (report.counted, report.skipped) == (2, 4)
    assert files(tmp_path / "a.zarr") == files(tmp_path / "whole.zarr")
    ledger = tmp_path / "a.zarr" / "atldld_xr_export" / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-30])
    with pytest.raises(StoreError, match=r"ledger .* is damaged"):
        summarize(tmp_path / "a.zarr")
    summarize(tmp_path / "a.zarr", mode="w")
    assert files(tmp_path / "a.zarr") == files(tmp_path / "whole.zarr")


def test_grids_are_a_table_too(server, atlas, summarize, tmp_path):
    report = summarize(tmp_path / "a.zarr", IDS[:2], method="grid")
    table = xr.open_zarr(tmp_path / "a.zarr").load()
    assert report.failures == ()
    assert server.image_requests == 0
    labels = atldld_xr.open_annotation(source=atlas)
    ontology = atldld_xr.structures(source=atlas)
    for row, number in enumerate(IDS[:2]):
        grid = atldld_xr.open_grid(number, source=server.url)
        summary = grid.atldld.structure_summary(labels, method="grid", ontology=ontology)
        for name in ("voxel_energy_mean", "voxel_energy_cv", "n_voxels", "volume_mm3"):
            np.testing.assert_array_equal(table[name].values[row], summary[name].values)


def test_parquet_says_what_zarr_says(server, summarize, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("atldld_xr.collection.parquet._AT_ONCE", 4)
    summarize(tmp_path / "a.zarr", hemisphere="each")
    summarize(tmp_path / "a.parquet", hemisphere="each")
    assert sorted(p.name for p in (tmp_path / "a.parquet").glob("part*")) == [
        "part-000000.parquet",
        "part-000001.parquet",
    ]
    frame = pd.read_parquet(tmp_path / "a.parquet")
    table = xr.open_zarr(tmp_path / "a.zarr").load()
    keys = ["dataset", "structure", "hemisphere_id"]
    there = table.drop_vars("reason").to_dataframe().reset_index().set_index(keys)
    here = frame.set_index(keys)
    assert len(here) == 6 * 3 * table.sizes["structure"]
    for name in (*(n for n in table.data_vars if n != "reason"), "gene", "error"):
        assert here[name].equals(there.loc[here.index, name].astype(here[name].dtype)), name
    dataset = pytest.importorskip("pyarrow.dataset").dataset(tmp_path / "a.parquet")
    assert dataset.count_rows() == len(frame)  # as other readers find the files
    before = files(tmp_path / "a.parquet")
    server.clear_log()
    (tmp_path / "a.parquet" / "part-000001.parquet").write_bytes(b"")
    (tmp_path / "a.parquet" / "part-000007.parquet").write_bytes(b"left over")
    summarize(tmp_path / "a.parquet", hemisphere="each")
    assert files(tmp_path / "a.parquet") == before
    assert server.image_requests == 0


def test_a_folder_of_something_else_is_left_alone(server, summarize, tmp_path):
    (tmp_path / "a.parquet").mkdir()
    (tmp_path / "a.parquet" / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"something else, as 'mine\.txt'"):
        summarize(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_text("a file")
    with pytest.raises(StoreError, match="is a file"):
        summarize(tmp_path / "b.parquet")
    assert server.image_requests == 0


@pytest.mark.parametrize(
    "asked",
    [
        {"resolution": -1},
        {"threshold": 255},
        {"hemisphere": "middle"},
        {"method": "guess"},
        {"structures": ["no such"]},
        {"structures": []},
        {"ids": []},
        {"annotation": 3},
        {"mode": "a"},
        {"on_error": "ignore"},
        {"url": None},
        {"url": 3},
        {"url": ""},
        {"url": "memory://"},
    ],
)
def test_what_cannot_work_is_refused_before_anything(server, summarize, tmp_path, asked):
    with pytest.raises(InvalidArgumentError):
        summarize(tmp_path / "a.zarr", **asked)
    assert server.image_requests == 0
    assert not (tmp_path / "a.zarr").exists()


def test_an_annotation_that_is_not_there_is_no_table_of_failures(summarize, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises((InvalidArgumentError, MetadataError, StoreError, DatasetNotFoundError)):
        summarize(tmp_path / "a.zarr", annotation=str(empty))
    with pytest.raises(TypeError, match="unexpected"):
        summarize(tmp_path / "a.zarr", colour="red")
