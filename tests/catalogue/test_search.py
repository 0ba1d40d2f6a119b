"""Search over a socket: thousands of rows, pages, faults, a catalogue that changes, the cache."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import atldld_xr
from answering import Server, running
from atldld_xr.catalogue.patterns import escape
from atldld_xr.errors import DatasetNotFoundError, InvalidArgumentError, ServiceError
from atldld_xr.testing import AllenServer, Catalogue, Faults, Quirks

COUNT = 3000


@pytest.fixture(scope="module")
def catalogue():
    return Catalogue(COUNT)


@pytest.fixture(scope="module")
def _server(catalogue):
    with AllenServer([], catalogue=catalogue) as server:
        yield server


@pytest.fixture
def server(_server):
    _server.faults = Faults()
    _server.clear_log()
    with atldld_xr.config.set({"source": _server.url}):
        yield _server


def ids(records):
    return [record["id"] for record in records]


def good(catalogue):
    return [record for record in catalogue.datasets if not record["failed"]]


# What is found


def test_all_of_thousands_come_once_in_order(server, catalogue):
    found = atldld_xr.search(failed=None)
    assert found.id.tolist() == ids(catalogue.datasets)
    assert server.metadata_requests == -(-(COUNT - 1) // 99)  # pages of 100 that overlap by one
    sections = [len(record["section_images"]) for record in catalogue.datasets]
    assert found.sections.tolist() == sections


def test_failed_ones_are_left_out_unless_asked_for(server, catalogue):
    assert atldld_xr.search().id.tolist() == ids(good(catalogue))
    failed = atldld_xr.search(failed=True)
    assert failed.failed.all()
    assert len(failed) == COUNT - len(good(catalogue))


@pytest.mark.parametrize(
    ("wanted", "accepts"),
    [
        ({"gene": "Pvalb"}, lambda d: gene(d) == "Pvalb"),
        ({"gene": "Pva*"}, lambda d: (gene(d) or "").startswith("Pva")),
        ({"gene": "*AD*"}, lambda d: "ad" in (gene(d) or "").lower()),
        ({"gene": [14415, "Pvr"]}, lambda d: gene(d) in ("Gad1", "Pvr")),
        ({"gene": r"A930033C01Rik\*"}, lambda d: gene(d) == "A930033C01Rik*"),
        ({"gene": "Pvalb", "plane": "coronal"}, lambda d: gene(d) == "Pvalb" and plane(d) == 1),
        ({"plane": 1}, lambda d: plane(d) == 1),
        ({"product": "devmouse"}, lambda d: d["products"][0]["id"] == 3),
        ({"product": "Developing Mouse Brain"}, lambda d: d["products"][0]["id"] == 3),
        ({"product": 5}, lambda d: False),
        ({"structure": "CA1"}, lambda d: d["structure_unionizes"][0]["expression_energy"] > 0),
        ({"structure": 726}, lambda d: d["structure_unionizes"][1]["expression_energy"] > 0),
        ({"specimen": "E11.5-*"}, lambda d: age(d) == "E11.5"),
        ({"age": "P4"}, lambda d: age(d) == "P4"),
        ({"age": 11.5}, lambda d: age(d) == "E11.5"),
        ({"age": "e1*"}, lambda d: age(d) == "E11.5"),
        ({"strain": "C57BL/6J", "sex": "f"}, lambda d: donor(d).get("sex") == "F"),
        ({"strain": "BALB*"}, lambda d: False),
        ({"treatment": "ISH"}, lambda d: True),
        ({"treatment": "NISSL"}, lambda d: False),
    ],
)
def test_each_argument(server, catalogue, wanted, accepts):
    found = atldld_xr.search(**wanted)
    assert found.id.tolist() == ids(filter(accepts, good(catalogue)))


def gene(record):
    return record["genes"][0]["acronym"] if record["genes"] else None


def plane(record):
    return record["plane_of_section_id"]


def donor(record):
    return (record["specimen"] or {}).get("donor", {})


def age(record):
    return donor(record).get("age", {}).get("name")


def test_a_table_says_what_it_is(server):
    found = atldld_xr.search(gene="Pvalb", plane="coronal", limit=1)
    (row,) = found.to_dict("records")
    assert row == {
        "id": 1001,
        "genes": "Pvalb",
        "gene_names": "parvalbumin",
        "entrez_ids": "19293",
        "plane": "coronal",
        "sections": 2,
        "failed_sections": 1,
        "section_thickness": 25.0,
        "reference_space": 9,
        "products": "Mouse Brain",
        "treatments": "ISH",
        "age": "P56",
        "specimen": "P56-00000",
        "strain": "C57BL/6J",
        "sex": "M",
        "failed": False,
        "expression": False,
    }
    assert found.attrs["source"] == server.url
    assert found.attrs["fetched"].endswith("Z")


def test_a_table_of_nothing_has_the_same_columns(server):
    empty, some = atldld_xr.search(treatment="x"), atldld_xr.search(limit=2)
    assert len(empty) == 0
    assert empty.dtypes.equals(some.dtypes)


@pytest.mark.parametrize("limit", [1, 99, 100, 101, 250])
def test_no_more_is_asked_for_than_a_limit_needs(server, catalogue, limit):
    found = atldld_xr.search(limit=limit)
    assert found.id.tolist() == ids(good(catalogue))[:limit]
    assert server.metadata_requests == 1 + limit // 100


def test_images_are_of_the_data_sets_found(server, catalogue):
    found = atldld_xr.search_images(gene=["Gad1", "Pvalb"])
    records = [d for d in good(catalogue) if gene(d) in ("Gad1", "Pvalb")]
    assert found.id.tolist() == [i["id"] for d in records for i in d["section_images"]]
    assert found.dataset.nunique() == len(records)
    assert found.failed.any()
    before = server.metadata_requests
    atldld_xr.search(gene=["Gad1", "Pvalb"])
    assert server.metadata_requests == before  # it is the same question


def test_genes(server):
    found = atldld_xr.genes("Pv*")
    assert found.acronym.tolist() == ["Pvalb", "Pvr"]
    assert found.entrez_id.tolist() == [19293, 52118]
    assert found.aliases.tolist() == ["Parv; PV; Pva", "CD155"]
    assert atldld_xr.genes(14415).acronym.tolist() == ["Gad1"]
    assert len(atldld_xr.genes("zz*")) == 0
    assert len(atldld_xr.genes("*", limit=20)) == 20


# Genes that there are none of


@pytest.mark.parametrize(
    ("name", "near"),
    [("PVALB", "Pvalb"), ("GAD67", "Gad1"), ("cd155", "Pvr"), ("Pvabl", "Pvalb"), ("Gad3", "Gad")],
)
@pytest.mark.parametrize("ask", ["search", "genes"])
def test_what_is_near_to_an_unknown_gene_is_told(server, name, near, ask):
    call = atldld_xr.genes if ask == "genes" else lambda name: atldld_xr.search(gene=name)
    with pytest.raises(DatasetNotFoundError, match=f"no gene '{name}' .near it: {near}"):
        call(name)


@pytest.mark.parametrize("limit", [None, 2])
def test_what_is_a_wildcard_to_the_service_alone_finds_nothing_else(server, limit):
    assert len(atldld_xr.search(gene="H2-D*", limit=limit))
    for text in ("H2_D*", "%*", "S_n0*"):
        assert len(atldld_xr.search(gene=text, limit=limit)) == 0
        assert len(atldld_xr.genes(text, limit=limit)) == 0


def test_an_unknown_gene_without_neighbours(server):
    for unknown in ("Xyzzy", 77):
        with pytest.raises(DatasetNotFoundError, match=f"no gene .*{unknown}'? at http"):
            atldld_xr.search(gene=unknown)


def test_of_several_genes_the_unknown_ones_are_in_the_attributes(server):
    found = atldld_xr.search(gene=["Pvalb", "GAD67", "Zz*"])
    assert set(found.genes) == {"Pvalb"}
    assert found.attrs["unknown_genes"] == {"GAD67": ["Gad1"]}
    with pytest.raises(DatasetNotFoundError, match=r"no gene 'Xyz', 'GAD67' \(near it: Gad1\)"):
        atldld_xr.search(gene=["Xyz", "GAD67"])


def test_a_gene_without_such_data_sets_is_no_error(server):
    assert len(atldld_xr.search(gene="Pvalb", treatment="NISSL")) == 0


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(st.characters() | st.sampled_from("[](),$:'*&#+% "), min_size=1, max_size=12))
def test_any_text_is_refused_or_asked_for_as_it_is(server, text):
    server.clear_log()
    with pytest.raises((DatasetNotFoundError, InvalidArgumentError)) as caught:
        atldld_xr.search(gene=escape(text) + "-none", refresh=True)
    asked = [r.query["criteria"] for r in server.log]
    if caught.type is InvalidArgumentError:
        assert asked == []
    else:
        name = f"{text}-none".strip()
        assert asked[0].startswith("model::SectionDataSet,rma::criteria,[failed$eqfalse],genes")
        assert asked[0].count(f"genes[acronym$eq'{name}'],rma::include,") == 1
        assert all(r.status == 200 for r in server.log)


# A service that is not at its best


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
        images = atldld_xr.search_images(source=server.url, failed=None)
        few = atldld_xr.search(source=server.url, failed=None, limit=60)
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


# What is kept


def test_answers_are_kept_and_asked_for_anew(server):
    def asked(**more):
        server.clear_log()
        atldld_xr.search(gene="Pvalb", **more)
        return server.metadata_requests

    assert asked() == 1
    assert asked() == 0
    assert asked(refresh=True) == 1
    with atldld_xr.config.set({"cache.metadata_days": 0}):
        assert asked() == 1
    assert asked(offline=True) == 0


def test_the_age_of_an_answer_is_told(server, monkeypatch):
    atldld_xr.search(gene="Pvalb")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_400)
    first = atldld_xr.search(gene="Pvalb").attrs["fetched"]
    assert atldld_xr.search(gene="Pvalb", refresh=True).attrs["fetched"] > first


def test_what_found_nothing_is_kept_for_minutes(server, monkeypatch):
    atldld_xr.search(treatment="NISSL")
    server.clear_log()
    atldld_xr.search(treatment="NISSL")
    assert server.metadata_requests == 0
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    atldld_xr.search(treatment="NISSL")
    assert server.metadata_requests == 1


def test_a_page_that_is_asked_for_anew_is_followed_by_such(server):
    """Pages of different days would not fit together."""
    atldld_xr.search(limit=250)
    cache = atldld_xr.open_cache()
    oldest = min(cache.entries(), key=lambda entry: entry.used)
    cache.discard(oldest.key)
    server.clear_log()
    atldld_xr.search(limit=250)
    assert server.metadata_requests == 3


def test_offline_says_what_is_missing(server):
    atldld_xr.search(gene="Pvalb")
    assert len(atldld_xr.search(gene="Pvalb", offline=True))
    with pytest.raises(ServiceError, match=r"data sets: it is not in the cache.*offline"):
        atldld_xr.search(gene="Gad1", offline=True)
    with pytest.raises(InvalidArgumentError, match="offline is on"):
        atldld_xr.search(gene="Pvalb", offline=True, refresh=True)
    server.clear_log()
    assert server.metadata_requests == 0


def test_a_service_that_is_away_names_what_was_kept(server, monkeypatch):
    atldld_xr.search(gene="Pvalb")
    server.faults = Faults(rate=1.0, metadata=True)
    settings = {"http.retries": 0, "cache.metadata_days": 0}
    with atldld_xr.config.set(settings), pytest.raises(ServiceError, match="the cache has an"):
        atldld_xr.search(gene="Pvalb")


def test_without_a_cache(server):
    with atldld_xr.config.set({"cache.enabled": False}):
        for _ in range(2):
            assert len(atldld_xr.search(gene="Pvalb"))
    assert server.metadata_requests == 2


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gene": "it's"}, "gene: .*no way to write"),
        ({"limit": 0}, "limit must be"),
        ({"limit": True}, "limit must be"),
        ({"limit": "5"}, "limit must be"),
        ({"progress": 1}, "progress must be"),
        ({"refresh": 1}, "refresh must be"),
        ({"product": 1.5}, "product is an id or a name"),
        ({"source": "phantom"}, "cannot be searched"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_asked(server, arguments, message):
    for search in (atldld_xr.search, atldld_xr.search_images):
        with pytest.raises(InvalidArgumentError, match=message):
            search(**arguments)
    assert server.metadata_requests == 0


def test_an_unknown_product_is_told_with_those_that_there_are(server):
    with pytest.raises(InvalidArgumentError, match=r"no product 'Rat' .*Mouse, DevMouse"):
        atldld_xr.search(product="Rat")


@pytest.mark.parametrize(
    ("msg", "said"),
    [
        ([{}], "a record without an id"),
        ([5], "a record without an id"),
        ("sorry", "holds no records"),
        ({"genes": []}, "holds no records"),
    ],
)
def test_answers_that_are_none_fail_in_words(msg, said):
    with answering_with(msg) as url, pytest.raises(ServiceError, match=f"^data sets: .*{said}"):
        atldld_xr.search(source=url)


def test_of_a_garbled_record_is_told_what_can_be():
    garbled = {"id": 5, "genes": 7, "specimen": [], "products": [{"name": 1}], "failed": "no"}
    with answering_with([garbled]) as url:
        found = atldld_xr.search(source=url)
    assert found.id.tolist() == [5]
    assert found.drop(columns="id").isna().all(axis=None)


@contextmanager
def answering_with(msg):
    envelope = {"success": True, "total_rows": 1, "num_rows": 1, "msg": msg}
    with running(Server()) as server:
        server.answers = [lambda handler: handler.reply(200, json.dumps(envelope).encode())]
        yield f"{server.url}/api/v2"


def test_what_is_kept_of_searches_is_listed_and_cleared(server):
    atldld_xr.search(gene="Pvalb")
    (entry,) = atldld_xr.open_cache().entries()
    assert "/query/" in entry.key
    assert atldld_xr.open_cache().clear()[0] == 1


def test_phantoms_are_found_on_the_test_server():
    with AllenServer() as server:
        found = atldld_xr.search(gene="Phan*", source=server.url)
        assert found.genes.tolist() == ["Phanc", "Phans"]
        ds = atldld_xr.open_dataset(found.id[0], source=server.url)
        assert ds.sizes["coronal"] == found.sections[0] - found.failed_sections[0]
        with pytest.raises(DatasetNotFoundError, match=r"near it: Phan., Phan."):
            atldld_xr.search(gene="Phan", source=server.url)


def test_progress_is_shown_on_standard_error(server, capsys):
    atldld_xr.search(limit=150, progress=True)
    assert "data sets" in capsys.readouterr().err
    atldld_xr.search(limit=150)
    assert capsys.readouterr().err == ""
