"""The pages of reference have every public name, method and setting."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import atldld_xr
from atldld_xr.accessor import AtldldAccessor, AtldldArrayAccessor
from atldld_xr.accessor.plot import Plots
from atldld_xr.settings import KINDS
from commandline import run

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {path.name: path.read_text() for path in sorted(DOCS.glob("*.md"))}


def test_each_public_name_has_its_page():
    listed = set(re.findall(r"^   ([\w.]+)$", PAGES["api.md"], re.M))
    told = set(re.findall(r"`atldld_xr\.(\w+)", PAGES["api.md"])) | {"__version__"}
    if "automodule:: atldld_xr.errors" in PAGES["api.md"]:
        told.add("errors")
    assert set(atldld_xr.__all__) <= listed | told


@pytest.mark.parametrize("accessor", [AtldldAccessor, AtldldArrayAccessor, Plots])
def test_each_method_of_an_accessor_has_its_page(accessor):
    name = accessor.__name__
    listed = set(re.findall(rf"^   {name}\.(\w+)$", PAGES["api.md"], re.M))
    assert listed == {method for method in dir(accessor) if not method.startswith("_")}


def test_each_setting_is_told_with_its_default():
    rows = re.findall(r"^\| `([\w.]+)` \| `?(.*?)`? \|", PAGES["settings.md"], re.M)
    assert [name for name, _ in rows] == list(KINDS)
    printed = re.findall(r"^(\S+) +(.+?)  \(default\)$", run("config").stdout, re.M)
    assert len(printed) > 15
    told = dict(rows)
    assert {name: told[name] for name, _ in printed} == dict(printed)


def test_each_page_is_in_one_list_of_pages():
    lists = [
        block.split()
        for text in PAGES.values()
        for block in re.findall(r"```\{toctree\}\n(?::\S+\n|:maxdepth: 1\n)*\n(.*?)```", text, re.S)
    ]
    pages = [name.removesuffix(".md") for name in PAGES if name != "index.md"]
    # Copied there as the site is made.
    pages += [f"notebooks/{path.stem}" for path in (DOCS.parent / "notebooks").glob("*.ipynb")]
    assert sorted(name for found in lists for name in found) == sorted(pages)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *(f"docs/{p}" for p in PAGES)])
def test_links_lead_somewhere_on_a_forge(page):
    file = DOCS.parent / page
    for target, part in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([\w-]+))?\)", file.read_text()):
        found = file.parent / target if target else file
        assert found.exists(), target
        if part:
            titles = re.findall(r"^#+ (.+)$", found.read_text(), re.M)
            assert part in {re.sub(r"[^\w\- ]", "", t).lower().replace(" ", "-") for t in titles}


def test_each_figure_is_shown_and_can_be_drawn_anew(tmp_path):
    pytest.importorskip("matplotlib")
    committed = {path.name for path in (DOCS / "images").iterdir()}
    shown = {name for text in PAGES.values() for name in re.findall(r"\(images/(\S+)\)", text)}
    assert committed == shown
    assert all(path.stat().st_size < 250_000 for path in (DOCS / "images").iterdir())
    spec = spec_from_file_location("figures", DOCS / "figures.py")
    figures = module_from_spec(spec)
    spec.loader.exec_module(figures)
    assert {f"{draw.__name__}.png" for draw in figures.FIGURES} == committed
    figures.centres().savefig(tmp_path / "centres.png")
    figures.tilt().savefig(tmp_path / "tilt.png")
