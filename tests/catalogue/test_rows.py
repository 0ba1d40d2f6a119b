"""Rows of the service's records: of good ones what they say, of any whatever can be said."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atldld_xr.catalogue.rows import dataset_row, gene_row, image_rows
from atldld_xr.catalogue.tables import DATASET_COLUMNS, as_cells, as_facts, table
from atldld_xr.testing import CORONAL
from recorded import ALLEN

ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
NESTED = st.recursive(ANY, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
GARBLED = NESTED | st.dictionaries(st.sampled_from(["id", "name", "acronym", "donor"]), NESTED)
KEYS = (
    *("genes", "products", "treatments", "plane_of_section", "plane_of_section_id", "specimen"),
    *("section_images", "section_thickness", "reference_space_id", "failed", "expression"),
)


def test_a_phantoms_row():
    record = CORONAL.record
    row = dataset_row({"plane_of_section": {"id": 1, "name": "coronal"}, **record})
    assert (row.id, row.plane, row.reference_space) == (CORONAL.id, "coronal", 9)
    assert (row.sections, row.failed_sections) == (CORONAL.count, 1)
    assert [gene.acronym for gene in row.genes] == ["Phanc"]
    assert (row.age, row.sex, row.strain) == ("P56", "M", "C57BL/6J")
    assert row.expression is True
    images = image_rows(record)
    assert [i.section_number for i in images] == sorted(i.section_number for i in images)
    assert {i.dataset for i in images} == {CORONAL.id}


@pytest.mark.skipif(not ALLEN.exists(), reason="the recorded data are not at hand")
def test_the_row_of_a_recorded_data_set():
    body = (ALLEN / "section_data_set_69289763.json").read_bytes()
    row = dataset_row(json.loads(body)["msg"][0])
    assert (row.id, row.plane, row.reference_space) == (69289763, "sagittal", 10)
    assert (row.sections, row.section_thickness, row.expression) == (18, 25.0, True)
    assert row.products == ("Developing Mouse Brain", "Mouse Brain")
    assert (row.specimen, row.strain, row.sex, row.failed) == ("05-0660", "C57BL/6J", "M", False)
    assert (row.age, row.genes) == (None, ())  # these were not asked for


def test_what_is_null_is_none():
    row = dataset_row({"id": 5} | dict.fromkeys(KEYS))
    cells = as_cells(row)
    assert cells.pop("id") == 5
    assert set(cells.values()) == {None}
    assert gene_row({}).acronym is None


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), GARBLED))
def test_garbled_records_are_rows_that_a_table_takes(record):
    row = dataset_row({"id": 5, **record})
    frame = table([row], DATASET_COLUMNS, {})
    assert frame.id.tolist() == [5]
    json.dumps(as_facts(row), allow_nan=False)
    image_rows({"id": 5, **record})
    gene_row(record)


def test_half_a_character_is_no_failure_of_a_table():
    """JSON has escapes of one, which no encoding has."""
    record = json.loads(r'{"id": 5, "treatments": [{"name": "a\ud800b"}]}')
    frame = table([dataset_row(record)], DATASET_COLUMNS, {})
    assert frame.treatments[0] == "a?b"


def test_several_names_are_one_cell():
    genes = [{"acronym": "A", "name": "a, b", "entrez_id": 1}, {"acronym": "B", "entrez_id": None}]
    row = dataset_row({"id": 5, "genes": genes})
    assert as_facts(row)["entrez_ids"] == [1, None]
    cells = as_cells(row)
    assert (cells["genes"], cells["gene_names"], cells["entrez_ids"]) == ("A; B", "a, b", "1")


@pytest.mark.parametrize("number", [1, 4, 5, 531107579])
def test_planes_have_names(number):
    assert dataset_row({"id": 5, "plane_of_section_id": number}).plane
    assert dataset_row({"id": 5, "plane_of_section_id": 77}).plane is None
