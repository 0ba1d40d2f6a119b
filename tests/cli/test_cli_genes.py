"""Commands over the data sets of genes, or of a file: resumed as a whole, with a report."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import xarray as xr
from click.testing import CliRunner

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.cli import cli
from atldld_xr.cli.export import tell_written
from atldld_xr.cli.many import tell_all
from atldld_xr.cli.selection import Selection
from atldld_xr.export.many import export_many
from atldld_xr.testing import AllenServer, Faults, gene_phantoms
from commandline import facts, run, tree

PHANTOMS = gene_phantoms(["Pvalb", "Gad1", "H2-D1*", "Pvalb"], count=2)
IDS = [phantom.id for phantom in PHANTOMS]
IMAGE = parse_dataset(PHANTOMS[1].record).images[0]
COARSE = ["--resolution", "400"]
SMALL = {"export": [*COARSE, "--variables", "image"], "volume": [*COARSE, "--variables", "image"]}
SMALL["mirror"] = ["--resolution", "400"]
PLACES = {"export": "{gene}-{id}.zarr", "volume": "{gene}-{id}.zarr", "mirror": "mirror"}


@pytest.fixture(scope="module")
def shared():
    with AllenServer(PHANTOMS) as server:
        yield server


@pytest.fixture
def server(as_source):
    with atldld_xr.config.set({"http.retries": 0}):
        yield as_source


def many(command, tmp_path, *args, code=0):
    line = [command, *args, tmp_path / PLACES[command], *SMALL[command]]
    line += ["--report", tmp_path / "report.json"]
    result = CliRunner().invoke(cli, list(map(str, line)))
    assert result.exit_code == code, (result.output, result.exception)
    assert "Traceback" not in result.output
    return result, json.loads((tmp_path / "report.json").read_text())


@pytest.mark.parametrize("command", ["export", "volume", "mirror"])
def test_genes_are_done_and_then_are_there(server, tmp_path, command):
    result, report = many(command, tmp_path, "--gene", "Pvalb", "--gene", "Gad1")
    assert f"3 of 3 data sets are {'copied' if command == 'mirror' else 'written'}" in result.stdout
    assert [entry["dataset"] for entry in report["datasets"]] == [str(IDS[k]) for k in (0, 1, 3)]
    assert report["counts"] == {"done": 3}
    assert server.image_requests > 0
    assert server.metadata_requests == 2  # a search, and all records
    server.clear_log()
    before = tree(tmp_path)
    result, report = many(command, tmp_path, "--gene", "Pvalb", "--gene", "Gad1")
    assert not server.log
    assert report["counts"] == {"done": 3}
    after = tree(tmp_path)
    changed = {name for name in after if after[name] != before.get(name)}
    assert {name.rpartition("/")[2] for name in changed} <= {"report.json", "mirror.json"}


@pytest.mark.parametrize("command", ["export", "volume", "mirror"])
def test_one_that_fails_does_not_keep_the_others(server, tmp_path, command):
    server.faults = Faults(never=frozenset([IMAGE.id]))
    (tmp_path / "ids.txt").write_text(f"{IDS[0]}\n77 # nowhere\n{IDS[1]}\n{IDS[3]}\n")
    result, report = many(command, tmp_path, "--from", tmp_path / "ids.txt", code=1)
    assert "2 of 4 data sets are" in result.stdout
    assert "77 failed: there is no" in result.stderr
    assert "2 of 4 data sets could not be" in result.stderr
    done, missing, failed, last = report["datasets"]
    assert [e["state"] for e in (done, missing, failed, last)] == ["done", *["failed"] * 2, "done"]
    assert missing["kind"] == "DatasetNotFoundError"
    assert f"section image {IMAGE.id}" in failed["error"]
    # The report is a list of data sets: again, and no image of what is done is asked for.
    server.faults = Faults()
    server.clear_log()
    _, report = many(command, tmp_path, "--from", tmp_path / "report.json", code=3)
    assert report["counts"] == {"done": 3, "failed": 1}
    assert {request.image_id for request in server.log} <= {
        None,
        *(image.id for image in parse_dataset(PHANTOMS[1].record).images),
    }


@pytest.mark.parametrize("command", ["export", "volume"])
def test_volumes_that_are_there_are_left(server, tmp_path, command):
    server.faults = Faults(never=frozenset([IMAGE.id]))
    line = ["--gene", "Gad1", "--gene", "Pvalb", tmp_path / "{id}.nrrd", "--channel", "grey"]
    line = [command, *line, *COARSE, "--on-error", "fill", "--json"]
    first = json.loads(run(*line, code=4).stdout)
    before = tree(tmp_path)
    server.clear_log()
    assert json.loads(run(*line, code=4).stdout) == first
    assert not server.log
    assert tree(tmp_path) == before
    (tmp_path / f"{IDS[0]}.nrrd").unlink()
    result = CliRunner().invoke(cli, list(map(str, line)))
    assert result.exit_code == 1  # a list alone is none of ours to replace
    assert tree(tmp_path).keys() == before.keys() - {str(tmp_path / f"{IDS[0]}.nrrd")}
    for other in (["--interpolation", "cubic"], ["--fill-value", "3"], ["--reference-space", "10"]):
        result = CliRunner().invoke(cli, list(map(str, [*line, *other])))
        assert result.exit_code == 1
        assert "exists; mode=" in result.stderr
    (tmp_path / f"{IDS[0]}.nrrd.json").unlink()
    found = json.loads(run(*line, code=4).stdout)
    assert found == first
    assert tree(tmp_path) == before


def test_places(server, tmp_path):
    run("export", "--gene", "*", tmp_path / "{gene}" / "{id}.zarr", *SMALL["export"])
    found = sorted(path.relative_to(tmp_path) for path in tmp_path.glob("*/9*.zarr"))
    genes = ["Gad1", "H2-D1_", "Pvalb", "Pvalb"]
    assert [path.parent.name for path in found] == genes
    assert xr.open_zarr(tmp_path / found[0]).attrs["genes"] == ["Gad1"]


@pytest.mark.parametrize("command", ["export", "volume"])
def test_places_that_are_one(server, tmp_path, command):
    before = tree(tmp_path)
    for url in ("a.zarr", "{gene}.zarr"):  # two data sets are of one gene
        said = run(command, "--gene", "Gad1", tmp_path / url, code=2).stderr
        assert "put {id} where" in said
    assert tree(tmp_path) == before
    said = run(command, IDS[0], tmp_path / "a.zarr", "--report", tmp_path / "r.json", code=2).stderr
    assert "--report is of several" in said
    said = run(command, "--gene", "Pvalb", "--report", tmp_path, "{id}.zarr", code=2).stderr
    assert "is a folder" in said


@pytest.mark.parametrize("command", ["export", "volume", "mirror"])
def test_a_report_that_cannot_be_written_is_told_first(server, tmp_path, command):
    (tmp_path / "file").write_text("")
    line = [command, "--gene", "Gad1", tmp_path / PLACES[command], *SMALL[command]]
    assert "file" in run(*line, "--report", tmp_path / "file" / "report.json", code=1).stderr
    assert server.image_requests == 0
    assert {path.name for path in tmp_path.iterdir()} == {"file", "cache"}


def test_several_volumes_and_one(server, tmp_path):
    told = facts("volume", IDS[0], IDS[1], tmp_path / "{id}.zarr", *SMALL["volume"])
    assert [entry["dataset"] for entry in told] == [str(n) for n in IDS[:2]]
    alone = facts("volume", IDS[0], tmp_path / "{gene}.zarr", *SMALL["volume"])
    assert alone["url"].endswith("Pvalb.zarr")
    volume = atldld_xr.open_volume(IDS[0], resolution=400)
    xr.testing.assert_equal(xr.open_zarr(tmp_path / f"{IDS[0]}.zarr").image, volume.image)


def test_partial_ones_and_unknown_genes_have_codes(server, tmp_path):
    server.faults = Faults(never=frozenset([IMAGE.id]))
    genes = ["--gene", "Gad1", "--gene", "Pvalb"]
    _, report = many("export", tmp_path, *genes, "--on-error", "fill", code=4)
    assert report["counts"] == {"done": 2, "partial": 1}
    _, report = many("export", tmp_path, *genes, "--gene", "Gad9", "--on-error", "fill", code=3)
    assert list(report["unknown_genes"]) == ["Gad9"]


@pytest.mark.parametrize("command", ["export", "volume", "mirror"])
def test_in_a_process_of_its_own(server, tmp_path, command):
    """As the commands import what they need themselves."""
    line = [command, "--gene", "Gad1", str(tmp_path / PLACES[command]), *SMALL[command]]
    code = "import sys; from atldld_xr.cli import main; sys.argv[0] = 'atldld-xr'; main()"
    line += ["--source", server.url, "--report", str(tmp_path / "report.json")]
    done = subprocess.run([sys.executable, "-c", code, *line], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 data sets are" in done.stdout
    assert json.loads((tmp_path / "report.json").read_text())["counts"] == {"done": 1}


def test_a_report_of_what_was_interrupted(server, tmp_path):
    """What was done is in it, and what was not reached; the others are closed."""
    ended = []

    def outcomes():
        try:
            yield from export_many(
                IDS[:1], str(tmp_path / "{id}.zarr"), opening={"resolution": 400}
            )
            raise KeyboardInterrupt
        finally:
            ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        tell_all(
            outcomes(),
            Selection(tuple(map(str, IDS))),
            done="written",
            tell=tell_written,
            progress=False,
            as_json=False,
            report=tmp_path / "report.json",
        )
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["counts"] == {"done": 1, "not reached": 3}
    assert ended
