"""What users name never becomes part of a query's syntax, and comes back as it was."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atldld_xr.allen.rma import quoted
from atldld_xr.catalogue.genes import MOST_GENES, gene_criteria, parse_genes
from atldld_xr.catalogue.patterns import Pattern, escape, parse_pattern
from atldld_xr.catalogue.planes import PLANE_NAMES
from atldld_xr.catalogue.queries import dataset_query
from atldld_xr.catalogue.rows import dataset_row
from atldld_xr.errors import InvalidArgumentError
from rma_grammar import all_filters, read_criteria

METACHARACTERS = "[]()$,:*'\"\\ &#%+=?;{}|~^_"


def texts():
    letters = st.characters() | st.sampled_from(METACHARACTERS)
    return st.text(letters, max_size=40) | st.text("Pva1[]($,:*-/ ", max_size=20)


def can_be_said(text):
    bare = text.strip()
    return bare and bare.isprintable() and not set(bare) & {"'", "\\"}


def row_of(acronym):
    return dataset_row({"id": 5, "genes": [{"id": 1, "acronym": acronym}]})


@given(texts())
@example("Pvalb']),rma::options[num_rows$eq'all'")
@example("H2-D1,[failed$eqtrue]")
@example("Ⅷ α-synuclein 遺伝子")
def test_any_text_as_a_gene_is_asked_for_as_it_is_or_refused(text):
    given_as = escape(text)
    if not can_be_said(text):
        with pytest.raises(InvalidArgumentError):
            dataset_query(gene=given_as)
        return
    query = dataset_query(gene=given_as, plane="coronal")
    (criteria,) = query.all_criteria
    assert all_filters(read_criteria(criteria)) == [
        ("", "failed", "eq", ["false"]),
        ("", "plane_of_section_id", "eq", ["1"]),
        ("genes", "acronym", "eq", [text.strip()]),
    ]
    assert query.accepts(row_of(text.strip()))
    assert not query.accepts(row_of(text.strip() + "x"))


@given(st.lists(texts().filter(can_be_said), min_size=1, max_size=120))
def test_many_genes_are_asked_for_in_few_queries_of_bounded_length(names):
    genes = parse_genes([escape(name) for name in names])
    asked = []
    for criteria in gene_criteria(genes):
        assert len(criteria.encode()) < 2000
        ((_, field, operator, values),) = all_filters(read_criteria(criteria))
        assert field == "acronym"
        assert operator == ("in" if len(values) > 1 else "eq")
        asked += values
    assert asked == list(dict.fromkeys(name.strip() for name in names))


@given(texts(), texts(), texts())
def test_any_text_in_any_argument(strain, treatment, specimen):
    values = [escape(v) for v in (strain, treatment, specimen)]
    arguments = dict(zip(("strain", "treatment", "specimen"), values, strict=True))
    if not all(map(can_be_said, (strain, treatment, specimen))):
        with pytest.raises(InvalidArgumentError, match=r"^(strain|treatment|specimen): "):
            dataset_query(**arguments)
        return
    (criteria,) = dataset_query(**arguments, failed=None).all_criteria
    assert all_filters(read_criteria(criteria)) == [
        ("treatments", "name", "eq", [treatment.strip()]),
        ("specimen", "name", "eq", [specimen.strip()]),
        ("specimen.donor", "strain", "eq", [strain.strip()]),
    ]


@given(st.lists(st.text("aB.+%_ -", max_size=5), min_size=2, max_size=4))
def test_wildcards_find_what_they_should(pieces):
    text = "*".join(pieces)
    try:
        pattern = parse_pattern(text, "gene")
    except InvalidArgumentError:
        pytest.fail(text)
    bare = text.strip().split("*")
    assert pattern.criterion("acronym") == f"[acronym$il'{'*'.join(bare)}']"
    assert pattern.matches("Q-x".join(bare).swapcase())
    assert not pattern.matches("z" + text) or not bare[0]


@given(st.lists(st.text("aAb", max_size=3), min_size=2, max_size=5), st.text("aAb", max_size=9))
def test_wildcards_find_what_a_regular_expression_finds(pieces, name):
    between = ".*".join(map(re.escape, pieces))
    expected = re.fullmatch(between, name, re.IGNORECASE) is not None
    assert Pattern(tuple(pieces)).matches(name) is expected


def test_many_wildcards_are_no_work():
    assert not parse_pattern("a*" * 80 + "b", "gene").matches("a" * 200)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Pva*", ("Pva", "")),
        (" Pvalb ", ("Pvalb",)),
        (r"A930033C01Rik\*", ("A930033C01Rik*",)),
        ("*a*b", ("", "a", "b")),
    ],
)
def test_patterns(text, pieces):
    assert parse_pattern(text, "gene").pieces == pieces


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gene": "it's"}, 'no way to write "\'"'),
        ({"gene": "a\\b"}, "no way to write"),
        ({"gene": "a\nb"}, "no way to write"),
        ({"gene": "a\ud800"}, "no way to write"),
        ({"gene": " "}, "names nothing"),
        ({"gene": "a" * 201}, "201 characters"),
        ({"gene": r"a\*b*"}, "asterisk that is meant as such"),
        ({"gene": b"Pvalb"}, "gene is a text"),
        ({"gene": []}, "no gene is named"),
        ({"gene": -5}, "Entrez id is a positive whole number"),
        ({"gene": 1.5}, "Entrez id is a positive whole number"),
        ({"plane": "oblique"}, "none that there is: coronal, sagittal"),
        ({"plane": 3}, "none that there is"),
        ({"sex": "x"}, "sex must be M or F"),
        ({"failed": "no"}, "failed must be"),
        ({"specimen": 0}, "specimen: an id"),
        ({"structure": True}, "structure is a text"),
        ({"structure": np.True_}, "structure is a text"),
        ({"gene": np.bool_(True)}, "gene is a text"),
        ({"plane": np.array([1])}, "none that there is"),
        ({"gene": [np.array([5])]}, "gene is a text"),
        ({"gene": pd.DataFrame({"name": ["a"]})}, "a table without a column 'acronym'"),
        ({"gene": pd.DataFrame({"acronym": []})}, "no gene is named"),
        ({"gene": {"Pvalb": 1}}, "is no list of genes"),
        ({"gene": bytearray(b"Pv")}, "gene is a text"),
        ({"gene": itertools.count(1)}, f"more than {MOST_GENES:,} genes"),
        ({"gene": range(10**12)}, f"more than {MOST_GENES:,} genes"),
        ({"gene": 10**5000}, "Entrez id is a positive whole number"),
        ({"age": 10**5000}, "age in days is from 0 to"),
        ({"age": -1}, "age in days is from 0 to"),
        ({"age": float("nan")}, "age is a text, not nan"),
        ({"reference_space": "P56"}, "reference_space is an id"),
        ({"reference_space": 9.5}, "reference_space is a positive whole number"),
        ({"transgenic_line": 0}, "transgenic_line: an id"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(arguments, message):
    with pytest.raises(InvalidArgumentError, match=re.escape(message)):
        dataset_query(**arguments)


@pytest.mark.parametrize(
    ("arguments", "criteria"),
    [
        ({}, ["[failed$eqfalse]"]),
        ({"failed": True}, ["[failed$eqtrue]"]),
        ({"failed": None}, [""]),
        ({"plane": " Sagittal "}, ["[failed$eqfalse][plane_of_section_id$eq2]"]),
        ({"product_ids": [3]}, ["[failed$eqfalse],products[id$eq3]"]),
        ({"product_ids": [3, 5]}, ["[failed$eqfalse],products[id$in3,5]"]),
        ({"age": 56}, ["[failed$eqfalse],specimen(donor(age[days$eq56]))"]),
        ({"age": 11.5}, ["[failed$eqfalse],specimen(donor(age[days$eq11.5]))"]),
        (
            {"age": "E1*", "sex": "male", "strain": "C57BL/6J", "specimen": 7},
            [
                "[failed$eqfalse],specimen[id$eq7](donor[sex$eq'M'][strain$eq'C57BL/6J']"
                "(age[name$il'E1*']))"
            ],
        ),
        ({"reference_space": np.int64(9)}, ["[failed$eqfalse][reference_space_id$eq9]"]),
        (
            {"age": 56, "transgenic_line": "Emx1-IRES-Cre", "failed": np.True_},
            [
                "[failed$eqtrue],specimen(donor(age[days$eq56],"
                "transgenic_mouse(transgenic_lines[name$eq'Emx1-IRES-Cre'])))"
            ],
        ),
        (
            {"sex": "f", "specimen": 7, "injection_ids": [5, 6], "gene": "A", "failed": None},
            [
                "specimen[id$eq7](donor[sex$eq'F'],"
                "injections[primary_injection_structure_id$in5,6]),genes[acronym$eq'A']",
                "specimen[id$eq7](donor[sex$eq'F'],"
                "injections[structure_id$in5,6]),genes[acronym$eq'A']",
            ],
        ),
        (
            {"structure": "CA1", "failed": None},
            ["structure_unionizes[expression_energy$gt0](structure[acronym$eq'CA1'])"],
        ),
        (
            {"gene": ["Pvalb", "Gad*", np.int64(19293), "Gad1"], "failed": None},
            [
                "genes[acronym$in'Pvalb','Gad1']",
                "genes[entrez_id$eq19293]",
                "genes[acronym$il'Gad*']",
            ],
        ),
    ],
)
def test_criteria(arguments, criteria):
    found = dataset_query(**arguments).all_criteria
    assert found == criteria
    for text in filter(None, found):
        read_criteria(text)


@pytest.mark.parametrize("number", [5, 5.0, np.int32(5), np.float64(5), np.array(5)])
def test_numbers_of_any_kind_are_entrez_ids(number):
    assert parse_genes(number) == parse_genes([number]) == (5,)
    assert parse_genes(np.array([number, 6])) == (5, 6)


@pytest.mark.parametrize("wrong", [float("nan"), None, object(), [[]], 10**30])
def test_other_things_are_not(wrong):
    with pytest.raises(InvalidArgumentError, match="gene"):
        parse_genes([wrong])


def test_planes_are_found_by_name_and_number():
    for number, name in PLANE_NAMES.items():
        for given_as in (number, np.int64(number), name, name.upper(), name.replace("(", ", ")):
            (criteria,) = dataset_query(plane=given_as).criteria
            assert f"id$eq{number}]" in criteria


def test_a_quoted_value_is_one_token():
    assert quoted("a],b$eq(c)") == "'a],b$eq(c)'"
