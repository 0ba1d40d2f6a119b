"""The commands summary and grid: what the functions give, as tables and facts."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import xarray as xr

import atldld_xr
from atldld_xr.testing import AllenServer, Faults, Phantom
from commandline import run

SMALL = Phantom(id=900000003, count=7, resolution=40.0)
COARSE = ("--resolution", "100")


def numbers(**more):
    ds = atldld_xr.open_dataset("phantom-sagittal", resolution=100, expression="intensity")
    return ds.atldld.structure_summary(**more).to_dataframe().reset_index()


def test_summary_writes_the_table(tmp_path):
    path = tmp_path / "a.csv"
    told = run("summary", "phantom-sagittal", *COARSE, "-o", str(path)).stdout
    assert told == f"{path}: {len(numbers()):,} rows\n"
    found = pd.read_csv(path).set_index("structure")
    expected = numbers().set_index("structure")
    np.testing.assert_allclose(found.expression_energy, expected.expression_energy, rtol=1e-12)


def test_summary_by_section_as_json():
    line = ["summary", "phantom-sagittal", *COARSE, "--structures", "CTX,HPF", "--by", "section"]
    told = json.loads(run(*line, "--hemisphere", "each", "--json").stdout)
    expected = numbers(structures=["CTX", "HPF"], by="section", hemisphere="each")
    assert len(told["rows"]) == len(expected)
    assert told["sections_not_counted"] == "none"
    sums = [row["sum_pixels"] for row in told["rows"]]
    np.testing.assert_allclose(np.array(sums, float), expected.sum_pixels, rtol=1e-12)


def test_summary_for_people_is_short():
    told = run("summary", "phantom-sagittal", *COARSE).stdout.splitlines()
    assert 5 < len(told) <= 23
    assert "expression_energy" in told[0]
    assert told[-1].startswith("and ")


def test_summary_of_a_grid():
    told = run("summary", "phantom", "--method", "grid", "--structures", "root", "--json").stdout
    (row,) = json.loads(told)["rows"]
    grid = atldld_xr.open_grid("phantom").atldld.structure_summary(method="grid")
    assert row["voxel_energy_mean"] == float(grid.voxel_energy_mean.sel(structure="root"))


def test_sections_that_are_not_counted_are_told_of():
    lost = SMALL.record["section_images"][3]["id"]
    with AllenServer(phantoms=[SMALL], faults=Faults(missing={lost})) as server:
        line = [
            "summary",
            str(SMALL.id),
            "--source",
            server.url,
            "--annotation",
            "phantom",
            *COARSE,
        ]
        ended = run(*line, "--on-error", "fill", "--structures", "root", "--json", code=4)
    assert str(lost) in json.loads(ended.stdout)["sections_not_counted"]


def test_what_cannot_work_is_refused():
    assert "'XYZ'" in run("summary", "phantom", "--structures", "XYZ", code=2).stderr
    assert (
        "neither in .csv nor in .parquet" in run("summary", "phantom", "-o", "a.txt", code=2).stderr
    )


def test_grid(tmp_path):
    path = tmp_path / "a.zarr"
    assert str(path) in run("grid", "phantom", str(path)).stdout
    back = xr.open_zarr(path, consolidated=False)
    expected = atldld_xr.open_grid("phantom")
    np.testing.assert_array_equal(back.energy.values, expected.energy.values)
    facts = json.loads(run("grid", "phantom", "--variables", "energy", "--json").stdout)
    assert list(facts["variables"]) == ["energy"]
    assert facts["variables"]["energy"]["valid"] == int(expected.energy.notnull().sum())


def test_the_program_finds_the_methods_that_it_needs(tmp_path):
    """In a process of its own, where nobody has registered them before."""
    ending = ["phantom-sagittal", *COARSE, "--structures", "CTX", "--json"]
    for line in (["summary", *ending], ["grid", "phantom", str(tmp_path / "a.zarr"), "--json"]):
        command = [sys.executable, "-m", "atldld_xr", *line]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)
