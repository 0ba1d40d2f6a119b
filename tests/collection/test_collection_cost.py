"""What a table takes, told before: of a few data sets it is what is asked for; of many, about."""

from __future__ import annotations

from dataclasses import replace

import pytest

import atldld_xr
from atldld_xr.collection.cost import Need, cost_of, spread
from atldld_xr.errors import ServiceError, StoreError
from atldld_xr.testing import AllenServer, Faults
from atldld_xr.testing.genes import gene_phantoms
from collection import IDS, SIX, files

RATE = {"connections": 8, "requests_per_second": None}


@pytest.fixture
def asked(server, atlas):
    return {"source": server.url, "annotation": atlas, "resolution": 100}


@pytest.mark.parametrize("more", [{}, {"resolution": 50}, {"tier": 0}])
def test_requests_that_are_told_are_made(server, asked, tmp_path, more):
    asked |= more
    told = atldld_xr.summarize(IDS[:3], url=tmp_path / "a.zarr", dry_run=True, **asked)
    assert (told.counted, told.skipped, told.failures) == (0, 0, ())
    assert not (tmp_path / "a.zarr").exists()
    assert server.image_requests == 0
    assert told.cost.is_exact
    assert told.cost.sections == 6
    assert atldld_xr.summarize(IDS[:3], url=tmp_path / "a.zarr", **asked).cost is None
    assert server.image_requests == told.cost.requests


def test_of_a_table_that_is_there_what_is_missing(server, asked, tmp_path):
    path = tmp_path / "a.zarr"
    server.faults = Faults(missing={SIX[1].record["section_images"][0]["id"]})
    atldld_xr.summarize(IDS, url=path, **asked)
    (path / "coverage" / "c" / "4" / "0").unlink()
    before = files(path)
    assert _missing(path, asked) == (1, 5)
    assert _missing(path, asked, retry_failed=True) == (2, 4)
    with pytest.raises(StoreError, match="was made otherwise"):
        _missing(path, asked, threshold=60)
    assert _missing(path, asked, threshold=60, mode="w") == (6, 0)
    assert files(path) == before


def _missing(path, asked, **more):
    told = atldld_xr.summarize(IDS, url=path, dry_run=True, **asked, **more)
    return told.cost.datasets, told.skipped


def test_of_many_fifty_records_are_looked_at_in_one_request(asked, tmp_path):
    genes = [replace(one, count=3 + at % 7) for at, one in enumerate(gene_phantoms(120))]
    with AllenServer(phantoms=genes) as server:
        asked |= {"source": server.url}
        ids = [phantom.id for phantom in genes]
        cost = atldld_xr.summarize(ids, url=tmp_path / "a.zarr", dry_run=True, **asked).cost
        assert len(server.log) == 1
    assert (cost.datasets, cost.known, cost.is_exact) == (120, 50, False)
    sections = sum(one.count - 1 for one in genes)  # one of each has failed
    # Sections of a data set vary by 40 %, of which 50 leave 6 % in the mean.
    assert cost.sections == pytest.approx(sections, rel=0.06)
    assert cost.requests == pytest.approx(2 * sections, rel=0.06)
    assert "120 data sets, by the records of 50: about " in str(cost)


def test_one_that_is_none_takes_nothing_and_no_service_is_an_error(server, asked, tmp_path):
    where = {"url": tmp_path / "a.zarr", "dry_run": True, **asked}
    cost = atldld_xr.summarize([IDS[0], 77], **where).cost
    assert (cost.datasets, cost.sections, cost.requests) == (2, 2, 4)
    assert atldld_xr.summarize([77], **where).cost.requests == 0
    with atldld_xr.config.set({"cache.enabled": False}), pytest.raises(ServiceError):
        atldld_xr.summarize(IDS, **{**where, "source": "http://127.0.0.1:9/api/v2"})


def test_grids_take_one_request_each(server, asked, tmp_path):
    where = {"url": tmp_path / "a.zarr", "method": "grid", **asked}
    cost = atldld_xr.summarize(IDS, dry_run=True, **where).cost
    assert cost.requests == 6
    assert str(cost).startswith("6 data sets: 6 grids, about 780 kB\n")


def test_what_some_take_is_scaled_to_all_and_bound_by_the_polite_rate():
    needs = [Need(60, 120, 24_000_000, 3.0), Need(20, 40, 8_000_000, 1.0)]
    cost = cost_of(needs, 4000, **RATE)
    assert (cost.sections, cost.requests) == (160_000, 320_000)
    assert cost.estimated_bytes == 64_000_000_000
    assert cost.seconds == 320_000 / 8 * 0.2 + 64e9 / (8 * 4e6)
    assert cost.processor_seconds == 8000
    slow = cost_of(needs, 4000, connections=8, requests_per_second=2)
    assert slow.seconds == 160_000
    assert "at most 2 requests a second" in str(slow)


@pytest.mark.parametrize(
    ("count", "found"),
    [(0, []), (3, [0, 1, 2]), (5, [0, 1, 2, 3, 4]), (7, [0, 2, 3, 4, 6]), (20, [2, 6, 10, 14, 18])],
)
def test_a_sample_is_of_all_parts_alike(count, found):
    assert spread(range(count), 5) == found
