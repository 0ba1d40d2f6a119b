"""The pages of this folder as a site: ``nox -s docs`` builds it, and Read the Docs."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
from sphinx.application import Sphinx

from atldld_xr import __version__

HERE = Path(__file__).parent
# Made as the site is: the notebooks, which are beside this folder, and a page for each name.
NOTEBOOKS = HERE / "notebooks"
FORGE = "https://github.com/atldld-xr/atldld_xr/blob/main/"

project = "atldld_xr"
author = "The atldld_xr developers"
version = release = __version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_click",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "py:obj"

autodoc_typehints = "none"  # numpydoc's sections say them in words
autosummary_generate = True
numpydoc_show_class_members = False
python_use_unqualified_type_names = True

myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # they are committed with what they show, which the tests look at

html_theme = "pydata_sphinx_theme"
html_title = f"atldld_xr {version}"
html_theme_options = {
    "github_url": "https://github.com/atldld-xr/atldld_xr",
    "navigation_with_keys": False,
    "show_prev_next": False,
}


def copy_notebooks(app: Sphinx) -> None:
    """Have the notebooks among the pages."""
    shutil.rmtree(NOTEBOOKS, ignore_errors=True)
    NOTEBOOKS.mkdir()
    for path in sorted((HERE.parent / "notebooks").iterdir()):
        if path.suffix in (".ipynb", ".png"):
            shutil.copy(path, NOTEBOOKS)


def lead_to_the_forge(app: Sphinx, docname: str, content: list[str]) -> None:
    """Have links beyond this folder lead to where it can be read; notebooks are pages."""
    content[0] = (
        content[0].replace("](../notebooks/", "](notebooks/").replace("](../", f"]({FORGE}")
    )


def keep_asterisks(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Have the help of a command say what it says on a terminal, where ``*`` means itself."""
    lines[:] = [line.replace("*", r"\*") for line in lines]


def setup(app: Sphinx) -> None:
    """Have Sphinx call these."""
    app.connect("builder-inited", copy_notebooks, priority=100)
    app.connect("source-read", lead_to_the_forge)
    for part in ("description", "options", "arguments", "epilog"):
        app.connect(f"sphinx-click-process-{part}", keep_asterisks)
