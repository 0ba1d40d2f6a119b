"""The README's first screen runs as it stands, and what it and the docs show can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.cli import cli
from atldld_xr.testing import AllenServer, gene_phantoms
from kills import SMALL

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCS = [README, *(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def here(server, tmp_path, monkeypatch):
    """Have the small data set where the README has a real one, and an empty folder."""
    monkeypatch.chdir(tmp_path)
    with atldld_xr.config.set({"source": server.url}):
        yield lambda code: code.replace("71717640", str(SMALL.id))


def test_the_first_code_runs_line_by_line(here):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    code = here(blocks(README, "python")[0])
    names: dict[str, object] = {}
    exec(code, names)
    assert names["section"].dims == ("y", "x", "channel")
    assert atldld_xr.status(f"{SMALL.id}.zarr").state == "complete"
    # What is drawn is upright: row 0, which is dorsal, is at the top.
    axes = matplotlib.pyplot.gca()
    low, high = axes.get_ylim()
    matplotlib.pyplot.close("all")
    assert low > high


def test_what_needs_another_package_says_which():
    drawing = [line for line in blocks(README, "python")[0].splitlines() if ".plot" in line]
    assert drawing
    assert all('pip install ".[plot]"' in line for line in drawing)


def test_the_code_for_xarray_alone_runs(here):
    (code,) = [block for block in blocks(README, "python") if "= xr.open_dataset(" in block]
    names: dict[str, object] = {}
    exec(here(code), names)
    assert isinstance(names["ds"], xr.Dataset)
    assert names["ds"].attrs["resolution"] == 10
    assert names["ds"].atldld.section_dim == "coronal"


def rows():
    """Return the cells of the table of names in Python beside the commands."""
    table = README.partition("| in Python | on the command line |")[2].partition("\n\n")[0]
    return [re.findall(r"`([^`]+)`", line) for line in table.splitlines()[2:]]


def test_the_table_has_every_public_function_and_every_command():
    in_python = {cell for row in rows() for cell in row if not cell.startswith("atldld-xr")}
    called = {re.split(r"[.(]", cell)[0] for cell in in_python}
    public = {name for name in dir(atldld_xr) if callable(getattr(atldld_xr, name))}
    assert public - called == {
        "BucketSource",
        "MirrorSource",
        "ReferenceSpace",
        "Registration",
        "DisplacementField",
    }  # named below the table
    commands = {cell.split()[1] for row in rows() for cell in row if cell.startswith("atldld-xr")}
    assert commands == set(cli.commands)


def lines():
    """Return every line of the command line that the README and the docs show."""
    found = [
        line.partition(" #")[0].strip()
        for text in DOCS
        for block in blocks(text, "bash")
        for line in block.splitlines()
    ]
    found += [cell for row in rows() for cell in row]
    return sorted({line for line in found if line.startswith("atldld-xr ")})


@pytest.mark.parametrize("line", lines())
def test_what_is_shown_can_be_typed(line):
    words = shlex.split(line)[1:]
    command: click.Command = cli
    context = click.Context(cli, info_name="atldld-xr")
    while isinstance(command, click.Group):
        _, command, words = command.resolve_command(context, words)
        context = command.make_context(command.name, words, parent=context)
        words = [*context._protected_args, *context.args]
    assert context.params


def test_no_mask_is_shown_with_the_coverage_of_the_images():
    # A section without a mask would count as one that has no expression.
    shown = [*DOCS, *(path.read_text() for path in ROOT.glob("notebooks/*.ipynb"))]
    assert any("expression.where(ds.expression_coverage)" in text for text in shown)
    for text in shown:
        assert not re.search(r"expression\.where\(\w+\.coverage\b", text)


def test_data_sets_that_are_cut_alike_open_as_one(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = [block for block in blocks(README, "python") if "open_mfdataset" in block]
    ids = iter([SMALL.id, SMALL.id])
    with atldld_xr.config.set({"source": server.url}):
        names: dict[str, object] = {"xr": xr}
        exec(re.sub(r"(?<=allen://)\d+", lambda _: str(next(ids)), code), names)
    both = names["both"]
    one = atldld_xr.open_dataset(SMALL.id, source=server.url, resolution=both.resolution)
    assert both.sizes["coronal"] == 2 * one.sizes["coronal"]
    assert both.image.isel(coronal=slice(one.sizes["coronal"], None)).equals(one.image)


def test_many_data_sets_as_their_docs_show(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    phantoms = gene_phantoms(["Pvalb", "Gad1", "Calb1", "Pvalb"], count=2)
    with AllenServer(phantoms) as server, atldld_xr.config.set({"source": server.url}):
        for code in blocks((ROOT / "docs" / "many.md").read_text(), "python"):
            exec(code, names)
        assert list(names["tree"].children) == [str(phantoms[0].id), str(phantoms[3].id)]
        assert names["one"].identical(atldld_xr.open_dataset(phantoms[0].id, resolution=100))
        assert server.image_requests == 0
        assert 0 < names["share"][str(phantoms[3].id)].coverage.compute() <= 1
        assert names["pvalb"].sizes["gene"] == 2
        assert names["plane"].compute().shape == (80, 114, 3)
