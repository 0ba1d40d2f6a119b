"""Genes that there are none of: told with those that are near; any text is only a name."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import atldld_xr
from atldld_xr.catalogue.patterns import escape
from atldld_xr.errors import DatasetNotFoundError, InvalidArgumentError


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
    for unknown in ("Xyzzy", 77, "%"):
        with pytest.raises(
            DatasetNotFoundError, match=f"no gene .*{unknown}'? of the mouse at http"
        ):
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
