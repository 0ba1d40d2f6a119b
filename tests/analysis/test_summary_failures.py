"""Summaries over a service that fails: what is lost is said, and what is had is the same bytes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest

import atldld_xr
from atldld_xr.errors import InvalidArgumentError, MissingExtraError, SectionImageError, StoreError
from atldld_xr.testing import Faults
from kills import SLOW, SMALL
from structures_of import TREE, labels_of

_processes = multiprocessing.get_context("forkserver")


def opened(url, **arguments):
    arguments = {"resolution": 50, "expression": "intensity", "on_error": "fill", **arguments}
    return atldld_xr.open_dataset(SMALL.id, source=url, **arguments)


def summary(dataset, **arguments):
    labels = labels_of(dataset, "coronal")
    return dataset.atldld.structure_summary(labels, ontology=TREE, **arguments)


def table(url, path, **arguments):
    """Write a summary, and return its bytes."""
    return summary(opened(url), by="section", **arguments).atldld.to_table(path).read_bytes()


@pytest.fixture
def expected(server, tmp_path):
    with atldld_xr.config.set({"cache.enabled": False}):
        return table(server.url, tmp_path / "expected.csv", hemisphere="each")


def test_with_a_third_of_requests_failing_it_is_the_same_bytes(server, tmp_path, expected):
    kinds = ("503", "reset", "truncated", "html", "corrupt", "short")
    server.faults = Faults(rate=1 / 3, kinds=kinds)
    assert table(server.url, tmp_path / "a.csv", hemisphere="each") == expected
    assert sum(request.fault is not None for request in server.log) > 3


def _summarize(url, cache, path):
    with atldld_xr.config.set({"cache.directory": cache, "http.backoff": 0.01}):
        table(url, path, hemisphere="each")


@pytest.mark.parametrize("after", [1, 5])
def test_killed_and_begun_again_it_is_the_same_bytes_and_asks_for_the_rest(
    server, tmp_path, expected, after
):
    server.clear_log()
    server.faults = Faults(rate=1, kinds=("slow", "slow", "503"), delay=0.2, seed=after)
    cache, path = str(tmp_path / "kept"), tmp_path / "a.csv"
    child = _processes.Process(target=_summarize, args=(server.url, cache, path))
    child.start()
    deadline = time.monotonic() + 60
    while server.image_requests < after and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert not path.exists()
    server.faults = Faults(rate=1 / 3)
    with atldld_xr.config.set({"cache.directory": cache}):
        assert table(server.url, path, hemisphere="each") == expected
        with atldld_xr.config.set({"offline": True}):
            assert table(server.url, path, hemisphere="each") == expected


@pytest.mark.parametrize("chunks", ["auto", None], ids=["dask", "without dask"])
@pytest.mark.parametrize("lost", ["image", "mask"])
def test_sections_that_cannot_be_read_are_not_counted_and_named(server, no_cache, lost, chunks):
    whole = opened(server.url)
    ids = whole.section_image_id.values.tolist()
    never = {ids[2], ids[4]}
    server.faults = Faults(never=never)
    with atldld_xr.config.set({"http.retries": 1}):
        dataset = opened(server.url, chunks=chunks)
        if lost == "mask":  # of the same sections, the images are had
            server.faults = Faults()
            dataset = dataset.assign(
                expression_status=dataset.expression_status.copy(
                    data=[int(i in never) for i in ids]
                )
            )
        found, each = summary(dataset), summary(dataset, by="section")
    server.faults = Faults()
    others = [k for k, i in enumerate(ids) if i not in never]
    assert found.attrs["sections_counted"] == len(others)
    assert found.attrs["sections_not_counted"] == (
        f"2 of {len(ids)} (image or mask could not be read): {ids[2]}, {ids[4]}"
    )
    rest = opened(server.url).isel(coronal=others)
    labels = labels_of(opened(server.url), "coronal").isel(coronal=others)
    expected = rest.atldld.structure_summary(labels, ontology=TREE)
    assert found.drop_attrs().equals(expected.drop_attrs())
    lost_row = each.isel(section=2).sel(structure="root")
    assert str(lost_row.reason.values) == "the section, or its mask, could not be read"
    assert lost_row.sum_pixels.isnull()


def test_of_a_store_it_is_the_same(server, tmp_path):
    import xarray as xr

    opened(server.url).atldld.to_zarr(tmp_path / "a.zarr")
    stored = summary(xr.open_zarr(tmp_path / "a.zarr"), by="section", hemisphere="each")
    assert stored.equals(summary(opened(server.url), by="section", hemisphere="each"))
    assert stored.attrs["sections_not_counted"] == "none"


def test_under_raise_a_section_that_cannot_be_read_ends_it(server, no_cache):
    dataset = opened(server.url, on_error="raise")
    server.faults = Faults(never={int(dataset.section_image_id[3])})
    with atldld_xr.config.set({"http.retries": 0}), pytest.raises(SectionImageError):
        summary(dataset)


def test_each_tile_is_asked_for_once_however_many_structures(server, no_cache):
    dataset = opened(server.url, chunks=40)
    summary(dataset)
    assert server.image_requests == 2 * dataset.sizes["coronal"]


def test_it_ends_when_the_service_is_slow_and_nothing_is_left_running(server, no_cache):
    import threading

    before = threading.active_count()
    server.faults = SLOW
    summary(opened(server.url))
    assert threading.active_count() <= before + 1  # the server's own


def test_tables(server, tmp_path):
    import pandas as pd

    found = summary(opened(server.url))
    written = pd.read_csv(found.atldld.to_table(tmp_path / "a.csv"), keep_default_na=False)
    assert written.structure.tolist() == [TREE.acronym(own) for own in TREE.ids]
    assert tuple(written.structure_id) == TREE.ids
    assert float(written.expression_energy[0]) == float(found.expression_energy[0])
    values = found.atldld.structure_values("expression_energy")
    assert list(values) == ["root", "dorsal", "front", "back", "ventral"]
    assert values["root"] == float(found.expression_energy.sel(structure="root"))
    each = summary(opened(server.url), by="section", hemisphere="each")
    rows = pd.read_csv(each.atldld.to_table(str(tmp_path / "b.csv")))
    assert len(rows) == 6 * 3 * each.sizes["section"]
    assert {"section_image_id", "coronal", "hemisphere_id", "reason"} <= set(rows)
    one = each.isel(section=0, hemisphere_id=2).atldld.structure_values("n_sections")
    assert one["root"] == 1
    with pytest.raises(InvalidArgumentError, match="one value of a structure for each"):
        each.atldld.structure_values("sum_pixels")
    with pytest.raises(InvalidArgumentError, match=r"columns are sum_pixels, .*; not 'reason'"):
        found.atldld.structure_values("reason")
    with pytest.raises(InvalidArgumentError, match=r"as \.csv or \.parquet"):
        found.atldld.to_table(tmp_path / "a.xlsx")
    with pytest.raises(InvalidArgumentError, match="is no summary of structures"):
        opened(server.url).atldld.to_table(tmp_path / "a.csv")
    with pytest.raises(StoreError, match="cannot be written: "):
        found.atldld.to_table(tmp_path / "nowhere" / "a.csv")


def test_parquet(server, tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pandas as pd

    found = summary(opened(server.url), by="section")
    written = pd.read_parquet(found.atldld.to_table(tmp_path / "a.parquet"))
    pd.testing.assert_frame_equal(written, found.to_dataframe().reset_index())


def test_without_pyarrow_the_error_names_the_extra(server, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    found = summary(opened(server.url))
    with pytest.raises(MissingExtraError, match=r'pip install "atldld-xr\[parquet\]"'):
        found.atldld.to_table(tmp_path / "a.parquet")
    assert not (tmp_path / "a.parquet").exists()
