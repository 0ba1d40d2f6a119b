"""What is asked of the service, against the service's own schema as it was recorded."""

from __future__ import annotations

import json

import pytest

from atldld_xr.allen import rma
from atldld_xr.catalogue import genes, queries
from atldld_xr.testing import Catalogue
from recorded import ALLEN
from rma_grammar import read_criteria

SCHEMA = ALLEN / "rma_schema.json"
pytestmark = pytest.mark.skipif(not SCHEMA.exists(), reason="the recorded schema is not at hand")

# It is in the schema by its associations with others alone.
UNRECORDED = {
    "TransgenicMouse": {
        "fields": {"id": "", "name": ""},
        "associations": {"transgenic_lines": "has_and_belongs_to_many TransgenicLine"},
    }
}
EVERYTHING = {
    "gene": ["Pvalb", "Pva*", 5],
    "plane": "coronal",
    "product_ids": [1],
    "structure": "CA1",
    "specimen": "a*",
    "treatment": "ISH",
    "age": 56,
    "strain": "C57BL/6J",
    "sex": "M",
    "reference_space": 9,
    "injection_ids": [5, 6],
    "transgenic_line": "*Cre*",
}


@pytest.fixture(scope="module")
def schema():
    return json.loads(SCHEMA.read_bytes()) | UNRECORDED


def model_of(schema, model, name):
    """Return the model that an association leads to."""
    found = schema[model]["associations"].get(name)
    assert found, f"{model} has no association {name}"
    assert found.split()[1] in schema
    return found.split()[1]


def check(schema, model, nodes):
    """Check the associations in a path, and the fields of its filters."""
    for node in nodes:
        inside = model_of(schema, model, node.name) if node.name else model
        for field, *_ in node.filters:
            assert field in schema[inside]["fields"], (inside, field)
        check(schema, inside, node.inner)


@pytest.mark.parametrize("name", [*EVERYTHING, "all"])
def test_data_sets_are_filtered_by_what_there_is(schema, name):
    wanted = EVERYTHING if name == "all" else {name: EVERYTHING[name]}
    for criteria in queries.dataset_query(**wanted).all_criteria:
        check(schema, "SectionDataSet", read_criteria(criteria))
    by_days, by_name = (queries.dataset_query(age=age).criteria[0] for age in (5, "P*"))
    check(schema, "SectionDataSet", [*read_criteria(by_days), *read_criteria(by_name)])


@pytest.mark.parametrize(
    ("model", "include"),
    [
        ("SectionDataSet", rma.SEARCH_INCLUDE),
        ("Gene", genes.GENE_INCLUDE),
        ("GeneAlias", genes.ALIAS_INCLUDE),
    ],
)
def test_what_comes_with_records_is_there(schema, model, include):
    check(schema, model, read_criteria(",".join(include)))


def test_genes_are_filtered_by_what_there_is(schema):
    for criteria in genes.gene_criteria(genes.parse_genes(["Pvalb", "Pva*", 5])):
        check(schema, "Gene", read_criteria(criteria))
    assert {"organism_id", "acronym", "name", "entrez_id"} <= schema["Gene"]["fields"].keys()
    assert {"acronym"} <= schema["GeneAlias"]["fields"].keys()
    assert {"name", "abbreviation"} <= schema["Product"]["fields"].keys()


def test_records_of_the_test_catalogue_are_as_the_services(schema):
    def check_record(model, record):
        for key, value in record.items():
            if key in schema[model]["fields"]:
                assert not isinstance(value, dict | list), (model, key)
                continue
            inside = model_of(schema, model, key)
            for part in value if isinstance(value, list) else [value] if value else []:
                check_record(inside, part)

    catalogue = Catalogue(80, connectivity=8)
    for record in catalogue.datasets:
        check_record("SectionDataSet", record)
    for record in catalogue.asked("GeneAlias")["Gene"]:
        check_record("Gene", record)
