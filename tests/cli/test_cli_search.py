"""search and genes on the command line: what they print, and their exit codes."""

from __future__ import annotations

import csv
import io
import json
import time

import pytest
from click.testing import CliRunner

import atldld_xr
from atldld_xr.cli import cli
from atldld_xr.testing import AllenServer, Catalogue, Faults
from commandline import run


@pytest.fixture(scope="module")
def shared():
    with AllenServer([], catalogue=Catalogue(500)) as server:
        yield server


@pytest.fixture
def server(as_source):
    return as_source


@pytest.mark.usefixtures("server")
class TestSearch:
    """What is found."""

    def test_lines_for_people(self):
        head, first, *others, count = run("search", "--gene", "Pva*").stdout.splitlines()
        assert head.split() == ["id", "genes", "plane", "sections", "expression", "age", "products"]
        assert first.split() == ["1001", "Pvalb", "coronal", "2", "false", "P56", "Mouse", "Brain"]
        assert count == f"{1 + len(others)} data sets"
        lines = run("search", "--gene", "Pvalb", "--treatment", "NISSL").stdout
        assert lines == "0 data sets\n"

    def test_the_age_of_what_was_kept(self, monkeypatch):
        line = ("search", "--gene", "Pvr")
        fetched = atldld_xr.search(gene="Pvr").attrs["fetched"]
        assert run(*line).stdout.endswith(" data sets\n")
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 100_000)
        text = run(*line).stdout
        assert text.endswith(f" data sets, as the service said on {fetched}; --refresh asks anew\n")
        assert run(*line, "--refresh").stdout.endswith(" data sets\n")

    def test_json_is_the_table(self):
        line = ("search", "--gene", "Pvalb", "--gene", "14415", "--plane", "sagittal")
        facts = json.loads(run(*line, "--json").stdout)
        found = atldld_xr.search(gene=["Pvalb", 14415], plane="sagittal")
        assert [fact["id"] for fact in facts] == found.id.tolist()
        assert list(facts[0]) == list(found.columns)
        assert facts[0]["genes"] in (["Pvalb"], ["Gad1"])

    def test_csv_is_the_table(self):
        text = run("search", "--limit", "45", "--failed", "any", "--csv").stdout
        rows = list(csv.DictReader(io.StringIO(text)))
        found = atldld_xr.search(limit=45, failed=None)
        assert list(rows[0]) == list(found.columns)
        assert [int(row["id"]) for row in rows] == found.id.tolist()
        assert [row["gene_names"] for row in rows] == found.gene_names.fillna("").tolist()
        assert {row["failed"] for row in rows} == {"true", "false"}

    def test_every_option(self):
        line = ["search", "--product", "mouse", "--age", "56", "--strain", "C57*", "--sex", "M"]
        line += ["--structure", "CA1", "--specimen", "P56*", "--treatment", "ISH", "--json"]
        found = atldld_xr.search(
            product="mouse", age=56, strain="C57*", sex="M", structure="CA1", specimen="P56*"
        )
        ids = [fact["id"] for fact in json.loads(run(*line).stdout)]
        assert ids == found.id.tolist() != []

    def test_images(self):
        facts = json.loads(run("search", "--gene", "Pvalb", "--images", "--json").stdout)
        assert [f["id"] for f in facts] == atldld_xr.search_images(gene="Pvalb").id.tolist()
        assert "section images" in run("search", "--gene", "Pvalb", "--images").stdout

    def test_genes(self):
        text = run("genes", "Pv*").stdout
        assert "parvalbumin" in text
        assert text.endswith("2 genes\n")
        facts = json.loads(run("genes", "14415", "Pvr", "--json").stdout)
        assert [fact["acronym"] for fact in facts] == ["Gad1", "Pvr"]
        assert facts[0]["aliases"] == ["GAD67", "Gad-1"]

    def test_no_such_gene(self):
        for line in (("search", "--gene", "GAD67"), ("genes", "GAD67")):
            assert "no gene 'GAD67' (near it: Gad1)" in run(*line, code=3).stderr

    def test_what_is_found_is_printed_though_a_gene_is_unknown(self):
        line = ["search", "--gene", "Pvalb", "--gene", "Xyz", "--json"]
        result = CliRunner().invoke(cli, line)
        assert result.exit_code == 3
        assert {fact["genes"][0] for fact in json.loads(result.stdout)} == {"Pvalb"}
        assert result.stderr == "atldld-xr: warning: there is no gene 'Xyz'\n"

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            (["search"], "say what to look for"),
            (["search", "--failed", "any"], "say what to look for"),
            (["search", "--gene", "it's"], "no way to write"),
            (["search", "--gene", ""], "names nothing"),
            (["search", "--plane", "up"], "none that there is"),
            (["search", "--product", "Rat"], "there is no product 'Rat'"),
            (["search", "--limit", "0"], "limit must be"),
            (["search", "--limit", "1", "--json", "--csv"], "two ways to print"),
            (["search", "--limit", "1", "--source", "phantom"], "cannot be searched"),
            (["genes"], "Missing argument"),
        ],
    )
    def test_what_cannot_work(self, line, said):
        assert said in run(*line, code=2).stderr


def test_a_service_that_fails(server):
    server.faults = Faults(rate=1.0, metadata=True)
    with atldld_xr.config.set({"http.retries": 0}):
        assert "data sets: " in run("search", "--gene", "Pvalb", code=1).stderr
    assert "offline" in run("search", "--gene", "Pvalb", "--offline", code=1).stderr
