"""Code in the README and the docs runs as it stands, with a server on loopback in Allen's place."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from click.testing import CliRunner

import atldld_xr
from atldld_xr.cli import cli
from atldld_xr.testing import AllenServer
from atldld_xr.testing.atlas import PhantomAtlas
from documents import PAGES, blocks, table_rows
from stand_in import NAMED, coarse_annotation, instead, settings

NOT_RUN = [
    ("README.md", "ci/run runs it, to the letter"),
    ("README.md", "ci/run runs it, to the letter"),
    ("exporting.md", "needs a scheduler and a bucket"),
    ("exporting.md", "needs the disks of a cluster"),
    ("exporting.md", "needs SLURM"),
    ("exporting.md", "needs Kubernetes"),
    ("exporting.md", "needs an account of Coiled"),
    ("exporting.md", "needs a bucket"),
    ("exporting.md", "needs a bucket, and reads at 1 um"),
    ("exporting.md", "it serves until it is ended"),
    ("index.md", "ci/run runs it, to the letter"),
    ("names.md", "it is of the shell of who reads"),
    ("serving.md", "it serves until it is ended"),
]
# Pages of which it is looked at what their code gives.
LOOKED_AT = {"README.md", "datasets.md", "many.md"}
OTHERS = [
    page
    for page in PAGES
    if page not in LOOKED_AT and any(block.reason is None for block in blocks(page))
]


@pytest.fixture(scope="module")
def shared():
    with pytest.MonkeyPatch.context() as patch, AllenServer(NAMED) as server:
        patch.setattr(PhantomAtlas, "annotation", coarse_annotation)
        yield server


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Have one cache for all pages: the annotation is unpacked once."""
    return {"cache.directory": str(tmp_path_factory.mktemp("cache"))}


@pytest.fixture
def here(server, cache, tmp_path, monkeypatch):
    """Have a folder with what the documents take as given, and all of Allen's from the server."""
    pytest.importorskip("matplotlib").use("agg")
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    with atldld_xr.config.set(settings(server) | cache):
        tmp_path.joinpath("ids.txt").write_text("71717640  # Calb1\n")
        tmp_path.joinpath("found.csv").write_text("id,genes\n71717640,Calb1\n")
        yield tmp_path
    plt.close("all")


def run_python(page):
    """Run what a page shows of Python, from top to bottom; return the names that it leaves."""
    names = {}
    for block in blocks(page):
        if block.language == "python" and block.reason is None:
            exec(compile(instead(block.code), page, "exec"), names)
    return names


def run_commands(page):
    """Run what a page shows of the command line."""
    for block in blocks(page):
        if block.language != "python" and block.reason is None:
            for program, *words in replace(block, code=instead(block.code)).commands:
                assert program == "atldld-xr", f"{page}: {program} is neither run nor marked"
                result = CliRunner().invoke(cli, words)  # some say on standard error what is coming
                assert result.exit_code == 0, (words, result.output, result.exception)


@pytest.mark.parametrize("page", OTHERS)
def test_the_code_of_a_page_runs(page, here):
    run_python(page)
    run_commands(page)


def test_the_first_code_draws_the_brain_upright_and_ends_with_a_store(here):
    names = run_python("README.md")
    assert names["section"].dims == ("y", "x", "channel")
    assert atldld_xr.status("71717640.zarr").state == "complete"
    import matplotlib.pyplot as plt

    # Row 0, which is dorsal, is at the top.
    low, high = plt.gca().get_ylim()
    assert low > high


def test_data_sets_that_are_cut_alike_open_as_one(here):
    names = run_python("datasets.md")
    assert (names["ds"].attrs["resolution"], names["ds"].atldld.section_dim) == (100, "coronal")
    both = names["both"]
    one = atldld_xr.open_dataset(79556706, resolution=both.resolution)
    assert both.sizes["coronal"] > one.sizes["coronal"]
    assert both.image.isel(coronal=slice(-one.sizes["coronal"], None)).equals(one.image)


def test_many_data_sets_open_without_a_pixel(here, server):
    names = run_python("many.md")
    assert server.image_requests == 0
    assert list(names["tree"].children) == ["868", "79556706"]
    assert names["one"].identical(atldld_xr.open_dataset(868, resolution=100))
    assert 0 < names["share"]["79556706"].coverage.compute() <= 1
    assert names["pvalb"].sizes["gene"] == 2
    assert names["plane"].compute().shape == (80, 114, 3)
    run_commands("many.md")


def test_what_the_table_of_names_shows_runs(here):
    ds = atldld_xr.open_dataset(71717640, resolution=100, expression="intensity")
    ds.atldld.to_quicknii(here, longest=64)
    here.joinpath("71717640.json").rename(here / "anchors.json")
    names = {name: getattr(atldld_xr, name) for name in atldld_xr.__all__}
    names |= {"ds": ds, "found": atldld_xr.search(gene="Pvalb")}
    cells = [cell for row in table_rows() for cell in row if re.fullmatch(r"[\w.]+\(.*\)", cell)]
    # structures.md has the one; the other is a way to say something.
    calls = [cell for cell in cells if not cell.startswith("summarize") and "..." not in cell]
    assert len(calls) > 20
    for call in calls:
        assert eval(instead(call), dict(names)) is not None or ".savefig" in call, call


def test_what_is_not_run_has_a_reason_and_is_little():
    every = [block for page in PAGES for block in blocks(page)]
    assert [(block.page, block.reason) for block in every if block.reason] == NOT_RUN
    assert len(NOT_RUN) < len(every) / 2
