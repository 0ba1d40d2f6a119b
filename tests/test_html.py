"""What notebooks show of facts and reports: well-formed, small, and no HTML of others'."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

import atldld_xr
from atldld_xr.collection.table import SummaryReport
from atldld_xr.export import ExportReport, StoreStatus, Verification
from atldld_xr.messages.html import html_rows
from atldld_xr.volumes import VolumeReport

HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m</td>"
FAILURES = tuple({"variable": "image", "section_image_id": k, "reason": HOSTILE} for k in range(70))
REPORTS = [
    ExportReport(
        HOSTILE, 3, 1234, 5, FAILURES, excluded={HOSTILE: 2}, link=f"https://a/#{HOSTILE}"
    ),
    VolumeReport(HOSTILE, HOSTILE, "nrrd", (528, 320, 456), (1, 2), 7, FAILURES),
    SummaryReport(HOSTILE, 3, 2, 1, ({"dataset": HOSTILE, "reason": HOSTILE},)),
    StoreStatus(HOSTILE, "running", {HOSTILE: 1}, {HOSTILE: 2}, FAILURES[:1]),
    Verification(HOSTILE, 1, 2, (HOSTILE, HOSTILE), {}),
]


def elements(html):
    """Return the elements of what is shown: it is well-formed, or this raises."""
    return list(ElementTree.fromstring(f"<div>{html}</div>").iter())


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_a_report_is_a_table_and_nothing_of_others_is_html(report):
    html = report._repr_html_()
    found = elements(html)
    assert not {element.tag for element in found} & {"script", "img", "iframe"}
    assert "\x1b" not in html
    text = "".join(found[0].itertext())
    assert type(report).__name__ in text
    assert "<script>alert(1)</script>" in text  # as what it is
    assert len(html) < 20_000
    for element in found:
        assert element.get("href", "https://").startswith("https://")
        assert not {name for name in element.attrib if name.startswith("on")}


def test_of_many_failures_the_first_are_shown_and_the_others_counted():
    found = elements(REPORTS[0]._repr_html_())
    assert "failures: 70" in "".join(found[0].itertext())
    assert "and 20 more" in "".join(found[0].itertext())
    (link,) = [element for element in found if element.tag == "a"]
    assert link.get("href") == REPORTS[0].link.replace("\x1b", "\\x1b")
    assert len(link.text) < 70
    assert link.text.startswith("https://a/#<script>alert(1)</script>")  # nothing is cut in two


def test_what_a_data_set_is_and_what_it_takes():
    known = atldld_xr.info("phantom", resolution=100)
    shown = "".join(elements(known._repr_html_())[0].itertext())
    assert str(known.section_data_set_id) in shown
    assert "coronal" in shown
    found = atldld_xr.open_dataset("phantom", resolution=100).atldld.explain()
    assert f"{found.requests} for images" in "".join(elements(found._repr_html_())[0].itertext())


def test_rows_without_anything():
    assert elements(html_rows([]))[1].tag == "table"
