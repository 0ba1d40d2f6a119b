"""A service that is not at its best, or changes meanwhile: all is found, once, or it is told."""

from __future__ import annotations

import pytest

import atldld_xr
from atldld_xr.errors import ServiceError
from atldld_xr.testing import AllenServer, Catalogue, Faults, Quirks
from catalogued import donor, gene, good, ids, plane


@pytest.mark.parametrize("cap", [1, 2, 30])
def test_short_pages(catalogue, cap):
    with AllenServer([], catalogue=catalogue, max_rows=cap) as server:
        found = atldld_xr.search(gene="Syn*", sex="M", limit=70, source=server.url)
    wanted = [d for d in good(catalogue) if (gene(d) or "")[:3] == "Syn" and donor(d)["sex"] == "M"]
    assert found.id.tolist() == ids(wanted)[:70]


def test_pages_cut_by_rows_of_a_join_give_whole_data_sets():
    catalogue = Catalogue(300)
    with AllenServer([], catalogue=catalogue, quirks=Quirks(joined_rows=True)) as server:
        found = atldld_xr.search(source=server.url, failed=None)
        asked = server.metadata_requests
        images = atldld_xr.search_images(source=server.url, failed=None)
        few = atldld_xr.search(source=server.url, failed=None, limit=60)
        assert asked <= 6  # some more than if pages were of data sets
        before = server.metadata_requests
        assert len(atldld_xr.search(source=server.url, failed=None, limit=1)) == 1
        assert server.metadata_requests - before <= 3  # though its first page has two rows
    assert found.id.tolist() == ids(catalogue.datasets)
    assert found.sections.tolist() == [len(d["section_images"]) for d in catalogue.datasets]
    assert len(images) == found.sections.sum()
    assert few.equals(found[:60])


def test_what_changes_between_pages_hides_and_doubles_nothing():
    first = Catalogue(1000)
    gone = ids(first.datasets[40:190])
    changes = {3: lambda c: c.remove(gone), 6: lambda c: c.add(120)}
    with AllenServer([], catalogue=Catalogue(1000, changes=changes)) as server:
        found = atldld_xr.search(source=server.url, failed=None).id.tolist()
    assert found == sorted(set(found))
    assert set(found) == set(ids(Catalogue(1120).datasets))  # those gone had been seen by then


def test_faults_are_tried_again(server, catalogue):
    server.faults = Faults(
        rate=0.3, kinds=("503", "reset", "truncated", "html", "short"), metadata=True
    )
    assert atldld_xr.search(failed=None, plane="sagittal").id.tolist() == ids(
        d for d in catalogue.datasets if plane(d) == 2
    )
    assert {r.fault for r in server.log} > {None, "503"}


def test_an_interrupted_search_goes_on_where_it_ended(server):
    with atldld_xr.config.set({"http.retries": 0}):
        server.faults = Faults(rate=0.2, metadata=True)
        told: list[str] = []
        found = None
        while found is None:
            try:
                found = atldld_xr.search()
            except ServiceError as error:
                told.append(str(error))
    assert len(told) > 1
    assert all(message.startswith("data sets") for message in told)
    assert len(found) > 2500
    assert server.metadata_requests == 29 + len(told)


def test_of_several_queries_an_error_says_which():
    names = [f"Syn{k:04d}" for k in range(400)]
    with (
        AllenServer([], faults=Faults(rate=1.0, metadata=True)) as server,
        atldld_xr.config.set({"http.retries": 0}),
        pytest.raises(ServiceError, match=r"^data sets, query 1 of 3: .*503"),
    ):
        atldld_xr.search(gene=names, source=server.url)
