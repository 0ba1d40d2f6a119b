"""The command ``structures``: the ontology for people, for programs and for tables."""

from __future__ import annotations

import csv
import io
import json

import atldld_xr
from atldld_xr.phantom.atlas import IDS
from commandline import run

PHANTOM = ("--source", "phantom")


def test_for_people_each_is_below_what_it_is_part_of():
    lines = run("structures", *PHANTOM).stdout.splitlines()
    assert len(lines) == len(atldld_xr.structures(source="phantom"))
    assert lines[0] == f"{IDS['root']}  root  root"
    assert f"{IDS['DG']}        DG  dentate gyrus" in lines


def test_some_of_them_by_acronym_or_id_alone_or_with_their_parts():
    assert run("structures", "DG", *PHANTOM).stdout == f"{IDS['DG']}  DG  dentate gyrus\n"
    lines = run("structures", str(IDS["HPF"]), "CA", "--parts", *PHANTOM).stdout.splitlines()
    assert [line.split()[1] for line in lines] == ["HPF", "CA", "DG"]


def test_for_programs_and_tables_they_are_those_of_the_function():
    table = atldld_xr.structures(source="phantom").table()
    facts = json.loads(run("structures", "--json", *PHANTOM).stdout)
    assert [fact["acronym"] for fact in facts] == table.acronym.tolist()
    assert facts[14]["path"] == [IDS["root"], IDS["grey"], IDS["HPF"], IDS["DG"]]
    rows = list(csv.DictReader(io.StringIO(run("structures", "--csv", *PHANTOM).stdout)))
    assert list(rows[0]) == list(table)
    assert [row["path"] for row in rows] == table.path.tolist()
    assert [row["colour"] for row in rows] == table.colour.tolist()


def test_what_is_not_there_is_told_with_what_is_near():
    failed = run("structures", "dgg", *PHANTOM, code=2)
    assert "did you mean DG (dentate gyrus)" in failed.stderr
    assert "exclude each other" in run("structures", "--csv", "--json", *PHANTOM, code=2).stderr
