"""The ontology: a tree from records of others, and what is in what."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atldld_xr.allen.structures import parse_structures
from atldld_xr.errors import AtldldError, InvalidArgumentError, MetadataError

REAL = Path(__file__).parents[3] / "shared/allen/structure_graph_1.json"
needs_real = pytest.mark.skipif(not REAL.exists(), reason="Allen's ontology is not at hand")


def one(number, acronym, *children, **more):
    """Return a structure's record, as the service writes it."""
    return {
        "id": number,
        "acronym": acronym,
        "name": f"the {acronym}",
        "color_hex_triplet": "B0F0FF",
        "children": list(children),
        **more,
    }


TREE = one(
    997,
    "root",
    one(567, "CH", one(688, "CTX", st_level=3), one(623, "CNU", st_level=3), st_level=2),
    one(343, "BS", st_level=2),
)


@pytest.fixture
def tree():
    return parse_structures(TREE)


@pytest.fixture(scope="module")
def real():
    return parse_structures(json.loads(REAL.read_text()))


def test_a_tree(tree):
    assert len(tree) == 5
    assert tree.ids == (997, 567, 688, 623, 343)
    assert tree.id_of("CTX") == tree.id_of(688) == tree.id_of(np.uint32(688)) == 688
    assert (tree.acronym(688), tree.name("CTX"), tree.colour(688)) == ("CTX", "the CTX", "#b0f0ff")
    assert tree.parent(997) is None
    assert tree.parent("CNU") == 567
    assert tree.path(623) == (997, 567, 623)
    assert tree.ancestors(623) == (997, 567)
    assert tree.descendants("CH") == (567, 688, 623)
    assert tree.descendants(343) == (343,)
    assert tree.leaves == (688, 623, 343)
    assert tree.levels == (2, 3)
    assert tree.at_level(3) == (688, 623)
    assert repr(tree) == "<Structures: 5, of the root (root, 997)>"


def test_in_the_services_envelope(tree):
    assert parse_structures({"success": True, "id": 0, "msg": [TREE]}) == tree
    assert parse_structures([TREE]) == tree


def test_graph_order_counts_and_not_the_order_of_the_file():
    record = one(1, "root", one(2, "a", graph_order=7), one(3, "b", graph_order=4), graph_order=3)
    tree = parse_structures(record)
    assert tree.ids == (1, 3, 2)
    assert [row.graph_order for row in tree.rows] == [3, 4, 7]


def test_labels_of_a_structure(tree):
    labels = np.array([[0, 997, 567], [688, 343, 4_000_000_000]], np.uint32)
    assert tree.is_in(labels, "CH").tolist() == [[False, False, True], [True, False, False]]
    assert tree.is_in(labels, ["CTX", 343]).tolist() == [[False] * 3, [True, True, False]]
    assert tree.is_in(labels, "root").sum() == 4
    assert not tree.is_in(labels, []).any()
    assert tree.is_in(np.array([0, 87], np.uint8), "root").tolist() == [False, False]
    assert tree.is_in(np.uint32(688), "CH") == np.True_
    with pytest.raises(InvalidArgumentError, match="labels are whole numbers, not float64"):
        tree.is_in(labels / 1, "CH")


def test_a_table(tree):
    table = tree.table()
    assert table.columns[:7].tolist() == [
        "id",
        "acronym",
        "name",
        "parent",
        "path",
        "graph_order",
        "level",
    ]
    assert table.id.tolist() == list(tree.ids)
    assert table.parent.isna().tolist() == [True, False, False, False, False]
    assert table.path[3] == "/997/567/623/"
    assert table.set_index("acronym").loc["CTX", "colour"] == "#b0f0ff"


def test_it_crosses_processes(tree):
    assert pickle.loads(pickle.dumps(tree)) == tree
    assert hash(copy.deepcopy(tree)) == hash(tree)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("ctx", r"no structure has the acronym 'ctx'; did you mean CTX \(the CTX\)\?"),
        ("The CNU", r"did you mean CNU \(the CNU\)"),
        ("nowhere", "no structure has the acronym 'nowhere'$"),
        ("997", "no structure has the acronym '997'$"),
        (0, "no structure has the id 0$"),
        pytest.param(10**5000, "the id a number of about 5000 digits", id="long"),
        (True, "as its acronym or its id, not as True"),
        (2.0, "not as 2.0"),
        (None, "not as None"),
        ([997], r"not as \[997\]"),
    ],
)
def test_what_is_no_structure(tree, asked, words):
    with pytest.raises(InvalidArgumentError, match=words):
        tree.id_of(asked)


