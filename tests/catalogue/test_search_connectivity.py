"""Data sets of connectivity: by where a tracer was injected, and by the animal's line."""

from __future__ import annotations

import json

import pytest

import atldld_xr
from atldld_xr.allen.structures import parse_structures
from atldld_xr.catalogue.injections import injection_ids, parse_injection
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.phantom.atlas import IDS, ontology
from atldld_xr.testing import FLUORESCENT, AllenServer, Catalogue
from catalogued import donor, good, ids
from commandline import run
from recorded import ALLEN


@pytest.fixture(scope="module")
def catalogue():
    return Catalogue(60, connectivity=60)


@pytest.fixture(scope="module")
def _server(catalogue):
    with AllenServer([], catalogue=catalogue) as server:
        yield server


def injected(record):
    """Return the acronyms of what was injected."""
    found = (record["specimen"] or {}).get("injections") or []
    keys = ("primary_injection_structure", "structure")
    return {injection[key]["acronym"] for injection in found for key in keys}


def lines(record):
    mouse = donor(record).get("transgenic_mouse") or {}
    return [line["name"] for line in mouse.get("transgenic_lines", [])]


@pytest.mark.parametrize(
    ("wanted", "accepts"),
    [
        ({"injection_structure": "CTX5"}, lambda d: "CTX5" in injected(d)),
        ({"injection_structure": "CTX"}, lambda d: injected(d) & {"CTX", "CTX5"}),
        ({"injection_structure": "Dentate Gyrus"}, lambda d: "DG" in injected(d)),
        ({"injection_structure": IDS["HPF"]}, lambda d: injected(d) & {"CA", "DG"}),
        ({"injection_structure": "*striatum"}, lambda d: "CP" in injected(d)),
        ({"injection_structure": "root"}, injected),
        ({"injection_structure": "TH"}, lambda d: False),
        ({"transgenic_line": "Emx1-IRES-Cre"}, lambda d: "Emx1-IRES-Cre" in lines(d)),
        ({"transgenic_line": 72}, lambda d: "Rbp4-Cre_KL100" in lines(d)),
        ({"transgenic_line": "*cre*"}, lines),
        ({"transgenic_line": "*_IRES_*"}, lambda d: False),
        ({"transgenic_line": "*cre_k*"}, lambda d: "Rbp4-Cre_KL100" in lines(d)),
        ({"product": "MouseConnProj"}, injected),
        ({"product": "connectivity", "sex": "M"}, lambda d: injected(d) and not lines(d)),
        (
            {"product": 5, "injection_structure": "CA", "transgenic_line": "Emx1*"},
            lambda d: "CA" in injected(d) and "Emx1-IRES-Cre" in lines(d),
        ),
    ],
)
@pytest.mark.parametrize("limit", [None, 4])
def test_each_argument(server, catalogue, wanted, accepts, limit):
    found = atldld_xr.search(**wanted, limit=limit)
    assert found.id.tolist() == ids(filter(accepts, good(catalogue)))[:limit]


def test_columns_come_in_the_same_query_and_are_missing_of_others(server, catalogue):
    found = atldld_xr.search(failed=None).set_index("id")
    assert server.metadata_requests == 2
    for record in catalogue.datasets:
        row = found.loc[record["id"]]
        if not injected(record):
            assert row[["injection_structures", "transgenic_lines"]].isna().all()
            continue
        of = record["specimen"]["injections"][0]
        told = row.injection_structures.split("; ")
        assert told[0] == of["primary_injection_structure"]["acronym"]
        assert set(told) == injected(record)
        assert found.transgenic_lines.fillna("")[record["id"]] == "; ".join(lines(record))


def test_the_ontology_is_asked_for_once(server):
    atldld_xr.search(injection_structure="CTX")
    asked = server.metadata_requests
    atldld_xr.search(injection_structure="HPF")
    assert (asked, server.metadata_requests) == (3, 5)


def test_an_unknown_structure_is_told_with_those_that_are_near(server):
    with pytest.raises(InvalidArgumentError, match=r"did you mean CTX5"):
        atldld_xr.search(injection_structure="ctx5")
    with pytest.raises(InvalidArgumentError, match=r"no structure has .* like 'X\*'"):
        atldld_xr.search(injection_structure="X*")
    with pytest.raises(InvalidArgumentError, match=r"no structure has the id 5"):
        atldld_xr.search(injection_structure=5)


@pytest.mark.usefixtures("server")
def test_on_the_command_line():
    line = ["search", "--product", "connectivity", "--reference-space", 9, "--json"]
    facts = json.loads(
        run(*line, "--injection-structure", "HPF", "--transgenic-line", "*Cre*").stdout
    )
    found = atldld_xr.search(
        product="connectivity", injection_structure="HPF", transgenic_line="*Cre*"
    )
    assert [fact["id"] for fact in facts] == found.id.tolist() != []
    assert facts[0]["injection_structures"] == ["CA", "DG"]
    head, first, *_ = run("search", "--injection-structure", "HPF").stdout.splitlines()
    assert head.split()[-2:] == ["injection_structures", "transgenic_lines"]
    assert "CA; DG" in first
    assert "injection" not in run("search", "--gene", "Pvalb").stdout
    assert "no structure" in run("search", "--injection-structure", "Zz", code=2).stderr


def test_an_acronym_is_before_a_name():
    structures = parse_structures(ontology()["msg"])
    assert injection_ids(structures, parse_injection("CTX1")) == [IDS["CTX1"]]
    assert injection_ids(structures, parse_injection(IDS["CA"])) == [IDS["CA"]]
    all_ids = injection_ids(structures, parse_injection("*"))
    assert all_ids == sorted(IDS.values())


@pytest.mark.skipif(not ALLEN.exists(), reason="the recorded data are not at hand")
def test_the_whole_brain_takes_queries_of_bounded_length():
    from atldld_xr.catalogue.queries import dataset_query

    structures = parse_structures(json.loads((ALLEN / "structure_graph_1.json").read_bytes()))
    everything = injection_ids(structures, parse_injection("root"))
    assert everything == sorted(structures.ids)
    asked = dataset_query(injection_ids=everything).all_criteria
    assert max(len(criteria) for criteria in asked) < 2000
    assert len(asked) < 20


def test_the_phantom_of_connectivity_is_found_by_itself():
    with AllenServer([FLUORESCENT]) as alone:
        for structure in ("CP", FLUORESCENT.record["specimen"]["injections"][0]["structure_id"]):
            found = atldld_xr.search(injection_structure=structure, source=alone.url)
            assert found.id.tolist() == [FLUORESCENT.id]
            assert found.injection_structures.tolist() == ["CP"]
