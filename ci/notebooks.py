"""Run the notebooks and write what they show beside them: ``python ci/notebooks.py [NAME ...]``.

``notebooks/NAME.py`` is what people edit, in Jupytext's percent format, and ``NAME.ipynb`` the same
with its outputs, which a forge shows. What depends on the run or the machine is left out of it:
times, versions and names of cells; pictures have 256 colours, a third of the size. Each runs in an
empty folder; what it warns of is an error.
"""

from __future__ import annotations

import argparse
import base64
import io
import sys
import tempfile
from pathlib import Path

import jupytext
import nbclient
import nbformat
from PIL import Image

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"

_PARAMETER = 'dataset = "phantom"'


def executed(script: Path, dataset: str | None = None) -> nbformat.NotebookNode:
    """Return a notebook with its outputs; with another data set than it has, if one is given."""
    notebook = jupytext.read(script)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{number:02d}"  # jupytext draws lots
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    if not first.source.startswith(_PARAMETER):
        raise SystemExit(f"{script.name}: its first cell is not {_PARAMETER}")
    if dataset is not None:
        _, end, rest = first.source.partition("\n")
        first.source = f"dataset = {dataset}{end}{rest}"
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        nbclient.NotebookClient(
            notebook, timeout=300, kernel_name="python3", record_timing=False, resources=resources
        ).execute()
    notebook.metadata.language_info = {"name": "python"}
    notebook.metadata.jupytext.pop("main_language", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                raise SystemExit(f"{script.name} says, of\n{cell.source}\n\n{output.text}")
            if "image/png" in output.get("data", ()):
                output.data["image/png"] = smaller(output.data["image/png"])
    return notebook


def smaller(png: str) -> str:
    """Return a picture with a palette, in base 64 as it came."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        few = picture.convert("RGB").quantize(256, kmeans=2, dither=Image.Dither.NONE)
    out = io.BytesIO()
    few.save(out, "png", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def main(arguments: list[str]) -> None:
    """Run those that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--into", type=Path, default=NOTEBOOKS, metavar="FOLDER")
    parser.add_argument("--dataset", metavar="ID", help="a real data set in place of the phantom")
    given = parser.parse_args(arguments)
    for name in given.names or sorted(path.stem for path in NOTEBOOKS.glob("*.py")):
        notebook = executed(NOTEBOOKS / f"{name}.py", given.dataset)
        nbformat.write(notebook, given.into / f"{name}.ipynb")


if __name__ == "__main__":
    main(sys.argv[1:])
