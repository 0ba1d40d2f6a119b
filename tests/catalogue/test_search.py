"""Search over a socket: thousands of rows, and what of them answers to each argument."""

from __future__ import annotations

import numpy as np
import pytest

import atldld_xr
from atldld_xr.errors import DatasetNotFoundError
from atldld_xr.testing import AllenServer
from catalogued import COUNT, age, donor, gene, good, ids, plane


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
        ({"product": np.int64(3)}, lambda d: d["products"][0]["id"] == 3),
        ({"product": "dev*"}, lambda d: d["products"][0]["id"] == 3),
        ({"product": "developing"}, lambda d: d["products"][0]["id"] == 3),
        ({"reference_space": 10}, lambda d: d["reference_space_id"] == 10),
        ({"plane": "Sagittal", "failed": np.False_}, lambda d: plane(d) == 2),
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
        "qc_date": "2000-05-02T22:45:57Z",
        "expression": False,
        "injection_structures": None,
        "transgenic_lines": None,
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


def test_a_table_of_genes_names_genes(server, catalogue):
    table = atldld_xr.genes(["Gad*", r"A930033C01Rik\*"])
    found = atldld_xr.search(gene=table)
    names = ("Gad1", "Gad2", "A930033C01Rik*")
    assert found.id.tolist() == ids(d for d in good(catalogue) if gene(d) in names)
    assert all("$il" not in r.query["criteria"] for r in server.log[-1:])
