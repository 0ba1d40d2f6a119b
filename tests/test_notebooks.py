"""The notebooks run from top to bottom, and are committed with what they show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs(path, tmp_path):
    pytest.importorskip("nbclient")
    # A process of its own, as its users start it: the kernel's machinery is not ours to check.
    script = (
        "import sys, nbformat, nbclient\n"
        "notebook = nbformat.read(sys.argv[1], as_version=4)\n"
        "nbclient.NotebookClient(notebook, timeout=300, kernel_name='python3').execute()\n"
        "nbformat.write(notebook, sys.argv[2])\n"
    )
    out = tmp_path / path.name
    environment = os.environ | {"ATLDLD_XR_CACHE__DIRECTORY": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), str(out)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert kinds(out) == kinds(path), "run it again and commit it with its outputs"
    assert texts(out) == texts(path), "what it shows is of an earlier version: run it again"


def kinds(path):
    """Return what each code cell puts out, by kind."""
    cells = json.loads(path.read_text())["cells"]
    return [
        [sorted(output.get("data", {"text": 0})) for output in cell["outputs"]]
        for cell in cells
        if cell["cell_type"] == "code"
    ]


def texts(path):
    """Return the text that each code cell puts out."""
    return [
        [
            "".join(o.get("text", "") or o.get("data", {}).get("text/plain", ""))
            for o in c["outputs"]
        ]
        for c in json.loads(path.read_text())["cells"]
        if c["cell_type"] == "code"
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_shows_no_trouble_and_no_place(path):
    text = path.read_text()
    for unwanted in ("Warning", "Traceback", "/home/", "/root", "/tmp/", "site-packages"):
        assert unwanted not in text, unwanted
    assert any(kinds(path)), "it is committed without its outputs"
