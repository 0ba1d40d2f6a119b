"""The test server's catalogue, asked over a socket as anybody would."""

from __future__ import annotations

import pytest
import requests

from atldld_xr.testing import AllenServer, Catalogue, Quirks
from atldld_xr.testing.rma import RmaError, parse_paths


def ask(server, criteria):
    answer = requests.get(f"{server.url}/data/query.json", params={"criteria": criteria}).json()
    assert answer["success"] is True, answer["msg"]
    return answer


@pytest.fixture(scope="module")
def server():
    with AllenServer(catalogue=Catalogue(200)) as running:
        yield running


def ids(server, criteria):
    stages = f"model::SectionDataSet,rma::criteria,{criteria},rma::options[num_rows$eq'all']"
    return [record["id"] for record in ask(server, stages)["msg"]]


def test_joins(server):
    assert len(ids(server, "[id$lt900000]")) == 200
    assert len(ids(server, "products[abbreviation$eq'DevMouse']")) == 20
    pvalb = ids(server, "genes[acronym$eq'Pvalb']")
    assert (
        pvalb == ids(server, "genes[entrez_id$eq19293]") == ids(server, "genes[acronym$il'pval*']")
    )
    assert set(ids(server, "genes[acronym$in'Pvalb','H2-D1']")) > set(pvalb)
    assert ids(server, "specimen(donor[sex$eq'F'](age[name$eq'E11.5']))")
    in_ca1 = ids(server, "structure_unionizes[expression_energy$gt0](structure[acronym$eq'CA1'])")
    assert 100 < len(in_ca1) < 200


def test_brackets_in_quotes_are_characters(server):
    assert ids(server, "genes[acronym$eq'a],b[c$eq(d)']") == []
    (path,) = parse_paths("genes[acronym$eq'a],b[c$eq(d)'](gene)")
    assert path.filters == (("acronym", "eq", "a],b[c$eq(d)"),)
    assert path.inner[0].name == "gene"
    with pytest.raises(RmaError):
        parse_paths("genes[acronym$eq'a]")


def test_genes_have_aliases(server):
    stages = "model::GeneAlias,rma::criteria,[acronym$eq'GAD67'],rma::include,gene"
    (found,) = ask(server, stages)["msg"]
    assert found["gene"]["acronym"] == "Gad1"
    stages = "model::Gene,rma::criteria,[acronym$eq'Gad1'],rma::include,gene_aliases"
    (gene,) = ask(server, stages)["msg"]
    assert [alias["acronym"] for alias in gene["gene_aliases"]] == ["GAD67", "Gad-1"]


def test_rows_may_be_those_of_a_join():
    page = (
        "model::SectionDataSet,rma::include,section_images,"
        "rma::options[num_rows$eq5][start_row$eq{}][order$eq'id']"
    )
    server = AllenServer([], catalogue=Catalogue(20), quirks=Quirks(joined_rows=True))
    with server:
        first, second = ask(server, page.format(0)), ask(server, page.format(5))
    assert first["num_rows"] == second["num_rows"] == 5
    assert first["total_rows"] == 70
    assert [len(r["section_images"]) for r in first["msg"]] == [2, 3]
    assert [len(r["section_images"]) for r in second["msg"]] == [4, 1]


def test_changes_are_made_before_a_query():
    catalogue = Catalogue(20, changes={1: lambda c: c.remove([1001]), 2: lambda c: c.add(3)})
    with AllenServer([], catalogue=catalogue) as server:
        totals = [ask(server, "model::SectionDataSet")["total_rows"] for _ in range(4)]
    assert totals == [20, 19, 22, 22]
