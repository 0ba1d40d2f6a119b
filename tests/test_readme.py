"""What the README and the docs show can be typed, and the table of names has all of them."""

from __future__ import annotations

import re
import shlex

import click
import pytest

import atldld_xr
from atldld_xr.cli import cli
from documents import PAGES, ROOT, blocks, table_rows


def test_what_needs_another_package_says_which():
    drawing = [line for line in blocks("README.md")[1].code.splitlines() if ".plot" in line]
    assert drawing
    assert all('pip install ".[plot]"' in line for line in drawing)


def test_the_table_has_every_public_function_and_every_command():
    in_python = {cell for row in table_rows() for cell in row if not cell.startswith("atldld-xr")}
    called = {re.split(r"[.(]", cell)[0] for cell in in_python}
    public = {name for name in dir(atldld_xr) if callable(getattr(atldld_xr, name))}
    assert public - called == {
        "BucketSource",
        "MirrorSource",
        "ReferenceSpace",
        "Registration",
        "DisplacementField",
    }  # named below the table
    commands = {
        cell.split()[1] for row in table_rows() for cell in row if cell.startswith("atldld-xr")
    }
    assert commands == set(cli.commands)


def lines():
    """Return every line of the command line that the README and the docs show."""
    shown = [block for page in PAGES for block in blocks(page) if block.language != "python"]
    found = [line.partition(" #")[0].strip() for b in shown for line in b.code.splitlines()]
    found += [cell for row in table_rows() for cell in row]
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
    documents = [*PAGES.values(), *ROOT.glob("notebooks/*.ipynb")]
    shown = [path.read_text() for path in documents]
    assert any("expression.where(ds.expression_coverage)" in text for text in shown)
    for text in shown:
        assert not re.search(r"expression\.where\(\w+\.coverage\b", text)
