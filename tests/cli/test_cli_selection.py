"""Options that add data sets to a command's own."""

from __future__ import annotations

import io

import click
import pytest
from click.testing import CliRunner

import atldld_xr
from atldld_xr.cli.failures import CarefulGroup
from atldld_xr.cli.selection import NAMES, is_asked, select, selecting
from atldld_xr.cli.text import say
from atldld_xr.testing import AllenServer, Catalogue


@click.group(cls=CarefulGroup)
def cli():
    """Stand for a program."""


@cli.command()
@click.argument("datasets", nargs=-1)
@selecting
def chosen(datasets, **arguments):
    """Print what is selected."""
    assert set(arguments) == NAMES
    say(f"asked: {is_asked(arguments)}", err=True)
    selection = select(datasets, arguments)
    say("\n".join(selection.datasets))
    say(f"unknown: {selection.unknown}", err=True)


@pytest.fixture(scope="module")
def _server():
    with AllenServer([], catalogue=Catalogue(500)) as server:
        yield server


@pytest.fixture
def server(_server):
    _server.clear_log()
    with atldld_xr.config.set({"source": _server.url}):
        yield _server


def run(*args, code=0, given=None):
    result = CliRunner().invoke(cli, ["chosen", *map(str, args)], input=given)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_arguments_alone_ask_for_nothing(server):
    result = run("phantom", "allen:7", 8)
    assert result.stdout.split() == ["phantom", "allen:7", "8"]
    assert "asked: False" in result.stderr
    assert not server.log


def test_genes_after_files_after_arguments(server, tmp_path):
    found = atldld_xr.search(gene="Pvalb", plane="coronal").id.tolist()
    assert len(found) > 1
    file = tmp_path / "ids.txt"
    file.write_text(f"9  # nine\n{found[1]}\n900000002\n")
    line = ("--from", file, "--gene", "Pvalb", "--plane-of-section", "coronal")
    names = run(9, *line).stdout.split()
    rest = [str(n) for n in found if n != found[1]]
    assert names == ["9", str(found[1]), "phantom-sagittal", *rest]


def test_every_filter(server):
    line = ["--product", "mouse", "--age", "56", "--treatment", "ISH", "--limit", 3]
    found = atldld_xr.search(product="mouse", age=56, treatment="ISH", limit=3).id
    assert run(*line).stdout.split() == [str(n) for n in found]
    assert "asked: True" in run(*line).stderr


@pytest.mark.parametrize("how", ["--csv", "--json"])
@pytest.mark.parametrize("images", [(), ("--images",)])
def test_what_search_prints(server, how, images):
    from atldld_xr.cli import cli as program

    printed = CliRunner().invoke(program, ["search", "--gene", "Pvalb", how, *images]).stdout
    names = run("--from", "-", given=printed).stdout.split()
    assert names == [str(n) for n in atldld_xr.search(gene="Pvalb").id]


def test_unknown_genes_are_told(server):
    result = run("--gene", "Pvalb", "--gene", "Pvalc")
    assert "there is no gene 'Pvalc' (near it: Pvalb" in result.stderr
    assert "unknown: {'Pvalc'" in result.stderr
    assert "there is no gene" in run("--gene", "Pvalc", code=3).stderr


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ((7, "allen:7"), 2, "7 and allen:7 are the same data set"),
        (("what",), 2, "names no section data set"),
        ((7, "--limit", 3), 2, "--limit is of a search"),
        (("--product", "Rat"), 2, "there is no product 'Rat'"),
        (("--gene", "Pvalb", "--limit", 0), 2, "limit must be"),
        (("--gene", "Pvalb", "--plane-of-section", "oblique"), 2, "plane 'oblique' is none"),
        (("--gene", "Pvalb", "--treatment", "NISSL"), 3, "no data set answers"),
        ((), 3, "no data set answers"),
        (("--from", "/none/such"), 1, "No such file"),
        (("--from", "s3://a/b"), 2, "is no path on this machine"),
        (("--from", "/"), 1, "Is a directory"),
    ],
    ids=str,
)
def test_what_cannot_work(server, line, code, said):
    assert said in run(*line, code=code).stderr


def test_endless_input_is_not_read_to_its_end():
    said = run("--from", "/dev/zero", code=2).stderr
    assert "more than the 24,000,000 bytes" in said
    given = io.BytesIO(b"7\n" * 12_000_001)
    assert "standard input has more" in run("--from", "-", given=given, code=2).stderr