def test_what_is_no_structure_is_told_at_length_no_more_than_short(tree):
    with pytest.raises(InvalidArgumentError) as caught:
        tree.descendants("x" * 10**6)
    assert len(str(caught.value)) < 300


def test_a_level_that_there_is_none_of(tree):
    with pytest.raises(InvalidArgumentError, match="level 5; the levels of this ontology: 2, 3"):
        tree.at_level(5)


def deep(count):
    record = one(count, f"s{count}")
    for number in range(count - 1, 0, -1):
        record = one(number, f"s{number}", record)
    return record


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (None, "no ontology"),
        ([], "no ontology"),
        ({"success": True, "id": 0, "msg": []}, "no ontology"),
        ({"success": False, "id": 0, "msg": "no such graph"}, "no ontology"),
        ([TREE, TREE], "no ontology"),
        ({}, "structure: its record has no id"),
        (one(0, "root"), "structure: id is 0"),
        (one(2**63, "root"), "id is 9223372036854775808"),
        (one(1, ""), "structure 1: its acronym is '', not a word"),
        (one(1, None), "its acronym is None"),
        (one(1, "a" * 61), "its acronym has 61 characters"),
        (one(1, "a", name=5), "its name is 5"),
        (one(1, "a", color_hex_triplet="red"), "color_hex_triplet is 'red'"),
        (one(1, "a", color_hex_triplet=True), "color_hex_triplet is True"),
        (one(1, "a", children=5), "structure 1: children is 5, not a list"),
        (one(1, "a", children=[5]), "expected a structure's record, got 5"),
        (one(1, "a", st_level="x"), "st_level is 'x'"),
        (one(1, "a", one(1, "b")), "two structures 1: 1 and 1"),
        (one(1, "a", one(2, "a")), "two structures 'a': 1 and 2"),
        (one(1, "a", one(2, "b", parent_structure_id=5)), "2 is among the parts of 1, and says 5"),
        (deep(41), "more than 40 levels deep"),
        (one(1, "r", *(one(k, f"s{k}", *(one(k * 9999 + j, f"s{k}.{j}") for j in range(9999)))
                       for k in (2, 3, 4))), "more than 20,000 structures"),
    ],
)  # fmt: skip
def test_what_is_no_ontology(record, words):
    with pytest.raises(MetadataError, match=words):
        parse_structures(record)


def test_what_a_record_need_not_have():
    tree = parse_structures(
        {"id": 5, "acronym": "a", "name": "b\n\x1b[2J", "parent_structure_id": 1}
    )
    assert tree.rows[0].name == r"b \x1b[2J"
    assert tree.colour(5) == "#ffffff"
    assert tree.levels == ()
    assert tree.table().level.isna().all()
    assert parse_structures(one(5, "a", color_hex_triplet=1988)).colour(5) == "#001988"


ODD = st.sampled_from(
    [None, True, 0, -1, 2**63, 1e308, float("nan"), "", "x", "\ud800", [], [[]], {}, [TREE]]
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_records_in_which_anything_may_be_wrong(data):
    record = copy.deepcopy(TREE)
    for _ in range(data.draw(st.integers(1, 3))):
        where = record
        for _ in range(data.draw(st.integers(0, 2))):
            parts = where.get("children")
            if isinstance(parts, list) and parts and isinstance(parts[0], dict):
                where = parts[0]
        where[data.draw(st.sampled_from([*TREE, "graph_order", "st_level"]))] = copy.deepcopy(
            data.draw(ODD)
        )
    with contextlib.suppress(AtldldError):
        tree = parse_structures(record)
        assert tree.descendants(tree.ids[0]) == tree.ids
        assert len(tree.table()) == len(tree)


@needs_real
def test_allens_ontology(real):
    assert len(real) == 1327
    assert [row.graph_order for row in real.rows] == list(range(1327))
    assert real.path("DG") == (997, 8, 567, 688, 695, 1089, 1080, 726)
    parts = {"DG", "DG-mo", "DG-po", "DG-sg", "DGcr", "DGlb", "DGmb"}
    assert parts <= set(map(real.acronym, real.descendants("DG")))
    assert all(726 in real.path(part) for part in real.descendants("DG"))
    assert real.colour("root") == "#ffffff"
    assert set(real.descendants("root")) == set(real.ids)
    assert {"Isocortex", "HPF", "TH"} <= set(map(real.acronym, real.at_level(5)))


@needs_real
def test_names_lead_to_acronyms(real):
    with pytest.raises(InvalidArgumentError, match=r"did you mean DG \(Dentate gyrus\)"):
        real.id_of("dentate gyrus")
