"""What the doctor makes of a service's answers to searches."""

from __future__ import annotations

import pytest

from atldld_xr.doctor.run import examine
from atldld_xr.doctor.search import judge_alike, judge_named
from atldld_xr.phantom.phantom import Phantom
from atldld_xr.testing import AllenServer, Quirks
from commandline import OTHER, SMALL

WHOLE = dict.fromkeys(
    ("products", "treatments", "plane_of_section", "specimen", "section_images")
) | {"genes": [{"acronym": "Phanc"}]}


def page(*records, **more):
    return {"msg": list(records), "num_rows": len(records), **more}


def search_of(report):
    (found,) = (finding for finding in report.findings if finding.name == "search")
    return found


def test_a_service_that_can_be_searched():
    with AllenServer([SMALL, OTHER]) as server:
        found = search_of(examine(server.url))
        asked = [r.query["criteria"] for r in server.log if "genes" in r.query.get("criteria", "")]
    assert found.outcome == "as expected", found
    assert found.found.startswith("Phanc, also by *")
    assert len(asked) == 2
    assert "genes[acronym$il'pHAN*']" in asked[0]
    assert f"[id$eq{SMALL.id}],genes[acronym$in'" in asked[1]


def test_pages_of_a_joins_rows_are_told():
    with AllenServer([SMALL], quirks=Quirks(joined_rows=True)) as server:
        found = search_of(examine(server.url))
    assert (found.outcome, found.found) == ("differs", "4 rows are 1 records")


def test_a_data_set_without_a_gene():
    class Bare(Phantom):
        @property
        def record(self):
            return super().record | {"genes": []}

    with AllenServer([Bare(id=900000005, count=2, resolution=32.0)]) as server:
        assert search_of(examine(server.url)).outcome == "not asked"


@pytest.mark.parametrize(
    ("envelope", "found"),
    [
        (page(), "no gene is like PHAN"),
        (page({"id": 7, **WHOLE}, {"id": 5, **WHOLE}), "ids are [7, 5]"),
        (page({"id": 5, **WHOLE}, {"id": 5, **WHOLE}), "ids are [5, 5]"),
        (page({"id": 5, "genes": []}), "without plane_of_section, products, section_images"),
        (page({"id": 5, **WHOLE, "genes": None}), "5 is of no gene like PHAN"),
        (page({"id": 5, **WHOLE}, num_rows=4), "4 rows are 1 records"),
        (page({}), "without an id"),
        ({"msg": "sorry"}, "holds no records"),
    ],
)
def test_each_way_to_differ(envelope, found):
    finding = judge_alike(envelope, "PHAN")
    assert finding.outcome == "differs"
    assert found in finding.found
    assert finding.then


def test_quoted_names_that_are_syntax():
    assert judge_alike(page({"id": 5, **WHOLE}), "PHAN") is None
    assert judge_named(page({"id": 5}), 5, "Phanc").outcome == "as expected"
    for other in (page(), page({"id": 6}), page({"id": 5}, {"id": 6}), page(7), {"msg": []}):
        assert judge_named(other, 5, "Phanc").outcome == "differs"
