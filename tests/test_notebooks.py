"""The notebooks run from top to bottom, and are committed with what they show."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)

_LARGEST = 500 * 1024  # bytes: what pre-commit lets in
_UNWANTED = ("Warning", "Traceback", "/home/", "/root", "/tmp/", "site-packages", "127.0.0.1:")


@each
def test_a_notebook_runs(path, tmp_path):
    pytest.importorskip("nbclient")
    pytest.importorskip("jupytext")
    # A process of its own, as its users start it: the kernel's machinery is not ours to check.
    done = subprocess.run(
        [sys.executable, str(ROOT / "ci" / "notebooks.py"), path.stem, "--into", str(tmp_path)],
        env=os.environ | {"ATLDLD_XR_CACHE__DIRECTORY": str(tmp_path / "cache")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    out = tmp_path / path.name
    again = "make it again: python ci/notebooks.py"
    assert sources(out) == sources(path), f"the script beside it says something else; {again}"
    assert kinds(out) == kinds(path), again
    assert texts(out) == texts(path), f"what it shows is of an earlier version; {again}"


def cells(path):
    """Return the cells of a notebook."""
    return json.loads(path.read_text())["cells"]


def sources(path):
    """Return what is written in each cell, with its kind and the tags that it has."""
    return [(c["cell_type"], c["metadata"], "".join(c["source"])) for c in cells(path)]


def kinds(path):
    """Return what each code cell puts out, by kind."""
    return [
        [sorted(output.get("data", {"text": 0})) for output in cell["outputs"]]
        for cell in cells(path)
        if cell["cell_type"] == "code"
    ]


def texts(path):
    """Return the text that each code cell puts out."""
    return [
        [
            "".join(o.get("text", "") or o.get("data", {}).get("text/plain", ""))
            for o in c["outputs"]
        ]
        for c in cells(path)
        if c["cell_type"] == "code"
    ]


@each
def test_a_notebook_shows_no_trouble_and_no_place(path):
    text = path.read_text()
    for unwanted in _UNWANTED:
        assert unwanted not in text, unwanted
    assert any("image/png" in kind for cell in kinds(path) for kind in cell), "it has no picture"
    assert len(text) < _LARGEST, "it is too large to be kept"


@each
def test_links_from_a_notebook_lead_somewhere(path):
    text = "\n".join(source for kind, _, source in sources(path) if kind == "markdown")
    for link in re.findall(r"\]\((?!https?://)([^)]+)\)", text):
        assert (path.parent / link).is_file(), link


def test_each_script_has_its_notebook():
    assert [path.stem for path in NOTEBOOKS] == sorted(
        path.stem for path in (ROOT / "notebooks").glob("*.py")
    )
